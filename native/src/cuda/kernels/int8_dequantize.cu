// int8 codes and sums of products of codes as numbers.
//
//   nq_int8_dequantize_rows     y = codes[r, c] * row_absmax[r] * (1 / 127), codes row-major
//   nq_int8_dequantize_matrix   the same, codes in the order of device/fragments8bit.h
//   nq_int8_dequantize_product  y = sums[m, n] * (row_absmax[m] * column_absmax[n]) * (1 / 127^2) + bias[n]
// From left to right in f32, then one rounding to the type of y.
//
// Launch: blocks of 256 threads over the elements of y in a grid-stride loop; no shared memory.
// Cost: the bytes of the operands; expected at 60 % of the copy bandwidth of the device or more, for codes are read one byte a lane.
// Source: bitsandbytes int8_vectorwise_dequant, int8_mm_dequant.
#include "cuda/kernels/int8_dequantize.h"

#include "cuda/device/fragments8bit.h"
#include "cuda/device/numbers.h"
#include "formats/int8_scales.h"

namespace nq::cuda {

namespace {

// body(row, column) for every element.
template <class Body>
NQ_DEVICE void for_each_place(const view& v, const Body& body) {
    const size_t count = v.rows * v.columns, step = static_cast<size_t>(gridDim.x) * blockDim.x;
    for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) body(i / v.columns, i % v.columns);
}

NQ_DEVICE void store_dequantized(const dequantize_int8_parameters& p, size_t r, size_t c, int8_t code) {
    store_from_f32(p.y.data, p.y.dtype, r * p.y.row_stride + c, static_cast<float>(code) * p.row_absmax[r] * formats::one_over_127);
}

}  // namespace

NQ_KERNEL(nq_int8_dequantize_rows, dequantize_int8_parameters, int8_dequantize_threads) {
    for_each_place(p.y, [&](size_t r, size_t c) { store_dequantized(p, r, c, static_cast<const int8_t*>(p.codes)[r * p.stride + c]); });
}

NQ_KERNEL(nq_int8_dequantize_matrix, dequantize_int8_parameters, int8_dequantize_threads) {
    const size_t column_tiles = (p.y.columns + fragments8bit::tile_columns - 1) / fragments8bit::tile_columns;
    for_each_place(p.y, [&](size_t r, size_t c) {
        store_dequantized(p, r, c, static_cast<const int8_t*>(p.codes)[fragments8bit::offset(r, c, column_tiles)]);
    });
}

NQ_KERNEL(nq_int8_dequantize_product, dequantize_int8_product_parameters, int8_dequantize_threads) {
    for_each_place(p.out.y, [&](size_t m, size_t n) {
        const float scale = p.row_absmax[m] * p.column_absmax[n];
        finish(p.out, m, n, static_cast<float>(p.sums[m * p.stride + n]) * scale * formats::one_over_127_squared);
    });
}

}  // namespace nq::cuda
