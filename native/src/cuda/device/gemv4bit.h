// What the vector products of 4-bit matrices share: how a warp reads 64 rows of W in units of 64 columns, and how the sums of lanes, warps
// and blocks meet, each in fixed order.
#pragma once

#include "cuda/device/fragments4bit.h"
#include "cuda/device/ticket.h"
#include "cuda/kernels/linear4bit_gemv.h"

namespace nq::cuda {

using namespace fragments4bit;

constexpr uint32_t unit_tiles = gemv4bit_unit / tile_columns, lane_rows = 8;

// What a lane reads of a unit: the codes of its tiles; the absmax, or their codes, of its eight rows in the one or two groups there.
struct unit_words {
    uint4 codes[unit_tiles];
    uint4 absmax[2][2];
};

NQ_DEVICE uint32_t word_of(const uint4& v, uint32_t i) { return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w; }

// A lane's eight rows: absmax of group `second` of a unit.
NQ_DEVICE void decode_absmax(const gemv4bit_parameters& p, const float* nested_map, const unit_words& words, uint32_t second,
                             size_t row_tile, size_t group, float (&absmax)[lane_rows]) {
    const weights4bit& w = p.weights;
    const size_t groups = w.groups();
    NQ_UNROLL for (uint32_t b = 0; b < lane_rows; b++) {
        const uint4* const part = words.absmax[second];
        if (w.absmax != nullptr) {
            absmax[b] = float_of(word_of(part[b / 4], b % 4));
        } else {
            const uint32_t code = word_of(part[0], b / 4) >> b % 4 * 8 & 255;
            const size_t row = row_tile * tile_rows + 8 * b + lane() / 4;
            absmax[b] = nested_absmax_of(w, nested_map, code, row * groups + group);
        }
    }
}

NQ_DEVICE void load_absmax(const weights4bit& w, size_t row_tile, size_t group, uint4 (&words)[2]) {
    const size_t first = (row_tile * w.groups() + group) * tile_rows + lane() / 4 * lane_rows;
    if (w.absmax != nullptr) {
        const auto* from = reinterpret_cast<const uint4*>(w.absmax + first);
        words[0] = from[0];
        words[1] = from[1];
    } else {
        const uint2 codes = *reinterpret_cast<const uint2*>(w.absmax_codes + first);
        words[0].x = codes.x;
        words[0].y = codes.y;
    }
}

NQ_DEVICE void load_unit(const weights4bit& w, size_t row_tile, size_t unit, unit_words& words) {
    const size_t tiles = w.columns / tile_columns, first = unit * unit_tiles;
    const auto* from = reinterpret_cast<const uint4*>(w.codes + (row_tile * tiles + first) * tile_bytes) + lane();
    NQ_UNROLL for (uint32_t t = 0; t < unit_tiles; t++) {
        if (first + t < tiles) words.codes[t] = load_once(from + t * (tile_bytes / lane_bytes));
    }
    const size_t group = unit * gemv4bit_unit >> w.blocksize_log2;
    load_absmax(w, row_tile, group, words.absmax[0]);
    if (w.blocksize() < gemv4bit_unit && first + unit_tiles / 2 < tiles) load_absmax(w, row_tile, group + 1, words.absmax[1]);
}

// Where x[column] of a row lies in shared memory: the columns of a tile in the order of the lanes that need them, four for each.
NQ_DEVICE uint32_t x_place(uint32_t column) {
    return column / tile_columns * tile_columns + column % 8 / 2 * 4 + column % tile_columns / 8 * 2 + column % 2;
}

// Adds over the four lanes that share rows, and leaves the warp's sums in [rows][64]. A lane gives half of its rows to a neighbour each
// time.
template <uint32_t rows>
NQ_DEVICE void add_quads(const float (&total)[rows][lane_rows], float* sums) {
    const bool upper_half = (lane() & 2) != 0, upper_quarter = (lane() & 1) != 0;
    NQ_UNROLL for (uint32_t m = 0; m < rows; m++) {
        float half[4], quarter[2];
        NQ_UNROLL for (uint32_t i = 0; i < 4; i++) {
            const float low = total[m][i], high = total[m][4 + i];
            half[i] = (upper_half ? high : low) + shuffle_xor(upper_half ? low : high, 2);
        }
        NQ_UNROLL for (uint32_t i = 0; i < 2; i++) {
            const float low = half[i], high = half[2 + i];
            quarter[i] = (upper_quarter ? high : low) + shuffle_xor(upper_quarter ? low : high, 1);
        }
        const uint32_t first = (upper_half ? 4 : 0) + (upper_quarter ? 2 : 0);
        NQ_UNROLL for (uint32_t i = 0; i < 2; i++) sums[m * tile_rows + (first + i) * 8 + lane() / 4] = quarter[i];
    }
}

// The block's sums to y, or to the block that comes last of those that share them.
template <uint32_t rows>
NQ_DEVICE void finish_block(const gemv4bit_parameters& p, size_t row_tile, const float* sums) {
    constexpr uint32_t count = rows * tile_rows;
    const size_t first_part = (static_cast<size_t>(blockIdx.y) * gridDim.x + row_tile * p.splits) * count;
    float* const own_part = p.parts + first_part + blockIdx.x % p.splits * count;
    for (uint32_t i = threadIdx.x; i < count; i += gemv4bit_threads) {
        float sum = 0;
        for (uint32_t warp = 0; warp < gemv4bit_warps; warp++) sum += sums[warp * count + i];
        const size_t m = static_cast<size_t>(blockIdx.y) * rows + i / tile_rows, n = row_tile * tile_rows + i % tile_rows;
        if (p.splits > 1) {
            own_part[i] = sum;
        } else if (m < p.x.rows && n < p.weights.rows) {
            finish(p.e, m, n, sum);
        }
    }
    if (p.splits == 1 || !last_to_arrive(p.tickets + blockIdx.y * (gridDim.x / p.splits) + row_tile, p.splits)) return;
    for (uint32_t i = threadIdx.x; i < count; i += gemv4bit_threads) {
        float sum = 0;
        for (uint32_t split = 0; split < p.splits; split++) sum += p.parts[first_part + split * count + i];
        const size_t m = static_cast<size_t>(blockIdx.y) * rows + i / tile_rows, n = row_tile * tile_rows + i % tile_rows;
        if (m < p.x.rows && n < p.weights.rows) finish(p.e, m, n, sum);
    }
}

}  // namespace nq::cuda
