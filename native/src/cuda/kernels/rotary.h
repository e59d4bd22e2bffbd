// Parameters of the kernel in rotary.cu.
#pragma once

#include "cuda/device/index_check.h"
#include "cuda/device/view.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t rotary_threads = 128;

struct rotary_parameters {
    view x;  // [T, heads * head_dim]
    uint32_t head_dim;
    const uint32_t* positions;  // T
    view cosine, sine;          // f32 [positions, half]
    index_error* error;
};

inline constexpr kernel<rotary_parameters> rotary_kernel{"rotary", "nq_rotary"};

}  // namespace nq::cuda
