// Parameters of the kernel in activation_parts.cu.
#pragma once

#include "cuda/device/view.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t activation_parts_threads = 256;

struct activation_parts_parameters {
    view x;            // f32, f16 or bf16
    uint16_t* result;  // [parts][rows][stride]
    uint64_t stride;   // a multiple of 4; columns from x.columns on become zero
    uint32_t parts;    // 1 to 3
    nq_dtype dtype;    // bf16; f16 for x of f16 in one part
};

inline constexpr kernel<activation_parts_parameters> activation_parts_kernel{"activation_parts", "nq_activation_parts"};

}  // namespace nq::cuda
