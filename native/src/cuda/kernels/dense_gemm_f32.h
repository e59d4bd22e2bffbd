// Parameters of the kernels in dense_gemm_f32.cu.
#pragma once

#include "cuda/device/epilogue.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t dense_gemm_f32_threads = 256, dense_gemm_f32_columns = 64;

struct dense_gemm_f32_parameters {
    view x;        // [M, K] of any type
    view weights;  // [N, K] of any type, rows padded with zeros
    epilogue e;
};

struct dense_gemm_f32_tile {
    uint32_t rows;
    kernel<dense_gemm_f32_parameters> k;
};
inline constexpr dense_gemm_f32_tile dense_gemm_f32_tiles[] = {{16, {"dense_gemm_f32", "nq_dense_gemm_f32_16"}},
                                                               {64, {"dense_gemm_f32", "nq_dense_gemm_f32_64"}}};

}  // namespace nq::cuda
