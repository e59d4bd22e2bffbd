// 8-bit linear layer: bytes are widened to 16 bits and multiplied in pairs (vpmaddwd), exact for every int8 value, -128 included;
// vpmaddubsw would saturate. Few rows of x: straight from the panel. More: a block of columns of a panel is widened once, into the L1
// cache, and multiplied with 6 rows of x per pass. Dequantizing epilogue, outlier columns in f32.
#include "cpu/avx2/functions.h"
#include "cpu/avx2/vector.h"

namespace nq::cpu::avx2 {
namespace {

constexpr size_t prefetch_bytes = 2048;
constexpr size_t wide_columns = 1024;  // activations widened at a time
constexpr size_t outlier_block = 16;
constexpr size_t direct_rows = 3;
constexpr size_t block_columns = 128;
constexpr int tile_rows = 6;
constexpr size_t most_rows = 48;  // of x in a block: 12 KiB of half-words

// Of 32-bit lanes, unlike __m256i: GCC 12 keeps an array of sums in registers only if nothing reads it as another type.
using int32x8 = int __attribute__((vector_size(32)));

const int8_t* panel_codes(const panels8bit& weights, size_t panel) { return weights.codes + panel * 16 * weights.padded_columns; }

size_t valid_columns(const panels8bit& weights, size_t column) {
    const size_t left = weights.rows - column;
    return left < 8 ? left : 8;
}

// y of one row and the 8 columns from `column` on, from their integer products.
void store_dequantized(const panels8bit& weights, const activations8bit& x, size_t row, size_t column, __m256i product, const float* bias,
                       float* y) {
    if (column >= weights.rows) return;
    const size_t count = valid_columns(weights, column);
    const __m256 scale = _mm256_mul_ps(_mm256_set1_ps(x.row_absmax[row]), _mm256_load_ps(weights.row_absmax + column));
    __m256 value = _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(product), scale), _mm256_set1_ps(1.0f / (127.0f * 127.0f)));
    if (bias != nullptr) value = _mm256_add_ps(value, load_first(bias + column, count));
    store_first(y + column, count, value);
}

// Sums of the lane pairs of a (lanes 0-3 of the result's rows) and b (4-7).
__m256i add_pairs(__m256i a, __m256i b) { return _mm256_permute4x64_epi64(_mm256_hadd_epi32(a, b), 0xd8); }

// `rows` rows of x against one panel. Lane pair l of sum[r][q] holds row 4q + l of the panel: columns k, k + 1 and k + 2, k + 3.
template <int rows>
void multiply_rows(const panels8bit& weights, const activations8bit& x, size_t row, size_t panel, const float* bias, float* y,
                   size_t y_stride) {
    alignas(32) int16_t wide[static_cast<size_t>(rows)][wide_columns];
    const int8_t* w = panel_codes(weights, panel);
    __m256i sum[rows][4];
#pragma GCC unroll 2
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int q = 0; q < 4; ++q) sum[r][q] = _mm256_setzero_si256();
#pragma GCC unroll 1
    for (size_t k = 0; k < weights.padded_columns; k += wide_columns) {
        const size_t count = weights.padded_columns - k < wide_columns ? weights.padded_columns - k : wide_columns;
        for (int r = 0; r < rows; ++r) {
            const uint8_t* source = x.codes + (row + static_cast<size_t>(r)) * x.stride + k;
            for (size_t i = 0; i < count; i += 16) {
                const __m256i codes = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source + i)));
                _mm256_store_si256(reinterpret_cast<__m256i*>(wide[r] + i), _mm256_sub_epi16(codes, _mm256_set1_epi16(128)));
            }
        }
#pragma GCC unroll 1
        for (size_t i = 0; i < count; i += 4, w += 64) {
            _mm_prefetch(reinterpret_cast<const char*>(w) + prefetch_bytes, _MM_HINT_T0);
            __m256i weight[4];
#pragma GCC unroll 4
            for (int q = 0; q < 4; ++q) weight[q] = _mm256_cvtepi8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(w + 16 * q)));
