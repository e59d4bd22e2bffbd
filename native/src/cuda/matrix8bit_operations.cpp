// 8-bit matrices: made from host memory a share of rows at a time, so that loading needs little more device memory than the matrix itself.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "cuda/dense_matrix.h"
#include "cuda/fail.h"
#include "cuda/int8_rows.h"
#include "cuda/kernels/int8_dequantize.h"
#include "cuda/kernels/int8_fragments.h"
#include "cuda/linear_layers.h"
#include "cuda/matrix8bit.h"
#include "formats/half.h"
#include "formats/matrix_storage.h"

namespace nq::cuda {

namespace {

// Rows whose copies take about `bytes`: whole tiles.
size_t rows_at_once(size_t row_bytes) {
    constexpr size_t bytes = 16 << 20;
    return std::max<size_t>(bytes / row_bytes / fragments8bit::tile_rows, 1) * fragments8bit::tile_rows;
}

float value_at(const host_weights& source, size_t index) {
    const size_t size = element_size(source.dtype);
    uint32_t bits = 0;
    std::memcpy(&bits, static_cast<const char*>(source.data) + index * size, size);
    if (source.dtype == NQ_DTYPE_F32) return formats::float_of(bits);
    const uint16_t half = static_cast<uint16_t>(bits);
    return source.dtype == NQ_DTYPE_F16 ? formats::f32_from_f16(half) : formats::f32_from_bf16(half);
}

}  // namespace

matrix8bit::matrix8bit(cuda_backend& device, size_t rows, size_t columns, nq_dtype dtype)
    : rows_(rows),
      columns_(columns),
      dtype_(dtype),
      codes_(device.blocks(), row_tiles() * column_tiles() * fragments8bit::tile_bytes),
      row_absmax_(device.blocks(), rows * sizeof(float)) {}

nq_matrix_info matrix8bit::info() const noexcept {
    return formats::info_of(NQ_MATRIX_8BIT, dtype_, rows_, columns_, rows_ * columns_ + rows_ * sizeof(float),
                            codes_.bytes() + row_absmax_.bytes());
}

void enqueue_pack(cuda_backend& device, const int8_t* codes, size_t stride, size_t rows, size_t columns, uint8_t* fragments) {
    using namespace fragments8bit;
    const size_t tiles = (rows + tile_rows - 1) / tile_rows * ((columns + tile_columns - 1) / tile_columns);
    device.device().launch(pack_int8_fragments_kernel, device.device().covering(tiles * (tile_bytes / lane_bytes), int8_fragments_threads),
                           {const_cast<int8_t*>(codes), stride, fragments, rows, columns});
}

void enqueue_unpack(cuda_backend& device, const uint8_t* fragments, size_t rows, size_t columns, int8_t* codes) {
    device.device().launch(unpack_int8_fragments_kernel, device.device().covering(rows * columns, int8_fragments_threads),
                           {codes, columns, const_cast<uint8_t*>(fragments), rows, columns});
}

void dequantize_matrix8bit(cuda_backend& device, const matrix& weights, const tensor& output) {
    const matrix8bit& w = as_8bit(weights);
    device.device().launch(dequantize_int8_matrix_kernel, device.device().covering(output.count(), int8_dequantize_threads),
                           {w.fragments(), 0, w.row_absmax(), view_of(output)});
}

std::shared_ptr<matrix> cuda_backend::quantize_matrix_8bit(const host_weights& source) {
    auto weights = std::make_shared<matrix8bit>(*this, source.rows, source.columns, source.dtype);
    const size_t columns = source.columns, row_bytes = columns * element_size(source.dtype);
    const size_t most = std::min(rows_at_once(row_bytes), source.rows);
    const device_block values = scratch(most * row_bytes), codes = scratch(most * columns), outlier_count = scratch(sizeof(uint32_t));
    for (size_t row = 0; row < source.rows; row += most) {
        const size_t rows = std::min(most, source.rows - row);
        write(values.address(), static_cast<const char*>(source.data) + row * row_bytes, rows * row_bytes);
        int8_rows_parameters p{};
        p.x = {values.address(), rows, columns, columns, source.dtype};
        p.round_to_f16 = 1;
        p.codes = codes.as<int8_t>();
        p.code_stride = p.padded_columns = columns;
        p.row_absmax = weights->row_absmax() + row;
        p.outlier_count = outlier_count.as<uint32_t>();
        enqueue_int8_rows(*this, p);
        enqueue_pack(*this, codes.as<int8_t>(), columns, rows, columns, weights->fragments(row));
    }
    std::vector<float> absmax(source.rows);
    read(absmax.data(), weights->row_absmax(), absmax.size() * sizeof(float));
    const auto bad = std::find_if(absmax.begin(), absmax.end(), [](float value) { return std::isnan(value); });
    if (bad == absmax.end()) return weights;
    size_t index = static_cast<size_t>(bad - absmax.begin()) * columns;
    while (std::isfinite(value_at(source, index))) index++;
    fail_not_finite(index, value_at(source, index));
}

std::shared_ptr<matrix> cuda_backend::import_8bit(size_t rows, size_t columns, nq_dtype dtype, const int8_t* codes,
                                                  const float* row_absmax) {
    auto weights = std::make_shared<matrix8bit>(*this, rows, columns, dtype);
    const size_t most = std::min(rows_at_once(columns), rows);
    const device_block share = scratch(most * columns);
    for (size_t row = 0; row < rows; row += most) {
        const size_t count = std::min(most, rows - row);
        write(share.address(), codes + row * columns, count * columns);
        enqueue_pack(*this, share.as<int8_t>(), columns, count, columns, weights->fragments(row));
    }
    write(weights->row_absmax(), row_absmax, rows * sizeof(float));
    return weights;
}

void cuda_backend::export_8bit(const matrix& weights, int8_t* codes, float* row_absmax) {
    const matrix8bit& w = as_8bit(weights);
    const size_t columns = w.columns(), most = std::min(rows_at_once(columns), w.rows());
    const device_block share = scratch(most * columns);
    for (size_t row = 0; row < w.rows(); row += most) {
        const size_t count = std::min(most, w.rows() - row);
        enqueue_unpack(*this, w.fragments(row), count, columns, share.as<int8_t>());
        read(codes + row * columns, share.address(), count * columns);
    }
    read(row_absmax, w.row_absmax(), w.rows() * sizeof(float));
}

}  // namespace nq::cuda
