// One or two rows of x against 4-bit weights that are rounded through the compute type, blocks of at least 64 columns. A row of W has only
// 16 different weights to a block: they are rounded once, and the row's codes, brought together by a transposition, look them up. Lanes are
// columns; a row's 16 sums meet at the end.
#pragma once

#include "cpu/avx512/panel_scales.h"
#include "cpu/avx512/weight_rounding.h"

namespace nq::cpu::avx512 {

namespace {

constexpr size_t table_columns = 64;  // of a turn
constexpr size_t table_rows = 2;      // most rows of x: with more the weights' own cost is shared
constexpr size_t table_panels = 8;    // side by side
constexpr size_t table_ahead = 256;   // columns prefetched ahead

// x of 64 columns in the order of the codes: of a row's eight dwords one half of order[v] takes columns 2v, the other columns 2v + 1.
inline void order_columns(const float* x, __m512 (&order)[4]) {
    const __m512 x0 = _mm512_loadu_ps(x), x1 = _mm512_loadu_ps(x + 16), x2 = _mm512_loadu_ps(x + 32), x3 = _mm512_loadu_ps(x + 48);
    const __m512i first = _mm512_setr_epi32(0, 8, 16, 24, 0, 8, 16, 24, 1, 9, 17, 25, 1, 9, 17, 25);
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
        const __m512i index = _mm512_add_epi32(first, _mm512_set1_epi32(2 * v));
        order[v] = _mm512_mask_mov_ps(_mm512_permutex2var_ps(x0, index, x1), 0xf0f0, _mm512_permutex2var_ps(x2, index, x3));
    }
}

// Row of a panel whose codes are the i-th 32 bytes after transposition.
constexpr int transposed_row(int i) { return i / 8 * 8 + i % 2 * 4 + i / 2 % 4; }

// Eight dwords of each of 16 rows, 64 columns, from [dword][row] to [row][dword].
inline void transpose_codes(const uint32_t* codes, uint32_t* rows) {
    __m512i pair[8], four[8];
#pragma GCC unroll 4
    for (int j = 0; j < 8; j += 2) {
        const __m512i even = _mm512_load_si512(codes + j * 16), odd = _mm512_load_si512(codes + j * 16 + 16);
        pair[j] = _mm512_unpacklo_epi32(even, odd);
        pair[j + 1] = _mm512_unpackhi_epi32(even, odd);
    }
#pragma GCC unroll 2
    for (int j = 0; j < 8; j += 4) {  // four[j + m]: of rows m, 4 + m, 8 + m and 12 + m
        four[j] = _mm512_unpacklo_epi64(pair[j], pair[j + 2]);
        four[j + 1] = _mm512_unpackhi_epi64(pair[j], pair[j + 2]);
        four[j + 2] = _mm512_unpacklo_epi64(pair[j + 1], pair[j + 3]);
        four[j + 3] = _mm512_unpackhi_epi64(pair[j + 1], pair[j + 3]);
    }
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
#pragma GCC unroll 4
    for (int m = 0; m < 4; ++m) {
        _mm512_store_si512(rows + m * 16, _mm512_permutex2var_epi64(four[m], low, four[m + 4]));
        _mm512_store_si512(rows + (m + 4) * 16, _mm512_permutex2var_epi64(four[m], high, four[m + 4]));
    }
}

// total[i][row of x] += products of 64 columns of one panel, i as in transposed_row.
template <nq_dtype type, bool normal, int rows>
void multiply_tables(const uint32_t* codes, const uint32_t* ahead, __m512 absmax, __m512 codebook, const __m512 (&x)[rows][4],
                     __m512 (*total)[rows]) {
    alignas(64) uint32_t by_row[16 * 8];
    alignas(64) float scales[16];
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) _mm_prefetch(reinterpret_cast<const char*>(ahead + j * 16), _MM_HINT_T0);
    transpose_codes(codes, by_row);
    const __m512i order = _mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    _mm512_store_ps(scales, _mm512_permutexvar_ps(order, absmax));
    const __m512i halves = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 16, 16, 16, 16, 16, 16, 16, 16);
