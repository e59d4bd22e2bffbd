// Dense linear layer: f32, f16 or bf16 panels widened to f32, f32 sums.
#include "cpu/avx512/block_product.h"
#include "cpu/avx512/functions.h"

namespace nq::cpu::avx512 {

namespace {

struct f32_weight {
    using type = float;
    static __m512 load(const float* p) { return _mm512_loadu_ps(p); }
};
struct f16_weight {
    using type = uint16_t;
    static __m512 load(const uint16_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
};
struct bf16_weight {
    using type = uint16_t;
    static __m512 load(const uint16_t* p) { return load_bf16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
};

constexpr size_t prefetch_bytes = 2048;

template <class Weight>
struct panel_blocks {
    const typename Weight::type* data;
    size_t rows;
    size_t columns;

    const float* block(size_t panel, size_t k, size_t count, float* scratch) const {
        const typename Weight::type* source = data + (panel * columns + k) * 16;
        for (size_t i = 0; i < count; ++i) {
            _mm_prefetch(reinterpret_cast<const char*>(source + i * 16) + prefetch_bytes, _MM_HINT_T0);
            _mm512_store_ps(scratch + i * 16, Weight::load(source + i * 16));
        }
        return scratch;
    }
};

template <>
const float* panel_blocks<f32_weight>::block(size_t panel, size_t k, size_t, float*) const {
    return data + (panel * columns + k) * 16;
}

// One row of x: every weight is used once, so the panel is streamed through registers in eight chains.
template <class Weight>
void vector_product(const dense_panels& weights, const float* x, const float* bias, float* y, size_t panel_begin, size_t panel_end) {
    const auto* data = static_cast<const typename Weight::type*>(weights.data);
    const size_t columns = weights.columns;
    for (size_t panel = panel_begin; panel < panel_end; ++panel) {
        const typename Weight::type* w = data + panel * columns * 16;
        __m512 sum[8];
        for (int i = 0; i < 8; ++i) sum[i] = _mm512_setzero_ps();
        size_t k = 0;
        for (; k + 8 <= columns; k += 8) {
            for (size_t i = 0; i < 8; ++i) {
                _mm_prefetch(reinterpret_cast<const char*>(w + (k + i) * 16) + prefetch_bytes, _MM_HINT_T0);
                sum[i] = _mm512_fmadd_ps(Weight::load(w + (k + i) * 16), _mm512_set1_ps(x[k + i]), sum[i]);
            }
        }
        for (; k < columns; ++k) sum[k % 8] = _mm512_fmadd_ps(Weight::load(w + k * 16), _mm512_set1_ps(x[k]), sum[k % 8]);
        for (int half = 4; half > 0; half /= 2)
            for (int i = 0; i < half; ++i) sum[i] = _mm512_add_ps(sum[i], sum[i + half]);
        const __mmask16 lanes = first_lanes(weights.rows - panel * 16);
        if (bias != nullptr) sum[0] = _mm512_add_ps(sum[0], _mm512_maskz_loadu_ps(lanes, bias + panel * 16));
        _mm512_mask_storeu_ps(y + panel * 16, lanes, sum[0]);
    }
}

template <class Weight>
void product(const dense_panels& weights, const float* x, size_t m, size_t x_stride, const float* bias, float* y, size_t y_stride,
             size_t panel_begin, size_t panel_end) {
    if (m == 1) return vector_product<Weight>(weights, x, bias, y, panel_begin, panel_end);
    panel_blocks<Weight> blocks = {static_cast<const typename Weight::type*>(weights.data), weights.rows, weights.columns};
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
    __m512 sum[4];
    for (int i = 0; i < 4; ++i) sum[i] = _mm512_setzero_ps();
    size_t k = 0;
    for (; k + 64 <= n; k += 64)
        for (size_t i = 0; i < 4; ++i) sum[i] = _mm512_fmadd_ps(_mm512_loadu_ps(x + k + 16 * i), _mm512_loadu_ps(y + k + 16 * i), sum[i]);
    for (; k < n; k += 16) {
        const __mmask16 lanes = first_lanes(n - k);
        sum[0] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, x + k), _mm512_maskz_loadu_ps(lanes, y + k), sum[0]);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
}

int32_t dot_int8(const int8_t* a, const int8_t* b, size_t n) {
    __m512i sum = _mm512_setzero_si512();
    for (size_t k = 0; k < n; k += 32) {
        const __mmask32 lanes = n - k >= 32 ? 0xffffffffu : (1u << (n - k)) - 1u;
        const __m512i wide_a = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(lanes, a + k));
        const __m512i wide_b = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(lanes, b + k));
        sum = _mm512_add_epi32(sum, _mm512_madd_epi16(wide_a, wide_b));
    }
    return _mm512_reduce_add_epi32(sum);
}

}  // namespace nq::cpu::avx512
