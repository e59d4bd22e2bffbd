// Parameters of the kernels in dense_gemv.cu.
#pragma once

#include "cuda/device/epilogue.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t dense_gemv_threads = 128, dense_gemv_rows = 4, dense_gemv_most_x_rows = 4;

struct dense_gemv_parameters {
    view x;        // [1 to 4, K]
    view weights;  // [N, K], rows padded with zeros (dense_layout.h)
    epilogue e;
};

// By the number of rows of x, from 1.
inline constexpr kernel<dense_gemv_parameters> dense_gemv_f32_kernels[] = {{"dense_gemv", "nq_dense_gemv_f32_m1"},
                                                                           {"dense_gemv", "nq_dense_gemv_f32_m2"},
                                                                           {"dense_gemv", "nq_dense_gemv_f32_m3"},
                                                                           {"dense_gemv", "nq_dense_gemv_f32_m4"}};
inline constexpr kernel<dense_gemv_parameters> dense_gemv_16bit_kernels[] = {{"dense_gemv", "nq_dense_gemv_16bit_m1"},
                                                                             {"dense_gemv", "nq_dense_gemv_16bit_m2"},
                                                                             {"dense_gemv", "nq_dense_gemv_16bit_m3"},
                                                                             {"dense_gemv", "nq_dense_gemv_16bit_m4"}};

}  // namespace nq::cuda
