// Parameters of the kernels in int8_dequantize.cu.
#pragma once

#include "cuda/device/epilogue.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t int8_dequantize_threads = 256;

struct dequantize_int8_parameters {
    const void* codes;        // rows: int8 [M, stride]; matrix: fragments
    uint64_t stride;          // rows only: bytes
    const float* row_absmax;  // M
    view y;                   // [M, K]
};

struct dequantize_int8_product_parameters {
    const int32_t* sums;  // [M, stride]
    uint64_t stride;      // elements
    const float* row_absmax;
    const float* column_absmax;
    epilogue out;
};

inline constexpr kernel<dequantize_int8_parameters> dequantize_int8_rows_kernel{"int8_dequantize", "nq_int8_dequantize_rows"};
inline constexpr kernel<dequantize_int8_parameters> dequantize_int8_matrix_kernel{"int8_dequantize", "nq_int8_dequantize_matrix"};
inline constexpr kernel<dequantize_int8_product_parameters> dequantize_int8_product_kernel{"int8_dequantize", "nq_int8_dequantize_product"};

}  // namespace nq::cuda
