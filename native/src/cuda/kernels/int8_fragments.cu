// The codes of 8-bit matrices, between row-major order and the order that the products read (device/fragments8bit.h).
//
//   nq_int8_pack_fragments    fragments = codes; zeros beyond the last row and column
//   nq_int8_unpack_fragments  codes = fragments
//   nq_int8_copy_rows         to = from, zeros from column `columns` on: rows as the products want those of x
//
// Launch: blocks of 256 threads in a grid-stride loop; packing over the 16 bytes that a lane loads, unpacking over the codes, copying over
// the bytes of `to`. No shared memory. Cost: packing runs once a matrix, when it is loaded; single bytes are read 4 neighbours at a time,
// about a quarter of the copy bandwidth.
#include "cuda/kernels/int8_fragments.h"

#include "cuda/device/fragments8bit.h"

namespace nq::cuda {

namespace {

// body(i) for i < count.
template <class Body>
NQ_DEVICE void for_each_index(size_t count, const Body& body) {
    const size_t step = static_cast<size_t>(gridDim.x) * blockDim.x;
    for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) body(i);
}

}  // namespace

NQ_KERNEL(nq_int8_pack_fragments, int8_fragments_parameters, int8_fragments_threads) {
    using namespace fragments8bit;
    const size_t column_tiles = (p.columns + tile_columns - 1) / tile_columns, row_tiles = (p.rows + tile_rows - 1) / tile_rows;
    for_each_index(row_tiles * column_tiles * (tile_bytes / lane_bytes), [&](size_t i) {
        const size_t tile = i / (tile_bytes / lane_bytes), row = tile / column_tiles * tile_rows,
                     column = tile % column_tiles * tile_columns;
        const uint32_t first = static_cast<uint32_t>(i % (tile_bytes / lane_bytes)) * lane_bytes;
        uint32_t words[4] = {};
        NQ_UNROLL
        for (uint32_t b = 0; b < lane_bytes; b++) {
            const size_t r = row + row_of(first + b), c = column + column_of(first + b);
            if (r < p.rows && c < p.columns)
                words[b / 4] |= static_cast<uint32_t>(static_cast<uint8_t>(p.codes[r * p.stride + c])) << b % 4 * 8;
        }
        reinterpret_cast<uint4*>(p.fragments)[i] = uint4{words[0], words[1], words[2], words[3]};
    });
}

NQ_KERNEL(nq_int8_unpack_fragments, int8_fragments_parameters, int8_fragments_threads) {
    const size_t column_tiles = (p.columns + fragments8bit::tile_columns - 1) / fragments8bit::tile_columns;
    for_each_index(p.rows * p.columns, [&](size_t i) {
        const size_t row = i / p.columns, column = i % p.columns;
        p.codes[row * p.stride + column] = static_cast<int8_t>(p.fragments[fragments8bit::offset(row, column, column_tiles)]);
    });
}

NQ_KERNEL(nq_int8_copy_rows, copy_int8_rows_parameters, int8_fragments_threads) {
    for_each_index(p.rows * p.to_stride, [&](size_t i) {
        const size_t row = i / p.to_stride, column = i % p.to_stride;
        p.to[i] = column < p.columns ? p.from[row * p.from_stride + column] : int8_t{0};
    });
}

}  // namespace nq::cuda
