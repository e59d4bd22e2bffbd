// 8-bit linear layer: exact int32 products, dequantizing epilogue with the outlier columns in f32. vpdpbusd multiplies unsigned by signed
// bytes, so activations come offset by 128, and 128 * row_sum is taken back; sums wrap modulo 2^32 on the way, the result does not
// (|result| < 2^31 for K <= 130000).
//
// Many rows: 512 columns of three panels (24 KiB) stay in the first-level cache while all rows of a block pass by, eight at a time; the
// next 512 columns are brought to the second level meanwhile. Few rows are bound by memory, which gives more to several streams than to
// one: their panels are walked through side by side. Sums wait in some KiB until the last columns are done.
#include "cpu/avx512/functions.h"
#include "cpu/avx512/vector.h"

namespace nq::cpu::avx512 {
namespace {

constexpr size_t line = 64;
constexpr int tile_rows = 8;
constexpr int tile_panels = 3;             // 8 x 3 sums, 3 weights and a broadcast: 11 loads per 24 products
constexpr size_t turn_columns = 16;        // columns per turn of the innermost loop
constexpr size_t most_rows = 128;          // of x in a block
constexpr size_t most_bytes = 896 * 1024;  // of x in a block, which stays in the second-level cache
constexpr size_t outlier_columns = 2048;   // after so many columns their outliers are added, while the weights are near
constexpr size_t outlier_block = 64;       // outlier columns dequantized at a time
constexpr size_t vector_prefetch = 4096;

// How the panels of a task are walked through: so many side by side, so many columns at a time. The fewer rows, the more it is memory
// that bounds the product.
struct walk {
    size_t panels;
    size_t columns;

    static walk for_rows(size_t rows) {
        if (rows <= tile_rows) return {4 * tile_panels, 64};
        if (rows <= 2 * tile_rows) return {2 * tile_panels, 128};
        return {tile_panels, 512};
    }
};

struct product {
    const panels8bit& weights;
    const activations8bit& x;
    const float* bias;
    float* y;
    size_t y_stride;

    size_t panel_bytes() const { return 16 * weights.padded_columns; }
    const int8_t* codes(size_t panel) const { return weights.codes + panel * panel_bytes(); }
};

// What to bring into the second-level cache while a tile is multiplied: in each turn some lines of the weights that come next.
struct line_stream {
    const int8_t* next;
    size_t count;
    size_t offsets[turn_columns / 4 * tile_panels];

