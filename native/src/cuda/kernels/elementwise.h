// Parameters of the kernels in elementwise.cu.
#pragma once

#include "cuda/device/view.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t elementwise_threads = 256;

// y = silu(x) * z, or y = y + x; views of one shape.
struct elementwise_parameters {
    view x, z, y;
};

inline constexpr kernel<elementwise_parameters> gated_silu_kernel{"elementwise", "nq_gated_silu"};
inline constexpr kernel<elementwise_parameters> residual_add_kernel{"elementwise", "nq_residual_add"};

}  // namespace nq::cuda
