#include <cstring>

#include "cpu/matrices.h"
#include "cpu/staging.h"

namespace nq::cpu {

namespace {

constexpr size_t chunk_columns = 256;

template <class T>
void gather(const char* panel, size_t lane, size_t n, char* row) {
    for (size_t c = 0; c < n; c++) std::memcpy(row + c * sizeof(T), panel + (c * panel_rows + lane) * sizeof(T), sizeof(T));
}

}  // namespace

dense_matrix::dense_matrix(cpu_backend& device, size_t rows, size_t columns, nq_dtype dtype)
    : rows_(rows),
      columns_(columns),
      dtype_(dtype),
      data_(device.account(), panel_count(rows) * panel_rows * columns * element_size(dtype)) {}

nq_matrix_info dense_matrix::info() const noexcept {
    return formats::info_of(NQ_MATRIX_DENSE, dtype_, rows_, columns_, rows_ * columns_ * element_size(dtype_), data_.bytes());
}

void dense_matrix::fill_panel(const kernels& k, const host_weights& source, size_t panel) {
    const size_t size = element_size(dtype_), source_size = element_size(source.dtype);
    const size_t first = panel * panel_rows, valid = std::min(panel_rows, rows_ - first);
    const char* from = static_cast<const char*>(source.data) + first * columns_ * source_size;
    char* destination = data_.as<char>() + first * columns_ * size;
    if (source.dtype == dtype_) {
        k.interleave_rows(from, columns_ * size, valid, columns_, size, destination);
        return;
    }
    char rows[panel_rows * chunk_columns * sizeof(float)];
    float values[chunk_columns];
    for (size_t c = 0; c < columns_; c += chunk_columns) {
        const size_t n = std::min(chunk_columns, columns_ - c);
        for (size_t r = 0; r < valid; r++) {
            k.convert_to_f32(from + (r * columns_ + c) * source_size, source.dtype, values, n);
            k.convert_from_f32(values, rows + r * n * size, dtype_, n);
        }
        k.interleave_rows(rows, n * size, valid, n, size, destination + c * panel_rows * size);
    }
}

void dense_matrix::expand_row(const kernels& k, size_t row, float* values) const {
    const size_t size = element_size(dtype_);
    const char* panel = data_.as<char>() + row / panel_rows * panel_rows * columns_ * size;
    char gathered[chunk_columns * sizeof(float)];
    for (size_t c = 0; c < columns_; c += chunk_columns) {
        const size_t n = std::min(chunk_columns, columns_ - c);
        const char* vectors = panel + c * panel_rows * size;
        size == 4 ? gather<uint32_t>(vectors, row % panel_rows, n, gathered) : gather<uint16_t>(vectors, row % panel_rows, n, gathered);
        k.convert_to_f32(gathered, dtype_, values + c, n);
    }
}

}  // namespace nq::cpu