    void turn(size_t column) const {
        for (size_t i = 0; i < count; ++i) _mm_prefetch(reinterpret_cast<const char*>(next + column * 16 + offsets[i]), _MM_HINT_T1);
    }
};

// One row of x against the panels of a tile: sums of (x + 128) * w, and what the outlier columns add to y.
using tile_sums = int32_t[tile_panels][16];
using tile_corrections = float[tile_panels][16];

// sums (+)= (x + 128) * w for `rows` rows of x, `panels` panels and `columns` columns.
template <int rows, int panels>
void multiply_tile(const uint8_t* x, size_t x_stride, const int8_t* w, size_t panel_bytes, size_t columns, bool first,
                   const line_stream& ahead, tile_sums* sums) {
    const uint8_t* upper = x + 4 * x_stride;  // two pointers: one and eight offsets are more than the registers
    __m512i sum[rows][panels];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 3
        for (int q = 0; q < panels; ++q) sum[r][q] = first ? _mm512_setzero_si512() : _mm512_load_si512(sums[r][q]);
#pragma GCC unroll 1
    for (size_t k = 0; k < columns; k += turn_columns, x += turn_columns, upper += turn_columns) {
        ahead.turn(k);
#pragma GCC unroll 4
        for (size_t quad = 0; quad < turn_columns / 4; ++quad, w += line) {
            __m512i weight[panels];
#pragma GCC unroll 3
            for (int q = 0; q < panels; ++q) weight[q] = _mm512_load_si512(w + static_cast<size_t>(q) * panel_bytes);
#pragma GCC unroll 8
            for (int r = 0; r < rows; ++r) {
                int codes;
                __builtin_memcpy(&codes, (r < 4 ? x : upper) + quad * 4 + static_cast<size_t>(r % 4) * x_stride, sizeof codes);
                const __m512i xk = _mm512_set1_epi32(codes);
#pragma GCC unroll 3
                for (int q = 0; q < panels; ++q) sum[r][q] = _mm512_dpbusd_epi32(sum[r][q], xk, weight[q]);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 3
        for (int q = 0; q < panels; ++q) _mm512_store_si512(sums[r][q], sum[r][q]);
}

using tile_function = void (*)(const uint8_t*, size_t, const int8_t*, size_t, size_t, bool, const line_stream&, tile_sums*);
template <int panels>
constexpr tile_function multiply_by_rows[tile_rows] = {multiply_tile<1, panels>, multiply_tile<2, panels>, multiply_tile<3, panels>,
                                                       multiply_tile<4, panels>, multiply_tile<5, panels>, multiply_tile<6, panels>,
                                                       multiply_tile<7, panels>, multiply_tile<8, panels>};
constexpr const tile_function* multiply[tile_panels] = {multiply_by_rows<1>, multiply_by_rows<2>, multiply_by_rows<3>};

// sums (+)= x * w for `rows` rows of x and `count` columns of one panel, in f32.
template <int rows>
void multiply_outliers(const float* x, size_t x_stride, const float (*w)[16], size_t count, bool first, float* sums) {
    __m512 sum[rows];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) sum[r] = first ? _mm512_setzero_ps() : _mm512_load_ps(sums + r * tile_panels * 16);
#pragma GCC unroll 1
    for (size_t i = 0; i < count; ++i) {
        const __m512 weight = _mm512_load_ps(w[i]);
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) sum[r] = _mm512_fmadd_ps(_mm512_set1_ps(x[static_cast<size_t>(r) * x_stride + i]), weight, sum[r]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) _mm512_store_ps(sums + r * tile_panels * 16, sum[r]);
}

// A range of the list of outlier columns.
struct outlier_range {
    size_t begin = 0;
    size_t end = 0;

    // On to the outliers after the last ones, up to column `column`.
    void advance(const activations8bit& x, size_t column) {
        begin = end;
        while (end < x.outlier_count && x.outliers[end] < column) ++end;
    }
};

// Adds the outliers of a range to the corrections of rows [row, end) and one panel; the first range sets them.
void add_outliers(const product& p, size_t row, size_t end, size_t panel, const outlier_range& range, float* corrections) {
    using function = void (*)(const float*, size_t, const float(*)[16], size_t, bool, float*);
    static constexpr function by_rows[tile_rows] = {multiply_outliers<1>, multiply_outliers<2>, multiply_outliers<3>, multiply_outliers<4>,
                                                    multiply_outliers<5>, multiply_outliers<6>, multiply_outliers<7>, multiply_outliers<8>};
    alignas(64) float w[outlier_block][16];
    const __m512 absmax = _mm512_load_ps(p.weights.row_absmax + panel * 16);
    size_t begin = range.begin;
    do {
        const size_t count = range.end - begin < outlier_block ? range.end - begin : outlier_block;
        for (size_t i = 0; i < count; ++i) {
            const size_t k = p.x.outliers[begin + i];
            const __m512i quads = _mm512_load_si512(p.codes(panel) + k / 4 * line);
            const __m512i top = _mm512_sllv_epi32(quads, _mm512_set1_epi32(static_cast<int>(24 - k % 4 * 8)));
            const __m512 code = _mm512_cvtepi32_ps(_mm512_srai_epi32(top, 24));
            _mm512_store_ps(w[i], _mm512_mul_ps(_mm512_mul_ps(code, absmax), _mm512_set1_ps(0.0078740157f)));
        }
        float* sums = corrections;
        for (size_t r = row; r < end; r += tile_rows, sums += tile_rows * tile_panels * 16) {
            const float* x = p.x.outlier_values + r * p.x.outlier_count + begin;
            by_rows[end - r < tile_rows ? end - r - 1 : tile_rows - 1](x, p.x.outlier_count, w, count, begin == 0, sums);
        }
        begin += count;
    } while (begin < range.end);
}

// y of rows [row, end) and one panel from their sums; corrections may be null.
void store_panel(const product& p, size_t row, size_t end, size_t panel, const int32_t* sums, const float* corrections) {
    const __mmask16 lanes = first_lanes(p.weights.rows - panel * 16);
    const __m512i offset = _mm512_slli_epi32(_mm512_load_si512(p.weights.row_sums + panel * 16), 7);
    const __m512 absmax = _mm512_load_ps(p.weights.row_absmax + panel * 16);
    const __m512 bias = p.bias == nullptr ? _mm512_set1_ps(-0.0f) : _mm512_maskz_loadu_ps(lanes, p.bias + panel * 16);
    for (size_t i = 0; row < end; ++row, i += tile_panels * 16) {
        const __m512 sum = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_load_si512(sums + i), offset));
        const __m512 scaled = _mm512_mul_ps(sum, _mm512_mul_ps(_mm512_set1_ps(p.x.row_absmax[row]), absmax));
        __m512 y = _mm512_add_ps(_mm512_mul_ps(scaled, _mm512_set1_ps(1.0f / (127.0f * 127.0f))), bias);
        if (corrections != nullptr) y = _mm512_add_ps(y, _mm512_load_ps(corrections + i));
        _mm512_mask_storeu_ps(p.y + row * p.y_stride + panel * 16, lanes, y);
    }
}

// Panels of the next tile where `left` are left: four are two and two, since with one the chains would be too few.
size_t panels_of_tile(size_t left) { return left == 4 ? 2 : left < tile_panels ? left : tile_panels; }

// Rows [begin, end) of x against `panels` panels side by side, `step` columns at a time; is_last: nothing follows that would be worth
// fetching.
void multiply_panels(const product& p, size_t begin, size_t end, size_t panel, size_t panels, size_t step, bool is_last) {
    alignas(64) tile_sums sums[most_rows];
    alignas(64) tile_corrections corrections[most_rows];
    const size_t columns = p.weights.padded_columns, tiles = (end - begin + tile_rows - 1) / tile_rows;
    outlier_range outliers;
    size_t next_outliers = outlier_columns;
    for (size_t k = 0; k < columns; k += step) {
        const size_t count = columns - k < step ? columns - k : step;
        const bool ends = k + count == columns, with_outliers = p.x.outlier_count > 0 && (ends || k + count >= next_outliers);
        if (with_outliers) {
            outliers.advance(p.x, k + count);
            next_outliers += outlier_columns;
        }
        size_t slot = 0;  // of the first row and this tile's panels in sums and corrections
        for (size_t from = panel, side = 0; from < panel + panels; from += side, slot += end - begin) {
            side = panels_of_tile(panel + panels - from);
            if (with_outliers)
                for (size_t q = 0; q < side; ++q) add_outliers(p, begin, end, from + q, outliers, corrections[slot][q]);
            const size_t lines = turn_columns / 4 * side;
            size_t row = begin, fetched = ends && is_last ? lines : 0;
            for (size_t left = tiles; left > 0; --left) {
                const size_t rows = (end - row + left - 1) / left, at = slot + row - begin;
                line_stream ahead = {ends ? p.codes(from + panels) : p.codes(from) + (k + count) * 16, 0, {}};
                for (; ahead.count < (lines + tiles - 1) / tiles && fetched < lines; ++ahead.count, ++fetched)
                    ahead.offsets[ahead.count] = fetched / (turn_columns / 4) * p.panel_bytes() + fetched % (turn_columns / 4) * line;
                multiply[side - 1][rows - 1](p.x.codes + row * p.x.stride + k, p.x.stride, p.codes(from) + k * 16, p.panel_bytes(), count,
                                             k == 0, ahead, sums + at);
                // At once: stores into y, which is not in the cache, go on beside the next products.
                for (size_t q = 0; ends && q < side; ++q)
                    store_panel(p, row, row + rows, from + q, sums[at][q], p.x.outlier_count > 0 ? corrections[at][q] : nullptr);
                row += rows;
            }
        }
    }
}

// One row of x against `panels` panels.
template <int panels>
void multiply_vector(const product& p, size_t panel) {
    alignas(64) int32_t sums[panels][16];
    alignas(64) float corrections[panels][16];
    const size_t panel_bytes = p.panel_bytes();
    __m512i sum[panels];
#pragma GCC unroll 16
    for (int q = 0; q < panels; ++q) sum[q] = _mm512_setzero_si512();
    outlier_range outliers;
    const int8_t* w = p.codes(panel);
    for (size_t k = 0; k < p.weights.padded_columns;) {
        const size_t end = p.weights.padded_columns - k < outlier_columns ? p.weights.padded_columns : k + outlier_columns;
#pragma GCC unroll 1
        for (; k < end; k += turn_columns, w += turn_columns * 16) {
            __m512i x[turn_columns / 4];
#pragma GCC unroll 4
            for (size_t i = 0; i < turn_columns / 4; ++i) {
                int codes;
                __builtin_memcpy(&codes, p.x.codes + k + 4 * i, sizeof codes);
                x[i] = _mm512_set1_epi32(codes);
            }
#pragma GCC unroll 16
            for (int q = 0; q < panels; ++q) {
                const int8_t* from = w + static_cast<size_t>(q) * panel_bytes;
#pragma GCC unroll 4
                for (size_t i = 0; i < turn_columns / 4; ++i) {
                    _mm_prefetch(reinterpret_cast<const char*>(from + line * i + vector_prefetch), _MM_HINT_T0);
                    sum[q] = _mm512_dpbusd_epi32(sum[q], x[i], _mm512_load_si512(from + line * i));
                }
            }
        }
        outliers.advance(p.x, end);
        for (size_t q = 0; p.x.outlier_count > 0 && q < panels; ++q) add_outliers(p, 0, 1, panel + q, outliers, corrections[q]);
    }
#pragma GCC unroll 16
    for (int q = 0; q < panels; ++q) _mm512_store_si512(sums[q], sum[q]);
    for (size_t q = 0; q < panels; ++q) store_panel(p, 0, 1, panel + q, sums[q], p.x.outlier_count > 0 ? corrections[q] : nullptr);
}

// Rows of x at a time: what the second-level cache holds, but enough of them to read the weights seldom.
size_t rows_of_block(size_t x_stride) {
    const size_t held = most_bytes / x_stride / tile_rows * tile_rows;
    return held > most_rows ? most_rows : held < 4 * tile_rows ? 4 * tile_rows : held;
}

}  // namespace

void linear8bit(const panels8bit& weights, const activations8bit& x, const float* bias, float* y, size_t y_stride, size_t panel_begin,
                size_t panel_end) {
    const product p = {weights, x, bias, y, y_stride};
    size_t panel = panel_begin;
    if (x.rows == 1) {
        for (; panel_end - panel >= 16; panel += 16) multiply_vector<16>(p, panel);
        for (; panel_end - panel >= 4; panel += 4) multiply_vector<4>(p, panel);
        for (; panel < panel_end; ++panel) multiply_vector<1>(p, panel);
        return;
    }
    const walk by = walk::for_rows(x.rows);
    const size_t most = rows_of_block(x.stride);
    size_t row = 0;
    for (size_t blocks = (x.rows + most - 1) / most; blocks > 0; --blocks) {
        const size_t end = row + (x.rows - row + blocks - 1) / blocks;
        for (size_t panels = 0, at = panel_begin; at < panel_end; at += panels) {
            const size_t left = panel_end - at;
            panels = by.panels == tile_panels ? panels_of_tile(left) : left < by.panels ? left : by.panels;
            multiply_panels(p, row, end, at, panels, by.columns, panels == left);
        }
        row = end;
    }
}

}  // namespace nq::cpu::avx512
