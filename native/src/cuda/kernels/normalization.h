// Parameters of the kernel in normalization.cu.
#pragma once

#include "cuda/device/view.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t rmsnorm_threads = 256;

// y = x / sqrt(mean(x^2) + epsilon) * weight, per row; y may be x.
struct rmsnorm_parameters {
    view x;
    const void* weight;
    nq_dtype weight_dtype;
    float epsilon;
    view y;
};

inline constexpr kernel<rmsnorm_parameters> rmsnorm_kernel{"normalization", "nq_rmsnorm"};

}  // namespace nq::cuda