#pragma GCC unroll 2
            for (int r = 0; r < rows; ++r) {
                long long quad;
                memcpy(&quad, wide[r] + i, sizeof quad);
                const __m256i xk = _mm256_set1_epi64x(quad);
#pragma GCC unroll 4
                for (int q = 0; q < 4; ++q) sum[r][q] = _mm256_add_epi32(sum[r][q], _mm256_madd_epi16(weight[q], xk));
            }
        }
    }
#pragma GCC unroll 2
    for (int r = 0; r < rows; ++r) {
        float* yr = y + static_cast<size_t>(r) * y_stride;
        store_dequantized(weights, x, row + static_cast<size_t>(r), panel * 16, add_pairs(sum[r][0], sum[r][1]), bias, yr);
        store_dequantized(weights, x, row + static_cast<size_t>(r), panel * 16 + 8, add_pairs(sum[r][2], sum[r][3]), bias, yr);
    }
}

// Columns of one panel and some rows of x as half-words; of each four columns the order is 0 2 1 3, in which bytes widen by shifts.
struct wide_block {
    alignas(32) int16_t weights[block_columns * 16];  // [pair of columns][16 rows][2]
    alignas(32) int16_t x[most_rows][block_columns];
    int32x8 sum[most_rows][2];
};

void widen_weights(const int8_t* codes, size_t count, int16_t* wide) {
    for (size_t i = 0; i < count * 16; i += 64, codes += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(codes) + prefetch_bytes, _MM_HINT_T0);
        for (size_t half = 0; half < 2; ++half) {
            const __m256i bytes = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes + 32 * half));
            const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), odd = _mm256_srai_epi16(bytes, 8);
            _mm256_store_si256(reinterpret_cast<__m256i*>(wide + i + 16 * half), even);
            _mm256_store_si256(reinterpret_cast<__m256i*>(wide + i + 16 * half + 32), odd);
        }
    }
}

void widen_x(const uint8_t* codes, size_t count, int16_t* wide) {
    const __m128i order = _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    for (size_t i = 0; i < count; i += 16) {
        const __m128i bytes = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i)), order);
        _mm256_store_si256(reinterpret_cast<__m256i*>(wide + i), _mm256_sub_epi16(_mm256_cvtepu8_epi16(bytes), _mm256_set1_epi16(128)));
    }
}

// sum[row] += rows first .. first + rows of x against the weights of a block.
template <int rows>
void multiply_block(wide_block& block, size_t first, size_t pairs) {
    int32x8 sum[rows][2];
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r) {
        sum[r][0] = block.sum[first + static_cast<size_t>(r)][0];
        sum[r][1] = block.sum[first + static_cast<size_t>(r)][1];
    }
    const int16_t* x = block.x[first];
#pragma GCC unroll 1
    for (size_t pair = 0; pair < pairs; ++pair) {
        const __m256i low = _mm256_load_si256(reinterpret_cast<const __m256i*>(block.weights + pair * 32));
        const __m256i high = _mm256_load_si256(reinterpret_cast<const __m256i*>(block.weights + pair * 32 + 16));
#pragma GCC unroll 6
        for (int r = 0; r < rows; ++r) {
            int two;
            memcpy(&two, x + static_cast<size_t>(r) * block_columns + pair * 2, sizeof two);
            const __m256i xk = _mm256_set1_epi32(two);
            sum[r][0] += reinterpret_cast<int32x8>(_mm256_madd_epi16(low, xk));
            sum[r][1] += reinterpret_cast<int32x8>(_mm256_madd_epi16(high, xk));
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r) {
        block.sum[first + static_cast<size_t>(r)][0] = sum[r][0];
        block.sum[first + static_cast<size_t>(r)][1] = sum[r][1];
    }
}