#pragma GCC unroll 2
    for (int i = 0; i < 16; ++i) {
        const __m512 table = round_weight<type, normal>(_mm512_mul_ps(codebook, _mm512_set1_ps(scales[i])));
        const __m512i row = _mm512_broadcast_i64x4(_mm256_load_si256(reinterpret_cast<const __m256i*>(by_row + i * 8)));
        __m512 sum[rows];
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r) sum[r] = total[i][r];
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) {
            const __m512i index = _mm512_srlv_epi32(row, _mm512_add_epi32(halves, _mm512_set1_epi32(4 * v)));
            const __m512 w = _mm512_permutexvar_ps(index, table);
#pragma GCC unroll 4
            for (int r = 0; r < rows; ++r) sum[r] = _mm512_fmadd_ps(w, x[r][v], sum[r]);
        }
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r) total[i][r] = sum[r];
    }
}

template <nq_dtype type, int rows>
void multiply_table_strip(const panels4bit& weights, size_t first, size_t panels, const float* x, size_t x_stride, const float* bias,
                          float* y, size_t y_stride) {
    const __m512 codebook = _mm512_loadu_ps(weights.codebook);
    const normal_absmax<type> normal(codebook);
    const size_t panel_words = weights.columns * 2;
    panel_scales scales[table_panels];
    __m512 total[table_panels][16][rows];
    for (size_t p = 0; p < panels; ++p) {
        scales[p] = panel_scales(weights, first + p);
        for (int i = 0; i < 16; ++i)
            for (int r = 0; r < rows; ++r) total[p][i][r] = _mm512_setzero_ps();
    }
    const uint32_t* codes = weights.nibbles + first * panel_words;
    size_t k = 0;
    for (size_t group = 0; k < weights.columns; ++group) {
        for (const size_t end = k + weights.blocksize; k < end; k += table_columns, codes += table_columns * 2) {
            // At the end of these panels, the beginning of the next strip's.
            const size_t jump = weights.columns - k > table_ahead ? 0 : (panels - 1) * panel_words;
            const uint32_t* ahead = codes + table_ahead * 2 + jump;
            __m512 ordered[rows][4];
            for (int r = 0; r < rows; ++r) order_columns(x + static_cast<size_t>(r) * x_stride + k, ordered[r]);
            for (size_t p = 0; p < panels; ++p) {
                const __m512 absmax = scales[p].at(group);
                const size_t offset = p * panel_words;
                if (normal.contains(absmax))
                    multiply_tables<type, true, rows>(codes + offset, ahead + offset, absmax, codebook, ordered, total[p]);
                else
                    multiply_tables<type, false, rows>(codes + offset, ahead + offset, absmax, codebook, ordered, total[p]);
            }
        }
    }
    for (size_t p = 0; p < panels; ++p) {
        const size_t column = (first + p) * 16;
        const __mmask16 lanes = first_lanes(weights.rows - column);
        const __m512 added = bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(lanes, bias + column);
        for (int r = 0; r < rows; ++r) {
            alignas(64) float sums[16];
            for (int i = 0; i < 16; ++i) sums[transposed_row(i)] = _mm512_reduce_add_ps(total[p][i][r]);
            _mm512_mask_storeu_ps(y + static_cast<size_t>(r) * y_stride + column, lanes, _mm512_add_ps(_mm512_load_ps(sums), added));
        }
    }
}

template <nq_dtype type>
void table_product(const panels4bit& weights, const float* x, size_t m, size_t x_stride, const float* bias, float* y, size_t y_stride,
                   size_t panel_begin, size_t panel_end) {
    using kernel = void (*)(const panels4bit&, size_t, size_t, const float*, size_t, const float*, float*, size_t);
    static constexpr kernel by_rows[table_rows] = {multiply_table_strip<type, 1>, multiply_table_strip<type, 2>};
    for (size_t panel = panel_begin; panel < panel_end; panel += table_panels) {
        const size_t panels = panel_end - panel < table_panels ? panel_end - panel : table_panels;
        by_rows[m - 1](weights, panel, panels, x, x_stride, bias, y, y_stride);
    }
}

}  // namespace

}  // namespace nq::cpu::avx512
