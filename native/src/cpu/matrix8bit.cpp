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
    return formats::info_of(NQ_MATRIX_8BIT, dtype_, rows_, columns_, rows_ * columns_ + rows_ * sizeof(float),
                            codes_.bytes() + statistics_.bytes());
}

panels8bit matrix8bit::panels() const noexcept {
    const float* absmax = statistics_.as<float>();
    return {codes_.as<int8_t>(), absmax, reinterpret_cast<const int32_t*>(absmax + padded_rows()), rows_, columns_, padded_columns_};
}

void matrix8bit::store_codes(const kernels& k, size_t panel, size_t first, size_t n, const int8_t* rows) noexcept {
    const size_t row = panel * panel_rows, valid = std::min(panel_rows, rows_ - row);
    k.interleave_rows(rows, n, valid, n / 4, 4, codes_.as<int8_t>() + row * padded_columns_ + first * panel_rows);
    int32_t* sums = reinterpret_cast<int32_t*>(statistics_.as<float>() + padded_rows()) + row;
    for (size_t r = 0; r < valid; r++) {
        int32_t sum = 0;  // not in place: a store through sums might change the codes, for all the compiler knows
        for (size_t c = 0; c < n; c++) sum += rows[r * n + c];
        sums[r] += sum;
    }
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
