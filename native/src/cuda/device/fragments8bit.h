// Order of the codes of an 8-bit matrix on the device. The matrix [N, K] is cut into tiles of 16 rows by 32 columns, 512 bytes each; the
// tiles of 16 rows follow one another by column, zeros fill the last ones. A tile holds the B operands of two mma m16n8k32 (rows 0-7 and
// 8-15 as their columns n): lane l loads 16 bytes at 16 l and has, in order,
//
//   rows l / 4       columns 4 (l % 4) .. + 3, then 16 + 4 (l % 4) .. + 3
//   rows 8 + l / 4   the same columns
//
// so that one load is four registers of operands, with nothing to rearrange. The same registers serve four dot products of four bytes.
// Source: PTX manual, "Matrix fragments for mma.m16n8k32".
#pragma once

#include "cuda/device/target.h"

namespace nq::cuda::fragments8bit {

inline constexpr uint32_t tile_rows = 16, tile_columns = 32, tile_bytes = tile_rows * tile_columns, lane_bytes = 16;

// Byte of a tile that holds (row, column) of the tile.
NQ_HOST_DEVICE uint32_t place(uint32_t row, uint32_t column) {
    const uint32_t lane = row % 8 * 4 + column % 16 / 4, part = row / 8 * 2 + column / 16;
    return lane * lane_bytes + part * 4 + column % 4;
}

// Row and column of the tile that byte `place` holds.
NQ_HOST_DEVICE uint32_t row_of(uint32_t place) { return place % lane_bytes / 8 * 8 + place / (4 * lane_bytes); }
NQ_HOST_DEVICE uint32_t column_of(uint32_t place) { return place / 4 % 2 * 16 + place / lane_bytes % 4 * 4 + place % 4; }

// Byte of the matrix that holds (row, column).
NQ_HOST_DEVICE size_t offset(size_t row, size_t column, size_t column_tiles) {
    const size_t tile = row / tile_rows * column_tiles + column / tile_columns;
    return tile * tile_bytes + place(static_cast<uint32_t>(row % tile_rows), static_cast<uint32_t>(column % tile_columns));
}

}  // namespace nq::cuda::fragments8bit
