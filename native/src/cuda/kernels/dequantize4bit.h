// Parameters of the kernel in dequantize4bit.cu.
#pragma once

#include "cuda/device/view.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t dequantize4bit_threads = 256;

struct dequantize4bit_parameters {
    const uint8_t* packed;
    const float* absmax;
    void* output;  // f32, f16 or bf16
    uint64_t count;
    nq_dtype dtype;
    uint32_t log2_blocksize;
    float codebook[16];
};

inline constexpr kernel<dequantize4bit_parameters> dequantize4bit_kernel{"dequantize4bit", "nq_dequantize4bit"};

}  // namespace nq::cuda
