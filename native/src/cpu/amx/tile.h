// Every tile operation of the AMX kernels behind one function. A thread has eight tiles of at most 16 rows of 64 bytes; a configuration
// gives each its shape. Products, C += A * B, C [m][16] of 32 bits:
//     multiply_bf16  A [m][32] bf16, B [16][16 pairs]: row j of B holds elements 2j and 2j + 1 of each of the 16 columns
//     multiply_u8s8  A [m][64] u8, B [16][16 quads] s8, int32 sums modulo 2^32
// so that a row of A is a plain row of x, and B is the order of the dot-product vectors.
//
// tile_emulation.h has the same functions in plain C++; files compiled with NQ_EMULATE_TILES use those. Everything is static and the
// namespace differs, so that both kinds of object files may be linked into one program.
//
// Inline assembly, and not the intrinsics: those of GCC 12 name none of the memory they read (_tile_loadd) or only a part
// (_tile_loadconfig), and stores before them may then be moved or dropped.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace nq::cpu::amx {

// What ldtilecfg reads.
struct alignas(64) tile_configuration {
    uint8_t palette = 1;  // 1: eight tiles of at most 1 KiB
    uint8_t start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
};
static_assert(sizeof(tile_configuration) == 64);

namespace tiles {

// Gives the tiles their shapes and clears them.
static inline void configure(const tile_configuration& c) { __asm__ volatile("ldtilecfg %0" ::"m"(c) : "memory"); }

// Back to the initial state, which a context switch need not save.
static inline void release() { __asm__ volatile("tilerelease" ::: "memory"); }

template <int tile>
static inline void zero() {
    __asm__ volatile("tilezero %%tmm%c0" ::"i"(tile));
}

// Row r from base + r * stride bytes. A stride of 0 repeats one row.
template <int tile>
static inline void load(const void* base, size_t stride) {
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(base), "r"(stride), "i"(tile) : "memory");
}

template <int tile>
static inline void store(void* base, size_t stride) {
    __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(base), "r"(stride), "i"(tile) : "memory");
}

template <int c, int a, int b>
static inline void multiply_bf16() {
    __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(c), "i"(a), "i"(b));
}

template <int c, int a, int b>
static inline void multiply_u8s8() {
    __asm__ volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(c), "i"(a), "i"(b));
}

}  // namespace tiles
}  // namespace nq::cpu::amx

// The namespace of the tile operations in use, and of the kernels on top of them.
#if defined(NQ_EMULATE_TILES)
#include "cpu/amx/tile_emulation.h"
#define NQ_TILES emulated_tiles
#else
#define NQ_TILES tiles
#endif
