// Parameters of the kernels in linear4bit_gemm.cu.
#pragma once

#include "cuda/device/epilogue.h"
#include "cuda/device/stripes.h"
#include "cuda/device/weights4bit.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t gemm4bit_threads = 256;
inline constexpr uint32_t gemm4bit_n = 128;  // rows of W in a column of the work: two tiles
inline constexpr uint32_t gemm4bit_k = 64;   // columns of W in a step: four tiles
// A row of sums in shared memory; the surplus keeps the rows of a fragment in different banks.
inline constexpr uint32_t gemm4bit_sum_stride = gemm4bit_n + 8;

struct gemm4bit_parameters {
    weights4bit weights;         // in fragments
    const uint16_t* x;           // [M, K] in T, 16-byte aligned
    uint64_t m;                  // rows of x
    uint64_t x_stride;           // elements, a multiple of 8
    epilogue e;                  // its `through` is T
    stripes work;                // columns: (blocks of rows of x) * (blocks of gemm4bit_n), rows of x running faster
    uint32_t table_copies_log2;  // of the pair table, 16 or 4
    float* parts;                // [work.parts()][rows of x in a block][gemm4bit_n]
    uint32_t* tickets;           // one per stripe, zero
};

NQ_HOST_DEVICE constexpr uint32_t gemm4bit_stages(int compute_capability) { return compute_capability >= 80 ? 4 : 2; }
// Codes of 2 x 4 tiles, absmax of 2 tiles in 2 groups, `rows` rows of x.
NQ_HOST_DEVICE constexpr uint32_t gemm4bit_stage_bytes(uint32_t rows) { return 8 * 512 + 4 * 256 + rows * gemm4bit_k * 2; }
// Bytes of dynamic shared memory: pair table, nested map, and the stages, in whose place the sums lie afterwards.
constexpr uint32_t gemm4bit_shared_bytes(uint32_t rows, uint32_t table_copies_log2, uint32_t stages) {
    const uint32_t pipeline = stages * gemm4bit_stage_bytes(rows), sums = rows * gemm4bit_sum_stride * 4;
    return (256 * 8 << table_copies_log2) + 256 * 4 + (pipeline > sums ? pipeline : sums);
}

// For blocks of 16, 32 and 64 rows of x, by T. bf16 from compute capability 8.0 on.
inline constexpr kernel<gemm4bit_parameters> gemm4bit_f16_kernels[3] = {
    {"linear4bit_gemm", "nq_gemm4bit_f16_16"}, {"linear4bit_gemm", "nq_gemm4bit_f16_32"}, {"linear4bit_gemm", "nq_gemm4bit_f16_64"}};
inline constexpr kernel<gemm4bit_parameters> gemm4bit_bf16_kernels[3] = {
    {"linear4bit_gemm", "nq_gemm4bit_bf16_16"}, {"linear4bit_gemm", "nq_gemm4bit_bf16_32"}, {"linear4bit_gemm", "nq_gemm4bit_bf16_64"}};

}  // namespace nq::cuda
