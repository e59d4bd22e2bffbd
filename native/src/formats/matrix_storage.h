// What a weight matrix is in the exchange format, whichever backend holds it and in whatever order.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nativequant/nativequant.h"

namespace nq::formats {

struct matrix4bit_format {
    size_t rows, columns;
    nq_quant_type quant_type;
    nq_dtype dtype;
    uint32_t blocksize;
    uint32_t nested_blocksize;  // 0: plain f32 absmax

    size_t count() const noexcept { return rows * columns; }
    size_t blocks() const noexcept { return (count() - 1) / blocksize + 1; }
    size_t nested_blocks() const noexcept { return nested_blocksize == 0 ? 0 : (blocks() - 1) / nested_blocksize + 1; }
};

inline nq_matrix_info info_of(const matrix4bit_format& f, size_t resident_bytes) noexcept {
    nq_matrix_info info{};
    info.kind = NQ_MATRIX_4BIT;
    info.dtype = f.dtype;
    info.rows = f.rows;
    info.columns = f.columns;
    info.quant_type = f.quant_type;
    info.blocksize = f.blocksize;
    info.nested_blocksize = f.nested_blocksize;
    info.storage_bytes =
        (f.count() + 1) / 2 + f.blocks() * (f.nested_blocksize == 0 ? sizeof(float) : 1) + f.nested_blocks() * sizeof(float);
    info.resident_bytes = resident_bytes;
    return info;
}

// A dense or an 8-bit matrix; bytes of its weights and statistics as they are exchanged.
inline nq_matrix_info info_of(nq_matrix_kind kind, nq_dtype dtype, size_t rows, size_t columns, size_t storage_bytes,
                              size_t resident_bytes) noexcept {
    nq_matrix_info info{};
    info.kind = kind;
    info.dtype = dtype;
    info.rows = rows;
    info.columns = columns;
    info.storage_bytes = storage_bytes;
    info.resident_bytes = resident_bytes;
    return info;
}

}  // namespace nq::formats
