// Earlier versions of the 4-bit products, for kernel_lab.cpp. All take f32 x [M, K], plain absmax and no bias, and write f32 y [M, N].
#pragma once

#include "cuda/device/view.h"
#include "cuda/device/weights4bit.h"
#include "cuda/kernel.h"

namespace nq::cuda::lab {

struct version_parameters {
    weights4bit weights;  // in the exchange layout or in fragments, as the version says
    view x, y;
};

inline constexpr uint32_t gemv_threads = 256;
inline constexpr kernel<version_parameters> gemv_thread_per_row{"gemv4bit_versions", "nq_lab_gemv4bit_thread_per_row"};
inline constexpr kernel<version_parameters> gemv_warp_per_row{"gemv4bit_versions", "nq_lab_gemv4bit_warp_per_row"};
inline constexpr kernel<version_parameters> gemv_pair_table{"gemv4bit_versions", "nq_lab_gemv4bit_pair_table"};

inline constexpr uint32_t gemm_fma_tile = 64, gemm_fma_threads = 256;
inline constexpr uint32_t gemm_mma_rows = 16, gemm_mma_threads = 128;
inline constexpr kernel<version_parameters> gemm_fma{"gemm4bit_versions", "nq_lab_gemm4bit_fma"};
inline constexpr kernel<version_parameters> gemm_mma{"gemm4bit_versions", "nq_lab_gemm4bit_mma"};

}  // namespace nq::cuda::lab
