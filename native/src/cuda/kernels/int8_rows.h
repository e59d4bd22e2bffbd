// Parameters of the kernels in int8_rows.cu.
#pragma once

#include "cuda/device/view.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t int8_rows_threads = 256;
// Up to so many rows the last block clears the outlier columns; above, a launch of nq_int8_clear_columns does.
inline constexpr uint32_t int8_rows_cleared_at_once = 64;

struct int8_rows_parameters {
    view x;                   // f32, f16 or bf16 [M, K]
    float threshold;          // 0: no outliers
    uint32_t round_to_f16;    // x is rounded to f16, saturating, before anything else
    int8_t* codes;            // [M, padded_columns], zero from column K on
    uint64_t code_stride;     // bytes
    uint64_t padded_columns;  // at least K
    float* row_absmax;        // M
    // Words that are 0, and are 0 again afterwards: one ticket, then a bit for each column. Null where threshold is 0.
    uint32_t* marks;
    uint32_t* outlier_count;
    uint32_t* outlier_columns;  // ascending
    uint8_t* outlier_flags;     // K bytes, 1 where a column holds an outlier; may be null
};

struct clear_int8_columns_parameters {
    int8_t* codes;
    uint64_t code_stride;
    const uint32_t* outlier_count;
    const uint32_t* outlier_columns;
};

inline constexpr kernel<int8_rows_parameters> quantize_int8_rows_kernel{"int8_rows", "nq_int8_quantize_rows"};
inline constexpr kernel<clear_int8_columns_parameters> clear_int8_columns_kernel{"int8_rows", "nq_int8_clear_columns"};

}  // namespace nq::cuda
