// 8-bit linear layer: exact int32 products, dequantizing epilogue with the outlier columns in f32. vpdpbusd multiplies unsigned by signed
// bytes, so activations come offset by 128, and 128 * row_sum is taken back; sums wrap modulo 2^32 on the way, the result does not
// (|result| < 2^31 for K <= 130000).
//
// Several rows: 512 columns of three panels (24 KiB) stay in the first-level cache while all rows of a block pass by, eight at a time; the
// next 512 columns are brought to the second level meanwhile. Sums wait in a few KiB until the last columns are done.
#include "cpu/avx512/functions.h"
#include "cpu/avx512/vector.h"

namespace nq::cpu::avx512 {
namespace {

constexpr size_t line = 64;
constexpr int tile_rows = 8;
constexpr int tile_panels = 3;             // 8 x 3 sums, 3 weights and a broadcast: 11 loads per 24 products
constexpr size_t turn_columns = 16;        // columns per turn of the innermost loop
constexpr size_t block_columns = 512;      // of weights in the first-level cache
constexpr size_t most_rows = 128;          // of x in a block
constexpr size_t most_bytes = 896 * 1024;  // of x in a block, which stays in the second-level cache
constexpr size_t outlier_block = 64;
constexpr size_t vector_prefetch = 2048;

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
    const int8_t* next = nullptr;
    size_t count = 0;
    size_t offsets[turn_columns / 4 * tile_panels];

