// y = x * W^T + bias for several rows of x: weights are brought to f32 a block of columns at a time ([k][16 rows of W], three panels side
// by side) and multiplied with up to 8 rows of x per pass, 24 accumulators in registers.
//
// A Weights type has rows, columns and
//     const float* block(size_t panel, size_t k, size_t count, float* scratch);
// which gives columns k .. k + count of a panel as [count][16] f32, in scratch or in place.
//
// Each y is the sum over blocks of block_columns of one chain of fused multiply-adds: the same whatever the share of panels or the number
// of rows, and the blocks keep the rounding error of long rows small.
#pragma once

#include "cpu/avx512/vector.h"

namespace nq::cpu::avx512 {

constexpr size_t block_columns = 128;
constexpr size_t block_panels = 3;
constexpr size_t block_rows = 8;
constexpr size_t most_rows = 64;            // of x in a block
constexpr size_t most_values = 128 * 1024;  // of x in a block's span of columns

// Where one pass adds its result: y of its first row and panel, with what the last panel has of valid columns.
struct block_target {
    float* y;
    size_t y_stride;
    const float* bias;  // of the first panel; null: none
    size_t columns;     // valid from the first panel on
    bool first;         // first block of columns: y is overwritten with bias + product
};

// Unrolled by name: left to itself GCC 12 keeps the sums in memory, or turns the rows into gathers (55 % of the multiply-add peak, not 95
// %).
template <int rows, int panels>
static void multiply_rows(const float* const* weights, const float* x, size_t x_stride, size_t count, const block_target& target) {
    __m512 sum[rows][panels];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 3
        for (int p = 0; p < panels; ++p) sum[r][p] = _mm512_setzero_ps();
#pragma GCC unroll 1
    for (size_t k = 0; k < count; ++k) {
        __m512 w[panels];
#pragma GCC unroll 3
        for (int p = 0; p < panels; ++p) w[p] = _mm512_loadu_ps(weights[p] + k * 16);
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
            const __m512 xk = _mm512_set1_ps(x[static_cast<size_t>(r) * x_stride + k]);
#pragma GCC unroll 3
            for (int p = 0; p < panels; ++p) sum[r][p] = _mm512_fmadd_ps(w[p], xk, sum[r][p]);
        }
    }
#pragma GCC unroll 3
    for (int p = 0; p < panels; ++p) {
        const size_t column = static_cast<size_t>(p) * 16;
        const __mmask16 lanes = first_lanes(target.columns - column);
        const __m512 bias = target.bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(lanes, target.bias + column);
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
            float* y = target.y + static_cast<size_t>(r) * target.y_stride + column;
            const __m512 before = target.first ? bias : _mm512_maskz_loadu_ps(lanes, y);
            _mm512_mask_storeu_ps(y, lanes, _mm512_add_ps(before, sum[r][p]));
        }
    }
}

// All m rows, in passes of at most block_rows of nearly equal height.
template <int panels>
static void multiply_panels(const float* const* weights, const float* x, size_t x_stride, size_t m, size_t count, block_target target) {
    using kernel = void (*)(const float* const*, const float*, size_t, size_t, const block_target&);
    static constexpr kernel by_rows[block_rows] = {multiply_rows<1, panels>, multiply_rows<2, panels>, multiply_rows<3, panels>,
                                                   multiply_rows<4, panels>, multiply_rows<5, panels>, multiply_rows<6, panels>,
                                                   multiply_rows<7, panels>, multiply_rows<8, panels>};
    size_t passes = (m + block_rows - 1) / block_rows;
    for (; passes > 0; --passes) {
        const size_t rows = (m + passes - 1) / passes;
        by_rows[rows - 1](weights, x, x_stride, count, target);
        m -= rows;
        x += rows * x_stride;
        target.y += rows * target.y_stride;
    }
}

struct block_output {
    const float* bias;
    float* y;
    size_t y_stride;
};

// Columns k .. k + count of `panels` panels from `panel` on, against m rows of x (x at column k).
template <class Weights>
static void multiply_strip(Weights& weights, size_t panel, size_t panels, size_t k, size_t count, const float* x, size_t x_stride, size_t m,
                           size_t first_row, const block_output& output, float* scratch) {
    const float* blocks[block_panels];
    for (size_t p = 0; p < panels; ++p) blocks[p] = weights.block(panel + p, k, count, scratch + p * block_columns * 16);
    const size_t column = panel * 16;
    const block_target target = {output.y + first_row * output.y_stride + column, output.y_stride,
                                 output.bias == nullptr ? nullptr : output.bias + column, weights.rows - column, k == 0};
    if (panels == 3)
        multiply_panels<3>(blocks, x, x_stride, m, count, target);
    else if (panels == 2)
        multiply_panels<2>(blocks, x, x_stride, m, count, target);
    else
        multiply_panels<1>(blocks, x, x_stride, m, count, target);
}

// Blocks of rows and spans of columns are chosen so that a block's span of x (512 KiB at most) stays in the L2 cache while every panel is
// brought past it; within a span each panel is read in one stream and its sums stay near.
template <class Weights>
static void block_product(Weights& weights, const float* x, size_t m, size_t x_stride, const block_output& output, size_t panel_begin,
                          size_t panel_end) {
    alignas(64) float scratch[block_panels * block_columns * 16];
    const size_t columns = weights.columns;
    size_t row = 0;
    for (size_t blocks = (m + most_rows - 1) / most_rows; blocks > 0; --blocks) {
        const size_t rows = (m - row + blocks - 1) / blocks;
        const size_t span = most_values / rows / block_columns * block_columns;
        for (size_t begin = 0; begin < columns; begin += span) {
            const size_t end = columns - begin < span ? columns : begin + span;
            for (size_t panel = panel_begin; panel < panel_end; panel += block_panels) {
                const size_t panels = panel_end - panel < block_panels ? panel_end - panel : block_panels;
                for (size_t k = begin; k < end; k += block_columns) {
                    const size_t count = end - k < block_columns ? end - k : block_columns;
                    multiply_strip(weights, panel, panels, k, count, x + row * x_stride + k, x_stride, rows, row, output, scratch);
                }
            }
        }
        row += rows;
    }
}

}  // namespace nq::cpu::avx512
