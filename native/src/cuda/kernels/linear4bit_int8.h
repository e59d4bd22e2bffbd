// Parameters of the kernels in linear4bit_int8.cu.
#pragma once

#include "cuda/kernels/linear4bit_gemv.h"

namespace nq::cuda {

// Columns of x with one absmax.
NQ_HOST_DEVICE uint32_t int8_block_columns(uint32_t blocksize) { return blocksize < 64 ? blocksize : 64; }

// Activations in int8: rows in blocks of int8_block_columns(blocksize of the weights) columns.
struct activations4bit {
    int8_t* codes;
    float* scales;         // [M][blocks]: absmax * (1 / 127^2), NaN if the block holds a NaN or infinity (its codes are 0)
    uint64_t code_stride;  // bytes from one row of codes to the next, a multiple of 16
    uint64_t blocks;
};

inline constexpr uint32_t quantize_activations4bit_threads = 256;
struct quantize_activations4bit_parameters {
    view x;
    activations4bit result;
    uint32_t block;
    bool lane_order;  // the columns of each 16 in the order of the lanes that need them, for weights in fragments
};
inline constexpr kernel<quantize_activations4bit_parameters> quantize_activations4bit_kernel{"linear4bit_int8",
                                                                                             "nq_quantize_activations4bit"};

struct gemv4bit_int8_parameters {
    gemv4bit_parameters product;  // of its x the number of rows counts
    activations4bit x;            // in lane order
};
// For 1, 2 and 4 rows of x.
inline constexpr kernel<gemv4bit_int8_parameters> gemv4bit_int8_kernels[3] = {
    {"linear4bit_int8", "nq_gemv4bit_int8_1"}, {"linear4bit_int8", "nq_gemv4bit_int8_2"}, {"linear4bit_int8", "nq_gemv4bit_int8_4"}};

inline constexpr uint32_t flat_int8_threads = 128, flat_int8_rows = 4;
struct linear4bit_flat_int8_parameters {
    weights4bit weights;  // in the exchange layout
    activations4bit x;    // in order
    uint64_t rows;        // of x
    uint32_t block;
    epilogue e;
};
inline constexpr kernel<linear4bit_flat_int8_parameters> linear4bit_flat_int8_kernel{"linear4bit_int8", "nq_linear4bit_flat_int8"};

}  // namespace nq::cuda
