// int8 codes of tensors and products of them.
#include "cuda/int8_rows.h"
#include "cuda/kernels/int8_dequantize.h"
#include "cuda/kernels/int8_fragments.h"
#include "cuda/linear8bit.h"
#include "cuda/linear_layers.h"
#include "cuda/matrix8bit.h"

namespace nq::cuda {

void enqueue_int8_rows(cuda_backend& device, int8_rows_parameters p) {
    const size_t mark_words = 1 + (p.x.columns + 31) / 32;
    const bool own_marks = p.threshold > 0 && mark_words > cuda_backend::ticket_count;
    const device_block marks = device.scratch(own_marks ? mark_words * sizeof(uint32_t) : 1);
    if (own_marks) device.clear(marks);
    p.marks = p.threshold == 0 ? nullptr : own_marks ? marks.as<uint32_t>() : device.tickets();
    const launch_shape block_a_row{.grid_x = static_cast<unsigned>(p.x.rows), .threads = int8_rows_threads};
    device.device().launch(quantize_int8_rows_kernel, block_a_row, p);
    if (p.threshold > 0 && p.x.rows > int8_rows_cleared_at_once)
        device.device().launch(clear_int8_columns_kernel, block_a_row, {p.codes, p.code_stride, p.outlier_count, p.outlier_columns});
}

void cuda_backend::quantize_int8_rows(const tensor& input, float threshold, const tensor& codes, const tensor& row_absmax,
                                      const tensor* outlier_columns) {
    const device_block outliers = scratch((1 + (threshold > 0 ? input.columns : 0)) * sizeof(uint32_t));
    int8_rows_parameters p{};
    p.x = view_of(input);
    p.threshold = threshold;
    p.codes = static_cast<int8_t*>(codes.data);
    p.code_stride = codes.row_stride;
    p.padded_columns = input.columns;
    p.row_absmax = static_cast<float*>(row_absmax.data);
    p.outlier_count = outliers.as<uint32_t>();
    p.outlier_columns = outliers.as<uint32_t>() + 1;
    if (outlier_columns != nullptr) p.outlier_flags = static_cast<uint8_t*>(outlier_columns->data);
    enqueue_int8_rows(*this, p);
}

void cuda_backend::dequantize_int8_rows(const tensor& codes, const tensor& row_absmax, const tensor& output) {
    device_->launch(dequantize_int8_rows_kernel, device_->covering(output.count(), int8_dequantize_threads),
                    {codes.data, codes.row_stride, static_cast<const float*>(row_absmax.data), view_of(output)});
}

void cuda_backend::int8_matmul(const tensor& a, const tensor& b, const tensor& y) {
    using namespace fragments8bit;
    const size_t row_tiles = (b.rows + tile_rows - 1) / tile_rows, column_tiles = (b.columns + tile_columns - 1) / tile_columns;
    const size_t stride = column_tiles * tile_columns;
    const device_block codes = scratch(a.rows * stride), fragments = scratch(row_tiles * column_tiles * tile_bytes);
    device_->launch(copy_int8_rows_kernel, device_->covering(a.rows * stride, int8_fragments_threads),
                    {static_cast<const int8_t*>(a.data), a.row_stride, a.columns, codes.as<int8_t>(), stride, a.rows});
    enqueue_pack(*this, static_cast<const int8_t*>(b.data), b.row_stride, b.rows, b.columns, fragments.as<uint8_t>());
    linear8bit_parameters p{};
    p.fragments = fragments.as<uint8_t>();
    p.codes = codes.as<int8_t>();
    p.code_stride = stride;
    p.sums = static_cast<int32_t*>(y.data);
    p.sums_stride = y.row_stride;
    p.rows = static_cast<uint32_t>(a.rows);
    p.columns = static_cast<uint32_t>(b.rows);
    p.column_tiles = static_cast<uint32_t>(column_tiles);
    enqueue_linear8bit_gemm(*this, p);
}

void cuda_backend::int8_matmul_dequantize(const tensor& acc, const tensor& row_absmax, const tensor& column_absmax, const tensor* bias,
                                          const tensor& y) {
    device_->launch(dequantize_int8_product_kernel, device_->covering(y.count(), int8_dequantize_threads),
                    {static_cast<const int32_t*>(acc.data), acc.row_stride, static_cast<const float*>(row_absmax.data),
                     static_cast<const float*>(column_absmax.data), store_to(y, bias)});
}

}  // namespace nq::cuda
