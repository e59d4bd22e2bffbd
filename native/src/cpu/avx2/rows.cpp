// Operations on one row: norm, rotary embedding, activation, softmax.
#include "cpu/avx2/functions.h"
#include "cpu/avx2/vector.h"

namespace nq::cpu::avx2 {
namespace {

__m256d low_f64(__m256 x) { return _mm256_cvtps_pd(_mm256_castps256_ps128(x)); }
__m256d high_f64(__m256 x) { return _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)); }

}  // namespace

void rmsnorm_row(const float* x, const float* weight, float epsilon, float* y, size_t n) {
    __m256d low = _mm256_setzero_pd();
    __m256d high = _mm256_setzero_pd();
    for (size_t i = 0; i < n; i += 8) {
        const __m256 v = load_first(x + i, n - i);
        low = _mm256_fmadd_pd(low_f64(v), low_f64(v), low);
        high = _mm256_fmadd_pd(high_f64(v), high_f64(v), high);
    }
    const double mean = sum_lanes(_mm256_add_pd(low, high)) / static_cast<double>(n);
    // In f64 to the end: a scale beyond f32 (tiny rows, epsilon 0) must still give finite products.
    const __m256d scale = _mm256_set1_pd(1.0 / __builtin_sqrt(mean + static_cast<double>(epsilon)));
    for (size_t i = 0; i < n; i += 8) {
        const __m256 v = load_first(x + i, n - i);
        const __m256 w = load_first(weight + i, n - i);
        const __m128 first = _mm256_cvtpd_ps(_mm256_mul_pd(_mm256_mul_pd(low_f64(v), scale), low_f64(w)));
        const __m128 second = _mm256_cvtpd_ps(_mm256_mul_pd(_mm256_mul_pd(high_f64(v), scale), high_f64(w)));
        store_first(y + i, n - i, _mm256_set_m128(second, first));
    }
}

void rotary_head(float* x, const float* cosine, const float* sine, size_t half) {
    for (size_t i = 0; i < half; i += 8) {
        const size_t count = half - i;
        const __m256 c = load_first(cosine + i, count);
        const __m256 s = load_first(sine + i, count);
        const __m256 first = load_first(x + i, count);
        const __m256 second = load_first(x + half + i, count);
        store_first(x + i, count, _mm256_fmsub_ps(first, c, _mm256_mul_ps(second, s)));
        store_first(x + half + i, count, _mm256_fmadd_ps(second, c, _mm256_mul_ps(first, s)));
    }
}

void gated_silu(const float* gate, const float* up, float* y, size_t n) {
    for (size_t i = 0; i < n; i += 8) {
        const __m256 g = load_first(gate + i, n - i);
        const __m256 decay = exp_f32(_mm256_xor_ps(g, _mm256_set1_ps(-0.0f)));
        const __m256 silu = _mm256_div_ps(g, _mm256_add_ps(_mm256_set1_ps(1.0f), decay));
        store_first(y + i, n - i, _mm256_mul_ps(silu, load_first(up + i, n - i)));
    }
}

void add(const float* x, float* y, size_t n) {
    for (size_t i = 0; i < n; i += 8) store_first(y + i, n - i, _mm256_add_ps(load_first(y + i, n - i), load_first(x + i, n - i)));
}

float exp_sum(const float* x, float largest, float* y, size_t n) {
    // Added up in f64.
    const __m256 shift = _mm256_set1_ps(largest);
    __m256d low = _mm256_setzero_pd();
    __m256d high = _mm256_setzero_pd();
    for (size_t i = 0; i < n; i += 8) {
        const __m256 e = exp_f32(_mm256_sub_ps(load_first(x + i, n - i), shift));
        store_first(y + i, n - i, e);
        const __m256 counted = _mm256_and_ps(e, _mm256_castsi256_ps(first_lanes(n - i)));
        low = _mm256_add_pd(low, low_f64(counted));
        high = _mm256_add_pd(high, high_f64(counted));
    }
    return static_cast<float>(sum_lanes(_mm256_add_pd(low, high)));
}

float largest(const float* x, size_t n) {
    const __m256 none = _mm256_set1_ps(-__builtin_inff());
    __m256 most = none;
    __m256 nan = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i += 8) {
        const __m256 v = _mm256_blendv_ps(none, load_first(x + i, n - i), _mm256_castsi256_ps(first_lanes(n - i)));
        nan = _mm256_or_ps(nan, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
        most = _mm256_max_ps(most, v);
    }
    if (_mm256_movemask_ps(nan) != 0) return __builtin_nanf("");
    __m128 v = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
    v = _mm_max_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)));
}

double log_sum_exp(const float* x, size_t n) {
    const double most = largest(x, n);
    if (!__builtin_isfinite(most)) return most;
    const __m256d shift = _mm256_set1_pd(most);
    __m256d sum = _mm256_setzero_pd();
    for (size_t i = 0; i < n; i += 8) {
        const __m256 v = load_first(x + i, n - i);
        const __m256i counted = first_lanes(n - i);
        const __m256i low_mask = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(counted));
        const __m256i high_mask = _mm256_cvtepi32_epi64(_mm256_extracti128_si256(counted, 1));
        sum = _mm256_add_pd(sum, _mm256_and_pd(exp_f64(_mm256_sub_pd(low_f64(v), shift)), _mm256_castsi256_pd(low_mask)));
        sum = _mm256_add_pd(sum, _mm256_and_pd(exp_f64(_mm256_sub_pd(high_f64(v), shift)), _mm256_castsi256_pd(high_mask)));
    }
    return most + __builtin_log(sum_lanes(sum));
}

}  // namespace nq::cpu::avx2
