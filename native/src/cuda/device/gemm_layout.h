// Index arithmetic of the dense matrix products: how slices of the operands lie in shared memory, and which lane reads what.
//
// On tensor cores a slice is 32 columns (k) of the rows of a tile: 64 bytes a row, four 16-byte chunks. Two rows fill the 32 banks, so
// chunk c of row r stands at place c ^ (r / 2 % 4): the eight rows that ldmatrix reads at once, and the chunks that eight neighbouring
// threads write, then meet every bank once.
#pragma once

#include "cuda/device/target.h"

namespace nq::cuda {

inline constexpr uint32_t slice_columns = 32, slice_chunks = 4, slice_row_bytes = 64;

// Bytes from the start of an operand's slice.
NQ_HOST_DEVICE uint32_t slice_offset(uint32_t row, uint32_t chunk) { return row * slice_row_bytes + (chunk ^ (row / 2 % 4)) * 16; }

// Which row and chunk (of a 16 x 16 tile) a lane addresses for ldmatrix.x4, so that the results are the fragments of mma.m16n8k16: one A
// operand, or the B operands of 16 columns of the product, two registers each.
NQ_HOST_DEVICE uint32_t a_row(uint32_t lane) { return lane % 16; }
NQ_HOST_DEVICE uint32_t a_chunk(uint32_t lane) { return lane / 16; }
NQ_HOST_DEVICE uint32_t b_row(uint32_t lane) { return lane % 8 + lane / 16 * 8; }
NQ_HOST_DEVICE uint32_t b_chunk(uint32_t lane) { return lane / 8 % 2; }

// Row and column of accumulator i of a lane in its 16 x 8 tile.
NQ_HOST_DEVICE uint32_t c_row(uint32_t lane, uint32_t i) { return lane / 4 + i / 2 * 8; }
NQ_HOST_DEVICE uint32_t c_column(uint32_t lane, uint32_t i) { return lane % 4 * 2 + i % 2; }

// Finished tiles go through shared memory, 16 rows of a warp at a time in a patch of 16 or 32 columns. At each step the warp reads all
// columns of one row, or of two, two apart: with this pitch neither those nor the accumulators written as pairs meet a bank twice.
NQ_HOST_DEVICE uint32_t patch_pitch(uint32_t columns) { return columns + 8; }
NQ_HOST_DEVICE uint32_t patch_row(uint32_t step, uint32_t lane, uint32_t columns) {
    return columns == 32 ? step : step / 2 * 4 + step % 2 + lane / 16 * 2;
}

// The product in f32 (dense_gemm_f32.cu) keeps a slice of 64 rows transposed, a column (k) in 64 floats, so that a thread reads four rows
// of a column at once. Groups of four rows change places by column: threads that write four columns of a row each then meet every bank
// once.
inline constexpr uint32_t f32_slice_pitch = 64;
NQ_HOST_DEVICE uint32_t f32_slice_offset(uint32_t column, uint32_t row) { return column * f32_slice_pitch + (row ^ column / 4 % 8 * 4); }

// Slices [first_slice(split), first_slice(split + 1)) belong to part `split` of `splits`, whose sizes differ by one at most.
NQ_HOST_DEVICE uint32_t first_slice(uint32_t split, uint32_t splits, uint32_t slices) {
    return static_cast<uint32_t>(static_cast<uint64_t>(split) * slices / splits);
}

}  // namespace nq::cuda
