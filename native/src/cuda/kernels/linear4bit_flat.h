// Parameters of the kernel in linear4bit_flat.cu.
#pragma once

#include "cuda/device/epilogue.h"
#include "cuda/device/weights4bit.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t linear4bit_flat_threads = 128, linear4bit_flat_rows = 4;

struct linear4bit_flat_parameters {
    weights4bit weights;  // in the exchange layout
    view x;               // [M, K]
    epilogue e;           // its `through` is T
};
inline constexpr kernel<linear4bit_flat_parameters> linear4bit_flat_kernel{"linear4bit_flat", "nq_linear4bit_flat"};

}  // namespace nq::cuda