// Rows first .. first + count of x, at most most_rows, against one panel.
void multiply_panel(const panels8bit& weights, const activations8bit& x, size_t first, size_t count, size_t panel, const float* bias,
                    float* y, size_t y_stride) {
    using kernel = void (*)(wide_block&, size_t, size_t);
    static constexpr kernel by_rows[tile_rows] = {multiply_block<1>, multiply_block<2>, multiply_block<3>,
                                                  multiply_block<4>, multiply_block<5>, multiply_block<6>};
    wide_block block;
    for (size_t r = 0; r < count; ++r) block.sum[r][0] = block.sum[r][1] = int32x8{};
    for (size_t k = 0; k < weights.padded_columns; k += block_columns) {
        const size_t columns = weights.padded_columns - k < block_columns ? weights.padded_columns - k : block_columns;
        widen_weights(panel_codes(weights, panel) + k * 16, columns, block.weights);
        for (size_t r = 0; r < count; ++r) widen_x(x.codes + (first + r) * x.stride + k, columns, block.x[r]);
        size_t row = 0;
        for (size_t passes = (count + tile_rows - 1) / tile_rows; passes > 0; --passes) {
            const size_t rows = (count - row + passes - 1) / passes;
            by_rows[rows - 1](block, row, columns / 2);
            row += rows;
        }
    }
    for (size_t r = 0; r < count; ++r) {
        float* yr = y + (first + r) * y_stride;
        store_dequantized(weights, x, first + r, panel * 16, reinterpret_cast<__m256i>(block.sum[r][0]), bias, yr);
        store_dequantized(weights, x, first + r, panel * 16 + 8, reinterpret_cast<__m256i>(block.sum[r][1]), bias, yr);
    }
}

// y += x[:, outliers] * W[:, outliers]^T with W = codes * absmax / 127 in f32, for 8 columns of y.
void add_outliers(const panels8bit& weights, const activations8bit& x, float* y, size_t y_stride, size_t column) {
    if (column >= weights.rows) return;
    const int8_t* codes = panel_codes(weights, column / 16) + column % 16 * 4;
    const size_t valid = valid_columns(weights, column);
    const __m256 absmax = _mm256_load_ps(weights.row_absmax + column);
    for (size_t begin = 0; begin < x.outlier_count; begin += outlier_block) {
        const size_t count = x.outlier_count - begin < outlier_block ? x.outlier_count - begin : outlier_block;
        __m256 w[outlier_block];
        for (size_t i = 0; i < count; ++i) {
            const size_t k = x.outliers[begin + i];
            const __m256i quads = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes + k / 4 * 64));
            const __m256i top = _mm256_sll_epi32(quads, _mm_cvtsi32_si128(static_cast<int>(24 - k % 4 * 8)));
            const __m256 code = _mm256_cvtepi32_ps(_mm256_srai_epi32(top, 24));
            w[i] = _mm256_mul_ps(_mm256_mul_ps(code, absmax), _mm256_set1_ps(0.0078740157f));
        }
        for (size_t row = 0; row < x.rows; ++row) {
            const float* xr = x.outlier_values + row * x.outlier_count + begin;
            float* yr = y + row * y_stride + column;
            __m256 sum = load_first(yr, valid);
            for (size_t i = 0; i < count; ++i) sum = _mm256_fmadd_ps(_mm256_set1_ps(xr[i]), w[i], sum);
            store_first(yr, valid, sum);
        }
    }
}

}  // namespace

void linear8bit(const panels8bit& weights, const activations8bit& x, const float* bias, float* y, size_t y_stride, size_t panel_begin,
                size_t panel_end) {
    for (size_t panel = panel_begin; panel < panel_end; ++panel) {
        size_t row = 0;
        if (x.rows > direct_rows) {
            for (size_t chunks = (x.rows + most_rows - 1) / most_rows; chunks > 0; --chunks) {
                const size_t count = (x.rows - row + chunks - 1) / chunks;
                multiply_panel(weights, x, row, count, panel, bias, y, y_stride);
                row += count;
            }
        } else {
            for (; row + 2 <= x.rows; row += 2) multiply_rows<2>(weights, x, row, panel, bias, y + row * y_stride, y_stride);
            if (row < x.rows) multiply_rows<1>(weights, x, row, panel, bias, y + row * y_stride, y_stride);
        }
        if (x.outlier_count == 0) continue;
        add_outliers(weights, x, y, y_stride, panel * 16);
        add_outliers(weights, x, y, y_stride, panel * 16 + 8);
    }
}

}  // namespace nq::cpu::avx2
