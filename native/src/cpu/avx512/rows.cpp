// Operations on one row: norm, rotary embedding, activation, softmax.
#include "cpu/avx512/functions.h"
#include "cpu/avx512/vector.h"

namespace nq::cpu::avx512 {

void rmsnorm_row(const float* x, const float* weight, float epsilon, float* y, size_t n) {
    __m512d low = _mm512_setzero_pd();
    __m512d high = _mm512_setzero_pd();
    for (size_t i = 0; i < n; i += 16) {
        const __m512 v = _mm512_maskz_loadu_ps(first_lanes(n - i), x + i);
        const __m512d a = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
        const __m512d b = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
        low = _mm512_fmadd_pd(a, a, low);
        high = _mm512_fmadd_pd(b, b, high);
    }
    const double mean = _mm512_reduce_add_pd(_mm512_add_pd(low, high)) / static_cast<double>(n);
    // In f64 to the end: a scale beyond f32 (tiny rows, epsilon 0) must still give finite products.
    const __m512d scale = _mm512_set1_pd(1.0 / __builtin_sqrt(mean + static_cast<double>(epsilon)));
    for (size_t i = 0; i < n; i += 8) {
        const __mmask8 lanes = static_cast<__mmask8>(first_lanes(n - i < 8 ? n - i : 8));
        const __m512d v = _mm512_mul_pd(_mm512_cvtps_pd(_mm256_maskz_loadu_ps(lanes, x + i)), scale);
        const __m512d w = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(lanes, weight + i));
        _mm256_mask_storeu_ps(y + i, lanes, _mm512_cvtpd_ps(_mm512_mul_pd(v, w)));
    }
}

void rotary_head(float* x, const float* cosine, const float* sine, size_t half) {
    for (size_t i = 0; i < half; i += 16) {
        const __mmask16 lanes = first_lanes(half - i);
        const __m512 c = _mm512_maskz_loadu_ps(lanes, cosine + i);
        const __m512 s = _mm512_maskz_loadu_ps(lanes, sine + i);
        const __m512 first = _mm512_maskz_loadu_ps(lanes, x + i);
        const __m512 second = _mm512_maskz_loadu_ps(lanes, x + half + i);
        _mm512_mask_storeu_ps(x + i, lanes, _mm512_fmsub_ps(first, c, _mm512_mul_ps(second, s)));
        _mm512_mask_storeu_ps(x + half + i, lanes, _mm512_fmadd_ps(second, c, _mm512_mul_ps(first, s)));
    }
}

void gated_silu(const float* gate, const float* up, float* y, size_t n) {
    const __m512 one = _mm512_set1_ps(1.0f);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 lanes = first_lanes(n - i);
        const __m512 g = _mm512_maskz_loadu_ps(lanes, gate + i);
        const __m512 decay = exp_f32(_mm512_xor_ps(g, _mm512_set1_ps(-0.0f)));
        const __m512 silu = _mm512_div_ps(g, _mm512_add_ps(one, decay));
        _mm512_mask_storeu_ps(y + i, lanes, _mm512_mul_ps(silu, _mm512_maskz_loadu_ps(lanes, up + i)));
    }
}

void add(const float* x, float* y, size_t n) {
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 lanes = first_lanes(n - i);
        _mm512_mask_storeu_ps(y + i, lanes, _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, y + i), _mm512_maskz_loadu_ps(lanes, x + i)));
    }
}

float exp_sum(const float* x, float largest, float* y, size_t n) {
    // 16 partial sums of positive terms; added up in f64.
    const __m512 shift = _mm512_set1_ps(largest);
    __m512d low = _mm512_setzero_pd();
    __m512d high = _mm512_setzero_pd();
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 lanes = first_lanes(n - i);
        const __m512 e = exp_f32(_mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, x + i), shift));
        _mm512_mask_storeu_ps(y + i, lanes, e);
        const __m512 counted = _mm512_maskz_mov_ps(lanes, e);
        low = _mm512_add_pd(low, _mm512_cvtps_pd(_mm512_castps512_ps256(counted)));
        high = _mm512_add_pd(high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(counted, 1)));
    }
    return static_cast<float>(_mm512_reduce_add_pd(_mm512_add_pd(low, high)));
}

float largest(const float* x, size_t n) {
    const __m512 none = _mm512_set1_ps(-__builtin_inff());
    __m512 most = none;
    __mmask16 nan = 0;
    for (size_t i = 0; i < n; i += 16) {
        const __m512 v = _mm512_mask_loadu_ps(none, first_lanes(n - i), x + i);
        nan |= _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
        most = _mm512_max_ps(most, v);
    }
    return nan != 0 ? __builtin_nanf("") : _mm512_reduce_max_ps(most);
}

double log_sum_exp(const float* x, size_t n) {
    const double most = largest(x, n);
    if (!__builtin_isfinite(most)) return most;
    const __m512d shift = _mm512_set1_pd(most);
    __m512d sum = _mm512_setzero_pd();
    for (size_t i = 0; i < n; i += 8) {
        const __mmask8 lanes = static_cast<__mmask8>(first_lanes(n - i < 8 ? n - i : 8));
        const __m512d v = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(lanes, x + i));
        sum = _mm512_mask_add_pd(sum, lanes, sum, exp_f64(_mm512_sub_pd(v, shift)));
    }
    return most + __builtin_log(_mm512_reduce_add_pd(sum));
}

}  // namespace nq::cpu::avx512
