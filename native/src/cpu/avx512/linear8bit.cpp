// 8-bit linear layer: exact int32 products, dequantizing epilogue, outlier columns in f32. vpdpbusd multiplies unsigned by signed bytes,
// so activations come offset by 128, and 128 * row_sum is taken back; sums wrap modulo 2^32 on the way, the result does not (|result| <
// 2^31 for K <= 130000).
#include "cpu/avx512/functions.h"
#include "cpu/avx512/vector.h"

namespace nq::cpu::avx512 {
namespace {

constexpr size_t prefetch_bytes = 2048;
constexpr size_t outlier_block = 32;

const int8_t* panel_codes(const panels8bit& weights, size_t panel) { return weights.codes + panel * 16 * weights.padded_columns; }

// y of one row and panel from its integer sums.
void store_dequantized(const panels8bit& weights, const activations8bit& x, size_t row, size_t panel, __m512i offset_sum, const float* bias,
                       float* y) {
    const size_t column = panel * 16;
    const __mmask16 lanes = first_lanes(weights.rows - column);
    const __m512i row_sums = _mm512_load_si512(weights.row_sums + column);
    const __m512 product = _mm512_cvtepi32_ps(_mm512_sub_epi32(offset_sum, _mm512_slli_epi32(row_sums, 7)));
    const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(x.row_absmax[row]), _mm512_load_ps(weights.row_absmax + column));
    __m512 value = _mm512_mul_ps(_mm512_mul_ps(product, scale), _mm512_set1_ps(1.0f / (127.0f * 127.0f)));
    if (bias != nullptr) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(lanes, bias + column));
    _mm512_mask_storeu_ps(y + column, lanes, value);
}

// One row of x: the panel is streamed once, in four chains.
void vector_product(const panels8bit& weights, const activations8bit& x, const float* bias, float* y, size_t panel_begin,
                    size_t panel_end) {
    for (size_t panel = panel_begin; panel < panel_end; ++panel) {
        const int8_t* w = panel_codes(weights, panel);
        __m512i sum[4];
        for (int i = 0; i < 4; ++i) sum[i] = _mm512_setzero_si512();
        for (size_t k = 0; k < weights.padded_columns; k += 16, w += 256) {
            for (size_t i = 0; i < 4; ++i) {
                _mm_prefetch(reinterpret_cast<const char*>(w + 64 * i) + prefetch_bytes, _MM_HINT_T0);
                int quad;
                __builtin_memcpy(&quad, x.codes + k + 4 * i, sizeof quad);
                sum[i] = _mm512_dpbusd_epi32(sum[i], _mm512_set1_epi32(quad), _mm512_load_si512(w + 64 * i));
            }
        }
        const __m512i all = _mm512_add_epi32(_mm512_add_epi32(sum[0], sum[1]), _mm512_add_epi32(sum[2], sum[3]));
        store_dequantized(weights, x, 0, panel, all, bias, y);
    }
}

// `rows` rows of x against `panels` panels, the whole of K in registers.
template <int rows, int panels>
void multiply_rows(const panels8bit& weights, const activations8bit& x, size_t row, size_t panel, const float* bias, float* y,
                   size_t y_stride) {
    const uint8_t* codes = x.codes + row * x.stride;
    const int8_t* w = panel_codes(weights, panel);
    const size_t panel_bytes = 16 * weights.padded_columns;
    __m512i sum[rows][panels];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 3
        for (int p = 0; p < panels; ++p) sum[r][p] = _mm512_setzero_si512();
#pragma GCC unroll 1
    for (size_t k = 0; k < weights.padded_columns; k += 4, w += 64) {
        __m512i weight[panels];
#pragma GCC unroll 3
        for (int p = 0; p < panels; ++p) weight[p] = _mm512_load_si512(w + static_cast<size_t>(p) * panel_bytes);
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
            int quad;
            __builtin_memcpy(&quad, codes + static_cast<size_t>(r) * x.stride + k, sizeof quad);
            const __m512i xk = _mm512_set1_epi32(quad);
#pragma GCC unroll 3
            for (int p = 0; p < panels; ++p) sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], xk, weight[p]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 3
        for (int p = 0; p < panels; ++p)
            store_dequantized(weights, x, row + static_cast<size_t>(r), panel + static_cast<size_t>(p), sum[r][p], bias,
                              y + static_cast<size_t>(r) * y_stride);
}

