// From the exchange format of 4-bit matrices to the layout of fragments4bit.h, and from either to numbers.
//
//   nq_pack4bit               codes of whole tiles: moves bytes
//   nq_place_absmax           absmax, f32 or bytes, of whole tiles
//   nq_dequantize_matrix4bit  y[n, k] = codebook[code] * absmax, one f32 rounding, then one to the type of y
//
// Launch: blocks of 256 threads; no shared memory. pack: a thread per lane of a tile, 16 gathered bytes read and 16 written. place: a
// thread per absmax. dequantize: grid (blocks of 256 columns, rows up to 65535, then in strides), a thread per weight.
//
// Cost: loading is bound by the bus, writing numbers by the bytes of y; all read and write each byte once, through L1.
// Source: arXiv 2305.14314 (the format), 2408.11743 (codes in fragment order).
#include "cuda/kernels/matrix4bit.h"

#include "cuda/device/fragments4bit.h"
#include "cuda/device/numbers.h"

namespace nq::cuda {

NQ_DEVICE size_t global_thread() { return static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; }

NQ_KERNEL(nq_pack4bit, pack4bit_parameters, matrix4bit_threads) {
    using namespace fragments4bit;
    const size_t tiles_along_k = p.columns / tile_columns, i = global_thread(), tile = i / 32;
    if (tile >= row_tiles(p.rows) * tiles_along_k) return;
    const uint32_t l = static_cast<uint32_t>(i % 32);
    const size_t first_row = tile / tiles_along_k * tile_rows, first_byte = tile % tiles_along_k * (tile_columns / 2);
    uint32_t words[4] = {};
    NQ_UNROLL for (uint32_t byte = 0; byte < lane_bytes; byte++) {
        const size_t row = first_row + row_of(l, byte);
        if (row >= p.rows) continue;
        const uint32_t pair = p.packed[row * (p.columns / 2) + first_byte + pair_of(l, byte)];
        words[byte / 4] |= pair << byte % 4 * 8;
    }
    reinterpret_cast<uint4*>(p.codes)[i] = {words[0], words[1], words[2], words[3]};
}

NQ_KERNEL(nq_place_absmax, place_absmax_parameters, matrix4bit_threads) {
    using namespace fragments4bit;
    const size_t i = global_thread();
    if (i >= row_tiles(p.rows) * tile_rows * p.groups) return;
    const size_t tile = i / (p.groups * tile_rows), group = i / tile_rows % p.groups;
    const size_t row = tile * tile_rows + absmax_row(static_cast<uint32_t>(i % tile_rows)), from = row * p.groups + group;
    if (p.element_bytes == 1) {
        static_cast<uint8_t*>(p.placed)[i] = row < p.rows ? static_cast<const uint8_t*>(p.flat)[from] : uint8_t{0};
    } else {
        static_cast<float*>(p.placed)[i] = row < p.rows ? static_cast<const float*>(p.flat)[from] : 0.0f;
    }
}

NQ_KERNEL(nq_dequantize_matrix4bit, dequantize_matrix4bit_parameters, matrix4bit_threads) {
    const weights4bit& w = p.weights;
    const size_t column = global_thread();
    if (column >= w.columns) return;
    for (size_t row = blockIdx.y; row < w.rows; row += gridDim.y) {
        float value;
        if (p.flat) {
            value = flat_weight(w, row * w.columns + column);
        } else {
            const uint32_t byte = w.codes[fragments4bit::code_byte(row, column / 2, w.columns)];
            const size_t groups = w.groups(), group = column >> w.blocksize_log2;
            value = w.codebook[column % 2 == 0 ? byte >> 4 : byte & 15] *
                    absmax_of(w, fragments4bit::absmax_index(row, group, groups), row * groups + group);
        }
        store_from_f32(p.y.data, p.y.dtype, row * p.y.row_stride + column, value);
    }
}

}  // namespace nq::cuda
