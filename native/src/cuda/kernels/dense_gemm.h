// Parameters of the kernels in dense_gemm.cu.
#pragma once

#include "cuda/device/epilogue.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t dense_gemm_threads = 256, dense_gemm_columns = 128, dense_gemm_stages = 3;

struct dense_gemm_parameters {
    const uint16_t* x;  // [x_parts][M][x_stride] (activation_parts.h), 16-byte aligned rows
    uint64_t x_stride;
    uint32_t x_parts;
    uint32_t x_columns;       // a multiple of 8; zero beyond
    const uint16_t* weights;  // [N][weight_stride]
    uint64_t weight_stride;
    uint32_t weights_in_parts;  // bf16 kernels: the weights are f16, and become two bf16 parts on the way
    uint32_t rows, columns;     // M, N
    uint32_t slices;            // of 32 columns of x and W
    float* partial_sums;        // [gridDim.z][M][N], or null: the epilogue is applied
    epilogue e;
};

struct dense_reduce_parameters {
    const float* partial_sums;
    uint32_t splits;
    epilogue e;
};

struct dense_gemm_tile {
    uint32_t rows;
    uint32_t blocks;  // that a multiprocessor holds at once, whatever the parts of x
    kernel<dense_gemm_parameters> bf16, f16;
};
inline constexpr dense_gemm_tile dense_gemm_tiles[] = {
    {16, 2, {"dense_gemm", "nq_dense_gemm_bf16_16"}, {"dense_gemm", "nq_dense_gemm_f16_16"}},
    {64, 2, {"dense_gemm", "nq_dense_gemm_bf16_64"}, {"dense_gemm", "nq_dense_gemm_f16_64"}},
    {128, 1, {"dense_gemm", "nq_dense_gemm_bf16_128"}, {"dense_gemm", "nq_dense_gemm_f16_128"}},
};
inline constexpr kernel<dense_reduce_parameters> dense_reduce_kernel{"dense_gemm", "nq_dense_reduce"};

}  // namespace nq::cuda
