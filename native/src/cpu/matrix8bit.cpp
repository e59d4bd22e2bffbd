#include <cstring>

#include "cpu/matrices.h"
#include "formats/quantizers.h"

namespace nq::cpu {

matrix8bit::matrix8bit(cpu_backend& device, size_t rows, size_t columns, nq_dtype dtype)
    : rows_(rows),
      columns_(columns),
      padded_columns_((columns + 63) / 64 * 64),
      dtype_(dtype),
      codes_(device.account(), padded_rows() * padded_columns_),
      statistics_(device.account(), padded_rows() * (sizeof(float) + sizeof(int32_t))) {}

nq_matrix_info matrix8bit::info() const noexcept {
    nq_matrix_info info{};
    info.kind = NQ_MATRIX_8BIT;
    info.dtype = dtype_;
    info.rows = rows_;
    info.columns = columns_;
    info.storage_bytes = rows_ * columns_ + rows_ * sizeof(float);
    info.resident_bytes = codes_.bytes() + statistics_.bytes();
    return info;
}

panels8bit matrix8bit::panels() const noexcept {
    const float* absmax = statistics_.as<float>();
    return {codes_.as<int8_t>(), absmax, reinterpret_cast<const int32_t*>(absmax + padded_rows()), rows_, columns_, padded_columns_};
}

void matrix8bit::store_row(size_t row, const int8_t* codes, float absmax) noexcept {
    int8_t* quads = codes_.as<int8_t>() + row / panel_rows * panel_rows * padded_columns_ + row % panel_rows * 4;
    int32_t sum = 0;
    for (size_t c = 0; c < columns_; c++) {
        quads[c / 4 * (panel_rows * 4) + c % 4] = codes[c];
        sum += codes[c];
    }
    statistics_.as<float>()[row] = absmax;
    reinterpret_cast<int32_t*>(statistics_.as<float>() + padded_rows())[row] = sum;
}

int8_t matrix8bit::code(size_t row, size_t column) const noexcept {
    return codes_
        .as<int8_t>()[row / panel_rows * panel_rows * padded_columns_ + column / 4 * (panel_rows * 4) + row % panel_rows * 4 + column % 4];
}

void matrix8bit::load_row(size_t row, int8_t* codes) const noexcept {
    for (size_t c = 0; c < columns_; c++) codes[c] = code(row, c);
}

void matrix8bit::expand_row(size_t row, float* values) const noexcept {
    const float absmax = row_absmax(row);
    for (size_t c = 0; c < columns_; c++) values[c] = code(row, c) * absmax * formats::one_over_127;
}

}  // namespace nq::cpu
