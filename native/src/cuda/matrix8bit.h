// An 8-bit matrix on the device.
#pragma once

#include "cuda/cuda_backend.h"
#include "cuda/device/fragments8bit.h"

namespace nq::cuda {

class matrix8bit final : public matrix {
public:
    // Contents undefined.
    matrix8bit(cuda_backend& device, size_t rows, size_t columns, nq_dtype dtype);

    nq_matrix_info info() const noexcept override;
    size_t rows() const noexcept { return rows_; }
    size_t columns() const noexcept { return columns_; }
    size_t row_tiles() const noexcept { return (rows_ + fragments8bit::tile_rows - 1) / fragments8bit::tile_rows; }
    size_t column_tiles() const noexcept { return (columns_ + fragments8bit::tile_columns - 1) / fragments8bit::tile_columns; }
    // Codes in the order of device/fragments8bit.h.
    uint8_t* fragments() const noexcept { return codes_.as<uint8_t>(); }
    // The codes of the rows from `row`, a multiple of 16, on.
    uint8_t* fragments(size_t row) const noexcept {
        return fragments() + row / fragments8bit::tile_rows * column_tiles() * fragments8bit::tile_bytes;
    }
    float* row_absmax() const noexcept { return row_absmax_.as<float>(); }

private:
    size_t rows_, columns_;
    nq_dtype dtype_;
    device_block codes_, row_absmax_;
};

// Row-major codes [rows, columns] on the device, rows `stride` bytes apart, to fragments and back.
void enqueue_pack(cuda_backend& device, const int8_t* codes, size_t stride, size_t rows, size_t columns, uint8_t* fragments);
void enqueue_unpack(cuda_backend& device, const uint8_t* fragments, size_t rows, size_t columns, int8_t* codes);

inline const matrix8bit& as_8bit(const matrix& weights) { return static_cast<const matrix8bit&>(weights); }

}  // namespace nq::cuda
