// The tile operations as the Intel architecture manual (volume 2) defines them, in plain C++, for machines without AMX. What would be a
// fault there is a trap here.
#pragma once

#include <xmmintrin.h>

#include "cpu/amx/tile.h"

namespace nq::cpu::amx::emulated_tiles {

struct tile_state {
    tile_configuration shapes{.palette = 0};
    alignas(64) uint8_t data[8][16][64];
};

static thread_local tile_state tile_registers;

static inline void require(bool condition) {
    if (!condition) __builtin_trap();
}

static inline void release() {
    tile_registers.shapes = {.palette = 0};
    __builtin_memset(tile_registers.data, 0, sizeof tile_registers.data);
}

static inline void configure(const tile_configuration& c) {
    require(c.palette == 1 && c.start_row == 0);
    for (const uint8_t byte : c.reserved) require(byte == 0);
    for (int tile = 0; tile < 16; ++tile) {
        require(c.row_bytes[tile] <= 64 && c.rows[tile] <= 16 && (c.row_bytes[tile] == 0) == (c.rows[tile] == 0));
        require(tile < 8 || c.rows[tile] == 0);
    }
    release();
    tile_registers.shapes = c;
}

template <int tile>
static inline void require_configured() {
    static_assert(0 <= tile && tile < 8);
    require(tile_registers.shapes.palette == 1 && tile_registers.shapes.rows[tile] > 0);
}

template <int tile>
static inline void zero() {
    require_configured<tile>();
    __builtin_memset(tile_registers.data[tile], 0, sizeof tile_registers.data[tile]);
}

template <int tile>
static inline void load(const void* base, size_t stride) {
    zero<tile>();
    const size_t bytes = tile_registers.shapes.row_bytes[tile];
    for (size_t row = 0; row < tile_registers.shapes.rows[tile]; ++row)
        __builtin_memcpy(tile_registers.data[tile][row], static_cast<const char*>(base) + row * stride, bytes);
}

template <int tile>
static inline void store(void* base, size_t stride) {
    require_configured<tile>();
    const size_t bytes = tile_registers.shapes.row_bytes[tile];
    for (size_t row = 0; row < tile_registers.shapes.rows[tile]; ++row)
        __builtin_memcpy(static_cast<char*>(base) + row * stride, tile_registers.data[tile][row], bytes);
}

template <int c, int a, int b>
static inline void require_product_shapes() {
    static_assert(c != a && c != b && a != b);
    require_configured<c>();
    require_configured<a>();
    require_configured<b>();
    const tile_configuration& s = tile_registers.shapes;
    require(s.row_bytes[c] % 4 == 0 && s.row_bytes[a] % 4 == 0 && s.row_bytes[b] % 4 == 0);
    require(s.rows[c] == s.rows[a] && s.row_bytes[c] == s.row_bytes[b] && s.row_bytes[a] / 4 == s.rows[b]);
}

// Even and odd elements are summed apart, each in one chain of fused multiply-adds from zero; the two sums are added, then that to C. Every
// operation rounds to nearest even, takes subnormal numbers as zero and makes none, whatever the thread's rounding mode.
// Not inlined, and all data through memory: so no operation leaves the span in which MXCSR is changed.
[[maybe_unused]] __attribute__((noinline)) static void multiply_bf16_tiles(uint8_t (*c)[64], const uint8_t (*a)[64], const uint8_t (*b)[64],
                                                                           size_t rows, size_t pairs) {
    const unsigned before = _mm_getcsr();
    _mm_setcsr(0x9fc0);  // all exceptions masked, nearest even, flush to zero, denormals are zero
    __asm__ volatile("" ::: "memory");
    for (size_t row = 0; row < rows; ++row) {
        alignas(64) float even[16] = {}, odd[16] = {}, sums[16];
        for (size_t pair = 0; pair < pairs; ++pair) {
            uint32_t left, right[16];
            float left_even, left_odd, right_even[16], right_odd[16];
            __builtin_memcpy(&left, a[row] + 4 * pair, 4);
            __builtin_memcpy(right, b[pair], 64);
            const uint32_t low = left << 16, high = left & 0xffff0000u;
            __builtin_memcpy(&left_even, &low, 4);
            __builtin_memcpy(&left_odd, &high, 4);
            uint32_t low_bits[16], high_bits[16];
            for (int n = 0; n < 16; ++n) {
                low_bits[n] = right[n] << 16;
                high_bits[n] = right[n] & 0xffff0000u;
            }
            __builtin_memcpy(right_even, low_bits, 64);
            __builtin_memcpy(right_odd, high_bits, 64);
            for (int n = 0; n < 16; ++n) {
                even[n] = __builtin_fmaf(left_even, right_even[n], even[n]);
                odd[n] = __builtin_fmaf(left_odd, right_odd[n], odd[n]);
            }
        }
        __builtin_memcpy(sums, c[row], 64);
        for (int n = 0; n < 16; ++n) sums[n] += even[n] + odd[n];
        __builtin_memcpy(c[row], sums, 64);
    }
    __asm__ volatile("" ::: "memory");
    _mm_setcsr(before);
}

[[maybe_unused]] __attribute__((noinline)) static void multiply_u8s8_tiles(uint8_t (*c)[64], const uint8_t (*a)[64], const uint8_t (*b)[64],
                                                                           size_t rows, size_t quads) {
    for (size_t row = 0; row < rows; ++row) {
        uint32_t sums[16];
        __builtin_memcpy(sums, c[row], 64);
        for (size_t quad = 0; quad < quads; ++quad) {
            const uint8_t* x = a[row] + 4 * quad;
            const uint8_t* w = b[quad];
            for (int n = 0; n < 16; ++n) {
                int sum = 0;
                for (int i = 0; i < 4; ++i) sum += x[i] * static_cast<int8_t>(w[4 * n + i]);
                sums[n] += static_cast<uint32_t>(sum);
            }
        }
        __builtin_memcpy(c[row], sums, 64);
    }
}

template <int c, int a, int b>
static inline void multiply_bf16() {
    require_product_shapes<c, a, b>();
    tile_state& t = tile_registers;
    multiply_bf16_tiles(t.data[c], t.data[a], t.data[b], t.shapes.rows[c], t.shapes.rows[b]);
}

template <int c, int a, int b>
static inline void multiply_u8s8() {
    require_product_shapes<c, a, b>();
    tile_state& t = tile_registers;
    multiply_u8s8_tiles(t.data[c], t.data[a], t.data[b], t.shapes.rows[c], t.shapes.rows[b]);
}

}  // namespace nq::cpu::amx::emulated_tiles
