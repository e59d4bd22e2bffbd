// Parameters of the kernels in tensor_peak.cu.
#pragma once

#include "cuda/device/target.h"
#include "cuda/kernel.h"

namespace nq::cuda::lab {

inline constexpr uint32_t tensor_peak_threads = 256, tensor_peak_products = 8;

struct tensor_peak_parameters {
    float* sums;  // one a thread
    uint32_t rounds;
};

inline constexpr kernel<tensor_peak_parameters> tensor_peak_16bit{"tensor_peak", "nq_lab_tensor_peak_16bit"};
inline constexpr kernel<tensor_peak_parameters> tensor_peak_int8{"tensor_peak", "nq_lab_tensor_peak_int8"};

}  // namespace nq::cuda::lab
