// Parameters of the kernels in blockwise.cu.
#pragma once

#include "cuda/device/view.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t blockwise_threads = 256;

struct quantize_blockwise_parameters {
    const void* input;  // f32, f16 or bf16
    uint64_t count;
    const float* map;     // 256 ascending values
    const float* offset;  // subtracted from every value; null: nothing is
    uint8_t* codes;
    float* absmax;
    uint32_t* bad_block;  // receives the least index of a block with a NaN or an infinity
    nq_dtype dtype;
    uint32_t blocksize;
};

struct dequantize_blockwise_parameters {
    const uint8_t* codes;
    const float* map;
    const float* absmax;
    const float* offset;  // added to every value; null: nothing is
    void* output;         // f32, f16 or bf16
    uint64_t count;
    nq_dtype dtype;
    uint32_t blocksize;
};

inline constexpr kernel<quantize_blockwise_parameters> quantize_blockwise_kernel{"blockwise", "nq_blockwise_quantize"};
inline constexpr kernel<dequantize_blockwise_parameters> dequantize_blockwise_kernel{"blockwise", "nq_blockwise_dequantize"};

}  // namespace nq::cuda
