// Parameters of the kernels in linear8bit_gemv.cu and linear8bit_gemm.cu.
#pragma once

#include "cuda/device/epilogue.h"
#include "cuda/device/fragments8bit.h"
#include "cuda/kernel.h"

namespace nq::cuda {

struct linear8bit_parameters {
    // W [N, K]
    const uint8_t* fragments;    // device/fragments8bit.h
    const float* weight_absmax;  // N
    // x [M, K]
    const int8_t* codes;      // [M, code_stride], zero from column K on; 16-byte aligned
    uint64_t code_stride;     // 32 * column_tiles
    const float* row_absmax;  // M
    view x;                   // what the codes were made of: the outlier columns are taken from here
    const uint32_t* outlier_count;
    const uint32_t* outlier_columns;
    epilogue out;
    int32_t* sums;  // GEMM: if not null, the integer sums [M, sums_stride] are the result, and nothing of the above but codes is used
    uint64_t sums_stride;
    uint32_t rows;          // M
    uint32_t columns;       // N
    uint32_t column_tiles;  // K / 32, rounded up
    // Where there are too few tiles of the result to fill the device, each is shared by `splits` blocks, `split_tiles` of column_tiles
    // each.
    uint32_t splits;
    uint32_t split_tiles;
    int32_t* partial_sums;  // [tile][split][element of the tile]
    uint32_t* tickets;      // one 0 for each tile; 0 again afterwards
};

// GEMV: up to 4 rows of x; a block for 16 rows of W.
inline constexpr uint32_t linear8bit_gemv_rows = 4, linear8bit_gemv_threads = 256;
inline constexpr uint32_t linear8bit_gemv_elements = linear8bit_gemv_rows * fragments8bit::tile_rows;
inline constexpr kernel<linear8bit_parameters> linear8bit_gemv_kernel{"linear8bit_gemv", "nq_linear8bit_gemv"};

// GEMM: a block of threads computes a tile of rows of x by rows of W, `depth` columns at a time.
struct linear8bit_tile {
    uint32_t rows, columns, depth;
    uint32_t warp_rows, warp_columns;  // how the warps lie on the tile

    NQ_HOST_DEVICE constexpr uint32_t threads() const { return 32 * warp_rows * warp_columns; }
    NQ_HOST_DEVICE constexpr uint32_t stage_bytes() const { return (rows + columns) * depth; }
};
inline constexpr uint32_t linear8bit_stages = 4;
inline constexpr linear8bit_tile linear8bit_tiles[3] = {{16, 64, 128, 1, 4}, {64, 128, 64, 2, 4}, {128, 128, 64, 2, 4}};
inline constexpr kernel<linear8bit_parameters> linear8bit_gemm_kernels[3] = {{"linear8bit_gemm", "nq_linear8bit_gemm_16"},
                                                                             {"linear8bit_gemm", "nq_linear8bit_gemm_64"},
                                                                             {"linear8bit_gemm", "nq_linear8bit_gemm_128"}};

// Where the GEMM keeps 16 bytes of x in shared memory: the chunk of a row of `chunks` (4 or 8) that chunk `chunk` lies in. Eight rows that
// a matrix load reads at one chunk lie in different banks.
NQ_HOST_DEVICE uint32_t swizzled_chunk(uint32_t row, uint32_t chunk, uint32_t chunks) {
    return chunk ^ (chunks == 8 ? row % 8 : row / 2 % 4);
}

}  // namespace nq::cuda
