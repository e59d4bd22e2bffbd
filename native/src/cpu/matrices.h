// The three kinds of weight matrix as the CPU backend holds them (layouts: panels.h).
#pragma once

#include <optional>

#include "cpu/block_quantization.h"
#include "cpu/cpu_backend.h"
#include "cpu/panels.h"
#include "formats/matrix_storage.h"

namespace nq::cpu {

class dense_matrix final : public matrix {
public:
    dense_matrix(cpu_backend& device, size_t rows, size_t columns, nq_dtype dtype);

    nq_matrix_info info() const noexcept override;
    dense_panels panels() const noexcept { return {data_.address(), dtype_, rows_, columns_}; }
    size_t rows() const noexcept { return rows_; }
    size_t columns() const noexcept { return columns_; }

    // Takes the rows of a panel from contiguous host memory, converting them.
    void fill_panel(const kernels& k, const host_weights& source, size_t panel);
    // values[c] = weight (row, c), all columns.
    void expand_row(const kernels& k, size_t row, float* values) const;

private:
    size_t rows_, columns_;
    nq_dtype dtype_;
    allocation data_;
};

// 4-bit codes in panels, or flat as in the exchange format where a block may run over the end of a row.
class matrix4bit final : public matrix {
public:
    using format = formats::matrix4bit_format;

    matrix4bit(cpu_backend& device, const format& f);

    nq_matrix_info info() const noexcept override;
    float nested_offset() const noexcept override { return nested_offset_; }
    bool in_panels() const noexcept { return f_.columns % f_.blocksize == 0; }
    panels4bit panels() const noexcept;
    const format& layout() const noexcept { return f_; }
    size_t count() const noexcept { return f_.count(); }
    size_t blocks() const noexcept { return f_.blocks(); }
    size_t nested_blocks() const noexcept { return f_.nested_blocks(); }

    // Where a panel's codes from column `first`, a multiple of 8, lie.
    uint32_t* panel_codes(size_t panel, size_t first) const noexcept {
        return codes_.as<uint32_t>() + (panel * (f_.columns / 8) + first / 8) * panel_rows;
    }
    // n / 2 packed bytes of a row in panels from column `first` on; n and first are multiples of 8.
    void load_packed(size_t row, size_t first, size_t n, uint8_t* packed) const noexcept;
    // Flat matrices: the whole exchange format.
    uint8_t* flat_packed() const noexcept { return codes_.as<uint8_t>(); }
    // Where the absmax, plain or code, of a flat block index is.
    size_t absmax_index(size_t block) const noexcept;
    float* absmax() const noexcept { return absmax_.as<float>(); }
    uint8_t* absmax_codes() const noexcept { return absmax_.as<uint8_t>(); }
    float* nested_absmax() const noexcept { return nested_ ? nested_->as<float>() + 256 : nullptr; }
    float* nested_map() const noexcept { return nested_ ? nested_->as<float>() : nullptr; }
    // Takes the absmax codes of a panel's rows from those of all blocks in flat order.
    void store_absmax_codes(size_t panel, const uint8_t* codes) noexcept;
    void set_nested_offset(float offset) noexcept { nested_offset_ = offset; }

    // values[c] = weight (row, c), all columns.
    void expand_row(size_t row, float* values) const noexcept;
    // Of a flat block index, also where absmax is nested.
    float absmax_of_block(size_t block) const noexcept;

private:
    nested_statistics nested() const noexcept { return {nested_map(), nested_absmax(), nested_offset_, f_.nested_blocksize}; }

    format f_;
    allocation codes_;
    allocation absmax_;
    std::optional<allocation> nested_;  // map [256], then nested absmax
    float nested_offset_ = 0;
};

class matrix8bit final : public matrix {
public:
    matrix8bit(cpu_backend& device, size_t rows, size_t columns, nq_dtype dtype);

    nq_matrix_info info() const noexcept override;
    panels8bit panels() const noexcept;
    size_t rows() const noexcept { return rows_; }
    size_t columns() const noexcept { return columns_; }
    size_t padded_columns() const noexcept { return padded_columns_; }

    // Takes n columns of a panel's rows from `first` on, both multiples of 64, zeros past the last column, and adds them to the row sums.
    void store_codes(const kernels& k, size_t panel, size_t first, size_t n, const int8_t* rows) noexcept;
    void set_row_absmax(size_t row, float absmax) noexcept { statistics_.as<float>()[row] = absmax; }
    void load_row(size_t row, int8_t* codes) const noexcept;
    float row_absmax(size_t row) const noexcept { return statistics_.as<float>()[row]; }
    void expand_row(size_t row, float* values) const noexcept;

private:
    size_t padded_rows() const noexcept { return panel_count(rows_) * panel_rows; }
    int8_t code(size_t row, size_t column) const noexcept;

    size_t rows_, columns_, padded_columns_;
    nq_dtype dtype_;
    allocation codes_;
    allocation statistics_;  // row absmax f32, then row sums i32
};

}  // namespace nq::cpu
