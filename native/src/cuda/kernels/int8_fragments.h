// Parameters of the kernels in int8_fragments.cu.
#pragma once

#include "cuda/device/view.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t int8_fragments_threads = 256;

// Rows of a matrix [.., columns] in row-major order, and whole tiles of the order of device/fragments8bit.h.
struct int8_fragments_parameters {
    int8_t* codes;       // row-major, `rows` rows
    uint64_t stride;     // bytes from one row of codes to the next
    uint8_t* fragments;  // from a multiple of 16 rows on
    uint64_t rows;
    uint64_t columns;
};

struct copy_int8_rows_parameters {
    const int8_t* from;
    uint64_t from_stride;  // bytes
    uint64_t columns;
    int8_t* to;  // [rows, to_stride]
    uint64_t to_stride;
    uint64_t rows;
};

inline constexpr kernel<int8_fragments_parameters> pack_int8_fragments_kernel{"int8_fragments", "nq_int8_pack_fragments"};
inline constexpr kernel<int8_fragments_parameters> unpack_int8_fragments_kernel{"int8_fragments", "nq_int8_unpack_fragments"};
inline constexpr kernel<copy_int8_rows_parameters> copy_int8_rows_kernel{"int8_fragments", "nq_int8_copy_rows"};

}  // namespace nq::cuda