    void turn(size_t column) const {
        for (size_t i = 0; i < count; ++i) _mm_prefetch(reinterpret_cast<const char*>(next + column * 16 + offsets[i]), _MM_HINT_T1);
    }
};

using panel_sums = int32_t[tile_panels][16];  // of one row of x

// sums += (x + 128) * w for `rows` rows of x, `panels` panels and `columns` columns.
template <int rows, int panels>
void multiply_tile(const uint8_t* x, size_t x_stride, const int8_t* w, size_t panel_bytes, size_t columns, bool first,
                   const line_stream& ahead, panel_sums* sums) {
    __m512i sum[rows][panels];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 3
        for (int q = 0; q < panels; ++q) sum[r][q] = first ? _mm512_setzero_si512() : _mm512_load_si512(sums[r][q]);
#pragma GCC unroll 1
    for (size_t k = 0; k < columns; k += turn_columns, x += turn_columns) {
        ahead.turn(k);
#pragma GCC unroll 4
        for (size_t quad = 0; quad < turn_columns / 4; ++quad, w += line) {
            __m512i weight[panels];
#pragma GCC unroll 3
            for (int q = 0; q < panels; ++q) weight[q] = _mm512_load_si512(w + static_cast<size_t>(q) * panel_bytes);
#pragma GCC unroll 8
            for (int r = 0; r < rows; ++r) {
                int codes;
                __builtin_memcpy(&codes, x + quad * 4 + static_cast<size_t>(r) * x_stride, sizeof codes);
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

// Some outlier columns of one panel, dequantized.
struct outlier_weights {
    alignas(64) float w[outlier_block][16];
    size_t first;
    size_t count;

    void load(const product& p, size_t panel, size_t begin) {
        first = begin;
        count = p.x.outlier_count - begin < outlier_block ? p.x.outlier_count - begin : outlier_block;
        const __m512 absmax = _mm512_load_ps(p.weights.row_absmax + panel * 16);
        for (size_t i = 0; i < count; ++i) {
            const size_t k = p.x.outliers[first + i];
            const __m512i quads = _mm512_load_si512(p.codes(panel) + k / 4 * line);
            const __m512i top = _mm512_sllv_epi32(quads, _mm512_set1_epi32(static_cast<int>(24 - k % 4 * 8)));
            const __m512 code = _mm512_cvtepi32_ps(_mm512_srai_epi32(top, 24));
            _mm512_store_ps(w[i], _mm512_mul_ps(_mm512_mul_ps(code, absmax), _mm512_set1_ps(0.0078740157f)));
        }
    }
};

// y of `rows` rows and one panel: from the sums with the first block of outlier columns, then (sums null) with the others.
template <int rows>
void finish_rows(const product& p, size_t row, size_t panel, const int32_t* sums, const outlier_weights& outliers) {
    const __mmask16 lanes = first_lanes(p.weights.rows - panel * 16);
    const size_t count = outliers.count, x_stride = p.x.outlier_count;
    const float* x = p.x.outlier_values + row * x_stride + outliers.first;
    float* y = p.y + row * p.y_stride + panel * 16;
    __m512 value[rows];
    if (sums == nullptr) {
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) value[r] = _mm512_maskz_loadu_ps(lanes, y + static_cast<size_t>(r) * p.y_stride);
    } else {
        const __m512i offset = _mm512_slli_epi32(_mm512_load_si512(p.weights.row_sums + panel * 16), 7);
        const __m512 absmax = _mm512_load_ps(p.weights.row_absmax + panel * 16);
        const __m512 bias = p.bias == nullptr ? _mm512_set1_ps(-0.0f) : _mm512_maskz_loadu_ps(lanes, p.bias + panel * 16);
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
            const __m512i sum = _mm512_sub_epi32(_mm512_load_si512(sums + r * tile_panels * 16), offset);
            const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(p.x.row_absmax[row + static_cast<size_t>(r)]), absmax);
            const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
            value[r] = _mm512_add_ps(_mm512_mul_ps(scaled, _mm512_set1_ps(1.0f / (127.0f * 127.0f))), bias);
        }
    }
#pragma GCC unroll 1
    for (size_t i = 0; i < count; ++i) {
        const __m512 w = _mm512_load_ps(outliers.w[i]);
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) value[r] = _mm512_fmadd_ps(_mm512_set1_ps(x[static_cast<size_t>(r) * x_stride + i]), w, value[r]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) _mm512_mask_storeu_ps(y + static_cast<size_t>(r) * p.y_stride, lanes, value[r]);
}

void finish_tile(const product& p, size_t row, size_t rows, size_t panel, const int32_t* sums, const outlier_weights& outliers) {
    using completion = void (*)(const product&, size_t, size_t, const int32_t*, const outlier_weights&);
    static constexpr completion finish[tile_rows] = {finish_rows<1>, finish_rows<2>, finish_rows<3>, finish_rows<4>,
                                                     finish_rows<5>, finish_rows<6>, finish_rows<7>, finish_rows<8>};
    finish[rows - 1](p, row, panel, sums, outliers);
}

// The outlier columns after the first block, for rows [begin, end).
void add_more_outliers(const product& p, size_t begin, size_t end, size_t panel, outlier_weights& outliers) {
    for (size_t first = outlier_block; first < p.x.outlier_count; first += outlier_block) {
        outliers.load(p, panel, first);
        for (size_t row = begin; row < end; row += tile_rows)
            finish_tile(p, row, end - row < tile_rows ? end - row : tile_rows, panel, nullptr, outliers);
    }
}

// Rows [begin, end) of x against `panels` panels; is_last: nothing follows that would be worth fetching.
template <int panels>
void multiply_panels(const product& p, size_t begin, size_t end, size_t panel, bool is_last) {
    using multiplication = void (*)(const uint8_t*, size_t, const int8_t*, size_t, size_t, bool, const line_stream&, panel_sums*);
    static constexpr multiplication multiply[tile_rows] = {multiply_tile<1, panels>, multiply_tile<2, panels>, multiply_tile<3, panels>,
                                                           multiply_tile<4, panels>, multiply_tile<5, panels>, multiply_tile<6, panels>,
                                                           multiply_tile<7, panels>, multiply_tile<8, panels>};
    constexpr size_t lines = turn_columns / 4 * panels;  // a turn's
    alignas(64) panel_sums sums[most_rows];
    outlier_weights outliers[panels];
    const size_t columns = p.weights.padded_columns;
    const size_t tiles = (end - begin + tile_rows - 1) / tile_rows;
    const size_t share = (lines + tiles - 1) / tiles;
    for (size_t k = 0; k < columns; k += block_columns) {
        const size_t count = columns - k < block_columns ? columns - k : block_columns;
        const bool ends = k + count == columns;
        if (ends)
            for (size_t q = 0; q < panels; ++q) outliers[q].load(p, panel + q, 0);
        line_stream ahead;
        ahead.next = ends ? p.codes(panel + panels) : p.codes(panel) + (k + count) * 16;
        size_t row = begin, fetched = ends && is_last ? lines : 0;
        for (size_t left = tiles; left > 0; --left) {
            const size_t rows = (end - row + left - 1) / left;
            ahead.count = lines - fetched < share ? lines - fetched : share;
            for (size_t i = 0; i < ahead.count; ++i, ++fetched)
                ahead.offsets[i] = fetched / (turn_columns / 4) * p.panel_bytes() + fetched % (turn_columns / 4) * line;
            panel_sums* tile_sums = sums + (row - begin);
            multiply[rows - 1](p.x.codes + row * p.x.stride + k, p.x.stride, p.codes(panel) + k * 16, p.panel_bytes(), count, k == 0, ahead,
                               tile_sums);
            // At once: stores into y, which is not in the cache, go on beside the next products.
            if (ends)
                for (size_t q = 0; q < panels; ++q) finish_tile(p, row, rows, panel + q, tile_sums[0][q], outliers[q]);
            row += rows;
        }
    }
    for (size_t q = 0; q < panels; ++q) add_more_outliers(p, begin, end, panel + q, outliers[q]);
}

// One row of x: the panel is streamed once, in four chains.
void multiply_vector(const product& p, size_t panel) {
    const int8_t* w = p.codes(panel);
    __m512i sum[4];
    for (int i = 0; i < 4; ++i) sum[i] = _mm512_setzero_si512();
    for (size_t k = 0; k < p.weights.padded_columns; k += 16, w += 4 * line) {
        for (size_t i = 0; i < 4; ++i) {
            _mm_prefetch(reinterpret_cast<const char*>(w + line * i) + vector_prefetch, _MM_HINT_T0);
            int codes;
            __builtin_memcpy(&codes, p.x.codes + k + 4 * i, sizeof codes);
            sum[i] = _mm512_dpbusd_epi32(sum[i], _mm512_set1_epi32(codes), _mm512_load_si512(w + line * i));
        }
    }
    alignas(64) int32_t all[16];
    _mm512_store_si512(all, _mm512_add_epi32(_mm512_add_epi32(sum[0], sum[1]), _mm512_add_epi32(sum[2], sum[3])));
    outlier_weights outliers;
    outliers.load(p, panel, 0);
    finish_tile(p, 0, 1, panel, all, outliers);
    add_more_outliers(p, 0, 1, panel, outliers);
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
    if (x.rows == 1) {
        for (size_t panel = panel_begin; panel < panel_end; ++panel) multiply_vector(p, panel);
        return;
    }
    const size_t most = rows_of_block(x.stride);
    size_t row = 0;
    for (size_t blocks = (x.rows + most - 1) / most; blocks > 0; --blocks) {
        const size_t end = row + (x.rows - row + blocks - 1) / blocks;
        for (size_t panel = panel_begin; panel < panel_end;) {
            const size_t left = panel_end - panel;
            if (left == 1) {
                multiply_panels<1>(p, row, end, panel, true);
                panel += 1;
            } else if (left == 2 || left == 4) {  // four are two and two rather than three and one, which leaves the chains too few
                multiply_panels<2>(p, row, end, panel, left == 2);
                panel += 2;
            } else {
                multiply_panels<3>(p, row, end, panel, left == 3);
                panel += 3;
            }
        }
        row = end;
    }
}

}  // namespace nq::cpu::avx512
