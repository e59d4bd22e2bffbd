// Parameters of the kernels in conversion.cu.
#pragma once

#include "cuda/device/view.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t conversion_threads = 256;

// y = x; views of one shape, each f32, f16 or bf16. Columns of y from y.columns up to `padded` become zero.
struct convert_parameters {
    view x, y;
    uint64_t padded;
};

inline constexpr kernel<convert_parameters> convert_kernel{"conversion", "nq_convert"};

}  // namespace nq::cuda