template <int panels>
void multiply_panels(const panels8bit& weights, const activations8bit& x, size_t panel, const float* bias, float* y, size_t y_stride) {
    using kernel = void (*)(const panels8bit&, const activations8bit&, size_t, size_t, const float*, float*, size_t);
    constexpr size_t most = 8;
    static constexpr kernel by_rows[most] = {multiply_rows<1, panels>, multiply_rows<2, panels>, multiply_rows<3, panels>,
                                             multiply_rows<4, panels>, multiply_rows<5, panels>, multiply_rows<6, panels>,
                                             multiply_rows<7, panels>, multiply_rows<8, panels>};
    size_t row = 0;
    for (size_t passes = (x.rows + most - 1) / most; passes > 0; --passes) {
        const size_t rows = (x.rows - row + passes - 1) / passes;
        by_rows[rows - 1](weights, x, row, panel, bias, y + row * y_stride, y_stride);
        row += rows;
    }
}

// y += x[:, outliers] * W[:, outliers]^T with W = codes * absmax / 127 in f32.
void add_outliers(const panels8bit& weights, const activations8bit& x, float* y, size_t y_stride, size_t panel) {
    const int8_t* codes = panel_codes(weights, panel);
    const size_t column = panel * 16;
    const __mmask16 lanes = first_lanes(weights.rows - column);
    const __m512 absmax = _mm512_load_ps(weights.row_absmax + column);
    for (size_t begin = 0; begin < x.outlier_count; begin += outlier_block) {
        const size_t count = x.outlier_count - begin < outlier_block ? x.outlier_count - begin : outlier_block;
        __m512 w[outlier_block];
        for (size_t i = 0; i < count; ++i) {
            const size_t k = x.outliers[begin + i];
            const __m512i quads = _mm512_load_si512(codes + k / 4 * 64);
            const __m512i top = _mm512_sllv_epi32(quads, _mm512_set1_epi32(static_cast<int>(24 - k % 4 * 8)));
            const __m512 code = _mm512_cvtepi32_ps(_mm512_srai_epi32(top, 24));
            w[i] = _mm512_mul_ps(_mm512_mul_ps(code, absmax), _mm512_set1_ps(0.0078740157f));
        }
        for (size_t row = 0; row < x.rows; ++row) {
            const float* xr = x.outlier_values + row * x.outlier_count + begin;
            float* yr = y + row * y_stride + column;
            __m512 sum = _mm512_maskz_loadu_ps(lanes, yr);
            for (size_t i = 0; i < count; ++i) sum = _mm512_fmadd_ps(_mm512_set1_ps(xr[i]), w[i], sum);
            _mm512_mask_storeu_ps(yr, lanes, sum);
        }
    }
}

}  // namespace

void linear8bit(const panels8bit& weights, const activations8bit& x, const float* bias, float* y, size_t y_stride, size_t panel_begin,
                size_t panel_end) {
    if (x.rows == 1) {
        vector_product(weights, x, bias, y, panel_begin, panel_end);
    } else {
        for (size_t panel = panel_begin; panel < panel_end; panel += 3) {
            if (panel_end - panel >= 3)
                multiply_panels<3>(weights, x, panel, bias, y, y_stride);
            else if (panel_end - panel == 2)
                multiply_panels<2>(weights, x, panel, bias, y, y_stride);
            else
                multiply_panels<1>(weights, x, panel, bias, y, y_stride);
        }
    }
    if (x.outlier_count == 0) return;
    for (size_t panel = panel_begin; panel < panel_end; ++panel) add_outliers(weights, x, y, y_stride, panel);
}

}  // namespace nq::cpu::avx512
