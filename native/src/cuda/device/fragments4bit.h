// How a 4-bit matrix lies in device memory: one layout for the vector product, which reads it along k, and for the matrix product, whose
// tensor-core instructions take it from registers as it comes.
//
// Codes are cut into tiles of 64 rows (n) x 16 columns (k), 512 bytes: tiles of the same rows lie one behind the other along k. Lane l of a
// warp owns 16 bytes of a tile: its B fragments of mma.m16n8k16 for the eight blocks of 8 rows, two registers each. A byte holds the codes
// of one register, that is of columns k and k + 1 of one row, k in the high nibble (as in the exchange format, so that packing only moves
// bytes):
//     byte 2 b + r of lane l:   row 8 b + l / 4,   columns 8 r + 2 (l % 4) and the next
//
// The absmax (f32, or a byte if nested) of a tile's 64 rows in one block of columns ("group") lie together, in the order in which a lane
// needs them: eight at 8 (l / 4), one for each b. Groups of the same rows follow each other along k.
//
// Rows are padded to 64 with codes and absmax of zero bits. The layout needs columns to be a multiple of the blocksize (32 or more).
#pragma once

#include "cuda/device/target.h"

namespace nq::cuda::fragments4bit {

inline constexpr uint32_t tile_rows = 64, tile_columns = 16, tile_bytes = 512, lane_bytes = 16;

NQ_HOST_DEVICE size_t row_tiles(size_t rows) { return (rows + tile_rows - 1) / tile_rows; }

// Where lane l's byte i belongs: a row of the tile, and a pair of columns (pair p: columns 2p and 2p + 1).
NQ_HOST_DEVICE uint32_t row_of(uint32_t lane, uint32_t byte) { return byte / 2 * 8 + lane / 4; }
NQ_HOST_DEVICE uint32_t pair_of(uint32_t lane, uint32_t byte) { return byte % 2 * 4 + lane % 4; }

// Byte of the codes of `row` and columns 2 pair and 2 pair + 1 in a matrix of `columns` columns.
NQ_HOST_DEVICE size_t code_byte(size_t row, size_t pair, size_t columns) {
    const size_t tile = row / tile_rows * (columns / tile_columns) + pair / 8;
    const size_t lane = row % 8 * 4 + pair % 4, byte = row % tile_rows / 8 * 2 + pair % 8 / 4;
    return tile * tile_bytes + lane * lane_bytes + byte;
}

// Index of the absmax of `row` and `group` among `groups` of a row.
NQ_HOST_DEVICE size_t absmax_index(size_t row, size_t group, size_t groups) {
    return (row / tile_rows * groups + group) * tile_rows + row % 8 * 8 + row % tile_rows / 8;
}
// The row, within its tile, of the absmax at `place` of 64.
NQ_HOST_DEVICE uint32_t absmax_row(uint32_t place) { return place % 8 * 8 + place / 8; }

}  // namespace nq::cuda::fragments4bit
