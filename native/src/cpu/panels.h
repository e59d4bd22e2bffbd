// Execution layouts of the CPU backend: weights in panels of 16 output rows, so that one vector lane is one row, no kernel ever
// adds across lanes, and x[k] is a broadcast operand. N = rows, K = columns; rows past N in the last panel are padding and
// their results are never stored. All arrays are 64-byte aligned.
//
// Dense   data[(panel * K + k) * 16 + lane], f32, f16 or bf16. Padding rows are 0.
//
// 4-bit   nibbles: panel-major, then one 64-byte vector per 8 columns: [panel][K / 8][16 lanes] of uint32. Lane r holds the eight codes
//         of row r, even k in the low half-word, odd k in the high one:
//             bits  0-3  4-7  8-11 12-15 | 16-19 20-23 24-27 28-31
//             k =   8j   8j+2 8j+4 8j+6  |  8j+1  8j+3  8j+5  8j+7
//         The dword view serves 32-bit permutes (shifts 0,16,4,20,8,24,12,28 give k in order); the word view gives pairs (k, k+1).
//         scales:  [panel][group][16 lanes], group = K / blocksize blocks along a row: f32 absmax, or u8 absmax codes if nested.
//         Nested: absmax of (row, group) = map[code] * nested_absmax[(row * groups + group) / nested_blocksize] + offset, product and
//         sum rounded separately; nested_absmax is long enough for the padding rows. Needs K % blocksize == 0; other matrices stay in the
//         exchange layout (flat) and are expanded row by row.
//
// 8-bit   codes: [panel][K4 / 4][16 lanes][4] int8 with K4 = K rounded up to 64, padding 0: four consecutive k of one row in one dword lane
//         (dot-product order); 16 such vectors form a 16 x 64 tile. row_absmax f32 [N rounded up to 16], row_sums int32 likewise:
//         sum of the row's codes, for the unsigned-activation product sum((a + 128) * w) - 128 * row_sum.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nativequant/nativequant.h"

namespace nq::cpu {

inline constexpr size_t panel_rows = 16;

// static: a file compiled for another instruction set must keep its copy to itself
static constexpr size_t panel_count(size_t rows) noexcept { return (rows + panel_rows - 1) / panel_rows; }

struct dense_panels {
    const void* data;
    nq_dtype dtype;
    size_t rows;
    size_t columns;
};

struct panels4bit {
    const uint32_t* nibbles;
    const float* absmax;          // plain, else null
    const uint8_t* absmax_codes;  // nested, else null
    const float* nested_map;      // 256 entries
    const float* nested_absmax;
    float nested_offset;
    uint32_t nested_blocksize;
    const float* codebook;  // 16 entries
    size_t rows;
    size_t columns;
    uint32_t blocksize;
};

struct panels8bit {
    const int8_t* codes;
    const float* row_absmax;
    const int32_t* row_sums;
    size_t rows;
    size_t columns;         // K
    size_t padded_columns;  // K4
};

// Activations of an 8-bit product: M rows of int8 codes, each plus 128 (the unsigned operand of a dot product), padding 128, with what the
// epilogue needs. Made once and multiplied with every panel.
struct activations8bit {
    const uint8_t* codes;  // [M][stride], of which padded_columns count
    size_t stride;
    const float* row_absmax;      // [M]
    const uint32_t* outliers;     // ascending outlier columns
    const float* outlier_values;  // [M][outlier_count], x of those columns, unquantized
    size_t outlier_count;
    size_t rows;  // M
};

// Activations of a 4-bit product in int8: rows in blocks of `block` columns, each with its absmax; a block of all rows lies together.
// Columns of each eight lie in the order 0 4 1 5 2 6 3 7: that of the low nibbles of a dword of panels4bit, then of its high ones.
struct activations4bit {
    const int8_t* codes;     // [K / block][M][block]
    const float* scales;     // [K / block][M]: absmax * (1 / 127^2), NaN if the block holds a NaN or infinity (its codes are 0)
    const int32_t* offsets;  // [K / block][M]: -127 * sum of the codes, what a codebook with 127 added is to be corrected by
    size_t rows;             // M
    uint32_t block;          // int8_block_columns(blocksize of the weights)
};

static constexpr uint32_t int8_block_columns(uint32_t blocksize) noexcept { return blocksize < 64 ? blocksize : 64; }

// Activations of a product on matrix tiles: each x as the sum of `parts` bf16 numbers (1: x is bf16 already; 3: x in f32, to 2^-24 of its
// size at least), in blocks of tile_block_columns columns, all rows of a block and part together, K rounded up to 32 with zeros.
//     data[(k * parts + part * width) * rows + row * width + i]      column k + i, k the first and width the columns of its block
static constexpr size_t tile_block_columns = 256;

struct activations_bf16 {
    const uint16_t* data;
    size_t parts;
    size_t rows;     // M
    size_t columns;  // K rounded up to 32
    // [M], 3 parts: whether the parts do not do for the row, since it has values that are not finite or its largest one is beyond 2^120 or
    // below 2^-60. Such a row is multiplied as it is given:
    const uint8_t* irregular;
    const float* x;
    size_t x_stride;
};

// Columns of the block that begins at column k.
static constexpr size_t block_width(const activations_bf16& x, size_t k) noexcept {
    return x.columns - k < tile_block_columns ? x.columns - k : tile_block_columns;
}

// One row of x for a 4-bit product by tables (see avx2/linear4bit_tables.cpp), in blocks of table_block_columns(blocksize of the weights).
struct tables4bit {
    const uint8_t* digits;  // 64 bytes a column, 32-byte aligned
    const float* units;     // [K / block]: of the tabulated products; negative: the block has no tables
    const float* x;         // K values
    uint32_t block;
};

static constexpr uint32_t table_block_columns(uint32_t blocksize) noexcept { return blocksize < 64 ? blocksize : 64; }

}  // namespace nq::cpu
