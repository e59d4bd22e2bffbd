// Dense linear layer: f32, f16 or bf16 panels widened to f32, f32 sums.
#include "cpu/avx2/block_product.h"
#include "cpu/avx2/functions.h"

namespace nq::cpu::avx2 {
namespace {

struct f32_weight {
    using type = float;
    static __m256 load(const float* p) { return _mm256_load_ps(p); }
};
struct f16_weight {
    using type = uint16_t;
    static __m256 load(const uint16_t* p) { return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(p))); }
};
struct bf16_weight {
    using type = uint16_t;
    static __m256 load(const uint16_t* p) { return load_bf16(_mm_load_si128(reinterpret_cast<const __m128i*>(p))); }
};

template <class Weight>
struct panel_blocks {
    const typename Weight::type* data;
    size_t rows;
    size_t columns;

    const float* block(size_t panel, size_t k, size_t count, float* scratch) const {
        const typename Weight::type* source = data + (panel * columns + k) * 16;
        for (size_t i = 0; i < count * 16; i += 8) _mm256_store_ps(scratch + i, Weight::load(source + i));
        return scratch;
    }
};

template <>
const float* panel_blocks<f32_weight>::block(size_t panel, size_t k, size_t, float*) const {
    return data + (panel * columns + k) * 16;
}

// One row of x: every weight is used once, so the panel is streamed through registers in four chains of two halves.
template <class Weight>
void vector_product(const dense_panels& weights, const float* x, const float* bias, float* y, size_t panel_begin, size_t panel_end) {
    const auto* data = static_cast<const typename Weight::type*>(weights.data);
    const size_t columns = weights.columns;
    for (size_t panel = panel_begin; panel < panel_end; ++panel) {
        const typename Weight::type* w = data + panel * columns * 16;
        __m256 sum[4][2];
        for (int i = 0; i < 4; ++i) sum[i][0] = sum[i][1] = _mm256_setzero_ps();
        size_t k = 0;
        for (; k + 4 <= columns; k += 4) {
            for (size_t i = 0; i < 4; ++i) {
                const __m256 xk = _mm256_set1_ps(x[k + i]);
                sum[i][0] = _mm256_fmadd_ps(Weight::load(w + (k + i) * 16), xk, sum[i][0]);
                sum[i][1] = _mm256_fmadd_ps(Weight::load(w + (k + i) * 16 + 8), xk, sum[i][1]);
            }
        }
        for (; k < columns; ++k) {
            const __m256 xk = _mm256_set1_ps(x[k]);
            sum[0][0] = _mm256_fmadd_ps(Weight::load(w + k * 16), xk, sum[0][0]);
            sum[0][1] = _mm256_fmadd_ps(Weight::load(w + k * 16 + 8), xk, sum[0][1]);
        }
        const size_t column = panel * 16;
        const size_t left = weights.rows - column;
        const block_target target = {y + column, 0, bias == nullptr ? nullptr : bias + column, left < 16 ? left : 16, true};
        for (size_t half = 0; half < 2; ++half) {
            const __m256 all = _mm256_add_ps(_mm256_add_ps(sum[0][half], sum[1][half]), _mm256_add_ps(sum[2][half], sum[3][half]));
            add_half(target, y + column, half, all);
        }
    }
}

template <class Weight>
void product(const dense_panels& weights, const float* x, size_t m, size_t x_stride, const float* bias, float* y, size_t y_stride,
             size_t panel_begin, size_t panel_end) {
    if (m == 1) return vector_product<Weight>(weights, x, bias, y, panel_begin, panel_end);
    const panel_blocks<Weight> blocks = {static_cast<const typename Weight::type*>(weights.data), weights.rows, weights.columns};
    block_product(blocks, x, m, x_stride, {bias, y, y_stride}, panel_begin, panel_end);
}

}  // namespace

void linear(const dense_panels& weights, const float* x, size_t m, size_t x_stride, const float* bias, float* y, size_t y_stride,
            size_t panel_begin, size_t panel_end) {
    if (weights.dtype == NQ_DTYPE_F16)
        product<f16_weight>(weights, x, m, x_stride, bias, y, y_stride, panel_begin, panel_end);
    else if (weights.dtype == NQ_DTYPE_BF16)
        product<bf16_weight>(weights, x, m, x_stride, bias, y, y_stride, panel_begin, panel_end);
    else
        product<f32_weight>(weights, x, m, x_stride, bias, y, y_stride, panel_begin, panel_end);
}

float dot(const float* x, const float* y, size_t n) {
    __m256 sum[4];
    for (int i = 0; i < 4; ++i) sum[i] = _mm256_setzero_ps();
    size_t k = 0;
    for (; k + 32 <= n; k += 32)
        for (size_t i = 0; i < 4; ++i) sum[i] = _mm256_fmadd_ps(_mm256_loadu_ps(x + k + 8 * i), _mm256_loadu_ps(y + k + 8 * i), sum[i]);
    for (; k < n; k += 8) sum[0] = _mm256_fmadd_ps(load_first(x + k, n - k), load_first(y + k, n - k), sum[0]);
    return sum_lanes(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3])));
}

int32_t dot_int8(const int8_t* a, const int8_t* b, size_t n) {
    __m256i sum = _mm256_setzero_si256();
    size_t k = 0;
    for (; k + 16 <= n; k += 16) {
        const __m256i wide_a = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a + k)));
        const __m256i wide_b = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b + k)));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(wide_a, wide_b));
    }
    int32_t rest = 0;
    for (; k < n; ++k) rest += a[k] * b[k];
    return sum_lanes(sum) + rest;
}

}  // namespace nq::cpu::avx2
