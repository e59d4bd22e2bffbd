// Parameters of the kernels in matrix4bit.cu.
#pragma once

#include "cuda/device/view.h"
#include "cuda/device/weights4bit.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t matrix4bit_threads = 256;

// Codes of whole tiles of rows, from the exchange format; rows past `rows` become zero bytes.
struct pack4bit_parameters {
    const uint8_t* packed;  // [rows][columns / 2]
    uint8_t* codes;
    uint64_t rows, columns;
};
inline constexpr kernel<pack4bit_parameters> pack4bit_kernel{"matrix4bit", "nq_pack4bit"};

// Absmax of whole tiles of rows, from flat order.
struct place_absmax_parameters {
    const void* flat;  // [rows][groups]
    void* placed;
    uint64_t rows, groups;
    uint32_t element_bytes;  // 1 or 4
};
inline constexpr kernel<place_absmax_parameters> place_absmax_kernel{"matrix4bit", "nq_place_absmax"};

struct dequantize_matrix4bit_parameters {
    weights4bit weights;
    bool flat;
    view y;
};
inline constexpr kernel<dequantize_matrix4bit_parameters> dequantize_matrix4bit_kernel{"matrix4bit", "nq_dequantize_matrix4bit"};

}  // namespace nq::cuda
