// y = x * W^T + bias for several rows of x: a block of columns of one panel is brought to f32 ([k][16 rows of W]) and multiplied with up to
// 6 rows of x per pass, 12 accumulators in registers. The counterpart of avx512/block_product.h.
//
// A Weights type has rows, columns and
//     const float* block(size_t panel, size_t k, size_t count, float* scratch) const;
// which gives columns k .. k + count of a panel as [count][16] f32, in scratch or in place.
#pragma once

#include "cpu/avx2/vector.h"

namespace nq::cpu::avx2 {

constexpr size_t block_columns = 128;
constexpr size_t block_rows = 6;
constexpr size_t most_rows = 48;           // of x in a block
constexpr size_t most_values = 32 * 1024;  // of x in a block's span of columns: half of a 256 KiB L2 cache

struct block_output {
    const float* bias;
    float* y;
    size_t y_stride;
};

// Where one pass adds its result: y of its first row at this panel.
struct block_target {
    float* y;
    size_t y_stride;
    const float* bias;  // of this panel; null: none
    size_t columns;     // valid ones in this panel
    bool first;         // first block of columns: y is overwritten with bias + product
};

// One 8-lane half of a panel's result.
static inline void add_half(const block_target& target, float* y, size_t half, __m256 sum) {
    const size_t column = half * 8;
    if (column >= target.columns) return;
    const size_t count = target.columns - column;
    const __m256 bias = target.bias == nullptr ? _mm256_setzero_ps() : load_first(target.bias + column, count);
    const __m256 before = target.first ? bias : load_first(y + column, count);
    store_first(y + column, count, _mm256_add_ps(before, sum));
}

// Unrolled by name: see avx512/block_product.h.
template <int rows>
static void multiply_rows(const float* weights, const float* x, size_t x_stride, size_t count, const block_target& target) {
    __m256 sum[rows][2];
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
#pragma GCC unroll 1
    for (size_t k = 0; k < count; ++k) {
        const __m256 low = _mm256_loadu_ps(weights + k * 16);
        const __m256 high = _mm256_loadu_ps(weights + k * 16 + 8);
#pragma GCC unroll 6
        for (int r = 0; r < rows; ++r) {
            const __m256 xk = _mm256_set1_ps(x[static_cast<size_t>(r) * x_stride + k]);
            sum[r][0] = _mm256_fmadd_ps(low, xk, sum[r][0]);
            sum[r][1] = _mm256_fmadd_ps(high, xk, sum[r][1]);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r) {
        float* y = target.y + static_cast<size_t>(r) * target.y_stride;
        add_half(target, y, 0, sum[r][0]);
        add_half(target, y, 1, sum[r][1]);
    }
}

// m rows of x (at column k) against columns k .. k + count of one panel, in passes of nearly equal height.
template <class Weights>
static void multiply_panel(const Weights& weights, size_t panel, size_t k, size_t count, const float* x, size_t x_stride, size_t m,
                           size_t first_row, const block_output& output, float* scratch) {
    using kernel = void (*)(const float*, const float*, size_t, size_t, const block_target&);
    static constexpr kernel by_rows[block_rows] = {multiply_rows<1>, multiply_rows<2>, multiply_rows<3>,
                                                   multiply_rows<4>, multiply_rows<5>, multiply_rows<6>};
    const float* block = weights.block(panel, k, count, scratch);
    const size_t column = panel * 16;
    const size_t left = weights.rows - column;
    block_target target = {output.y + first_row * output.y_stride + column, output.y_stride,
                           output.bias == nullptr ? nullptr : output.bias + column, left < 16 ? left : 16, k == 0};
    for (size_t passes = (m + block_rows - 1) / block_rows; passes > 0; --passes) {
        const size_t rows = (m + passes - 1) / passes;
        by_rows[rows - 1](block, x, x_stride, count, target);
        m -= rows;
        x += rows * x_stride;
        target.y += rows * target.y_stride;
    }
}

// Blocks of rows and spans of columns are chosen so that a block's span of x stays in the L2 cache while every panel is brought past it.
template <class Weights>
static void block_product(const Weights& weights, const float* x, size_t m, size_t x_stride, const block_output& output, size_t panel_begin,
                          size_t panel_end) {
    alignas(64) float scratch[block_columns * 16];
    const size_t columns = weights.columns;
    size_t row = 0;
    for (size_t blocks = (m + most_rows - 1) / most_rows; blocks > 0; --blocks) {
        const size_t rows = (m - row + blocks - 1) / blocks;
        const size_t span = most_values / rows / block_columns * block_columns;
        for (size_t begin = 0; begin < columns; begin += span) {
            const size_t end = columns - begin < span ? columns : begin + span;
            for (size_t panel = panel_begin; panel < panel_end; ++panel) {
                for (size_t k = begin; k < end; k += block_columns) {
                    const size_t count = end - k < block_columns ? end - k : block_columns;
                    multiply_panel(weights, panel, k, count, x + row * x_stride + k, x_stride, rows, row, output, scratch);
                }
            }
        }
        row += rows;
    }
}

}  // namespace nq::cpu::avx2
