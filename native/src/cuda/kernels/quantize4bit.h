// Parameters of the kernel in quantize4bit.cu.
#pragma once

#include "cuda/device/view.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t quantize4bit_threads = 128;

struct quantize4bit_parameters {
    const void* input;  // f32, f16 or bf16
    uint64_t count;
    uint8_t* packed;
    float* absmax;
    uint32_t* bad_block;  // receives the least index of a block with a NaN or an infinity
    nq_dtype dtype;
    nq_quant_type type;
    uint32_t blocksize;
    uint32_t zero_code;
    uint32_t magnitude_codes;  // FP4: 8 codes in the order of their magnitudes, 4 bits each
    float thresholds[15];      // ascending midpoints: 15 of NF4, 7 of FP4's magnitudes
};

inline constexpr kernel<quantize4bit_parameters> quantize4bit_kernel{"quantize4bit", "nq_quantize4bit"};

}  // namespace nq::cuda
