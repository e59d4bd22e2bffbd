// Parameters of the kernels in linear4bit_gemv.cu.
#pragma once

#include "cuda/device/epilogue.h"
#include "cuda/device/weights4bit.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t gemv4bit_threads = 256, gemv4bit_warps = gemv4bit_threads / 32;
inline constexpr uint32_t gemv4bit_unit = 64;  // columns that a warp takes at a time
inline constexpr uint32_t gemv4bit_most_rows = 4;
inline constexpr uint32_t gemv4bit_x_floats = 4096;  // of x in shared memory

struct gemv4bit_parameters {
    weights4bit weights;  // in fragments
    view x;               // [M, K]
    epilogue e;
    uint32_t table_copies_log2;  // of the pair table, 16 or 4
    uint32_t splits;             // parts that K is cut into
    float* parts;                // splits > 1: [blocks of the grid][rows of x][64]
    uint32_t* tickets;           // splits > 1: one per row tile and group of rows of x, zero
};

// Bytes of dynamic shared memory: pair table, nested map, x, sums of the warps.
constexpr uint32_t gemv4bit_shared_bytes(uint32_t rows, uint32_t table_copies_log2) {
    return (256 * 8 << table_copies_log2) + 256 * 4 + gemv4bit_x_floats * 4 + gemv4bit_warps * rows * 64 * 4;
}

// For 1, 2 and 4 rows of x, by compute type.
inline constexpr kernel<gemv4bit_parameters> gemv4bit_f32_kernels[3] = {
    {"linear4bit_gemv", "nq_gemv4bit_f32_1"}, {"linear4bit_gemv", "nq_gemv4bit_f32_2"}, {"linear4bit_gemv", "nq_gemv4bit_f32_4"}};
inline constexpr kernel<gemv4bit_parameters> gemv4bit_f16_kernels[3] = {
    {"linear4bit_gemv", "nq_gemv4bit_f16_1"}, {"linear4bit_gemv", "nq_gemv4bit_f16_2"}, {"linear4bit_gemv", "nq_gemv4bit_f16_4"}};
inline constexpr kernel<gemv4bit_parameters> gemv4bit_bf16_kernels[3] = {
    {"linear4bit_gemv", "nq_gemv4bit_bf16_1"}, {"linear4bit_gemv", "nq_gemv4bit_bf16_2"}, {"linear4bit_gemv", "nq_gemv4bit_bf16_4"}};

}  // namespace nq::cuda
