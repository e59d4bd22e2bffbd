// 8-lane pieces that several files share. Everything is static: a function compiled with AVX2 flags must never be the copy that the
// linker keeps for baseline code.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace nq::cpu::avx2 {

// Mask of the first n lanes, all 8 for n >= 8.
static inline __m256i first_lanes(size_t n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n >= 8 ? 8 : static_cast<int>(n)), lane);
}

// The first n floats, the rest 0; reads nothing past them.
static inline __m256 load_first(const float* x, size_t n) { return n >= 8 ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, first_lanes(n)); }

static inline void store_first(float* x, size_t n, __m256 value) {
    if (n >= 8)
        _mm256_storeu_ps(x, value);
    else
        _mm256_maskstore_ps(x, first_lanes(n), value);
}

// The first n of 8 bytes, or of 8 half-words, the rest 0; any alignment.
static inline __m128i load_first_bytes(const void* source, size_t n) {
    uint64_t bytes = 0;
    memcpy(&bytes, source, n >= 8 ? 8 : n);
    return _mm_cvtsi64_si128(static_cast<long long>(bytes));
}

static inline void store_first_bytes(void* destination, size_t n, __m128i value) {
    const long long bytes = _mm_cvtsi128_si64(value);
    memcpy(destination, &bytes, n >= 8 ? 8 : n);
}

static inline __m128i load_first_halves(const void* source, size_t n) {
    if (n >= 8) return _mm_loadu_si128(static_cast<const __m128i*>(source));
    alignas(16) uint16_t halves[8] = {};
    memcpy(halves, source, n * sizeof(uint16_t));
    return _mm_load_si128(reinterpret_cast<const __m128i*>(halves));
}

static inline void store_first_halves(void* destination, size_t n, __m128i value) {
    if (n >= 8) {
        _mm_storeu_si128(static_cast<__m128i*>(destination), value);
        return;
    }
    alignas(16) uint16_t halves[8];
    _mm_store_si128(reinterpret_cast<__m128i*>(halves), value);
    memcpy(destination, halves, n * sizeof(uint16_t));
}

// The low byte of each lane, in the low 8 bytes.
static inline __m128i narrow_to_bytes(__m256i lanes) {
    const __m256i low = _mm256_shuffle_epi8(lanes, _mm256_set1_epi32(0x0c080400));
    return _mm_unpacklo_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
}

static inline __m256 load_bf16(__m128i bits) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16)); }

// f32 bits rounded to bf16 (nearest, ties to even), in the low half of each lane. A NaN keeps its upper payload bits and is made quiet.
static inline __m256i round_bf16(__m256 x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
    const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(0x40));
    return _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
}

static inline __m256 through_bf16(__m256 x) { return _mm256_castsi256_ps(_mm256_slli_epi32(round_bf16(x), 16)); }

static inline __m256 through_f16(__m256 x) { return _mm256_cvtph_ps(_mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)); }

static inline __m256 magnitude(__m256 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }

static inline float sum_lanes(__m256 x) {
    __m128 v = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
}

static inline double sum_lanes(__m256d x) {
    const __m128d v = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
    return _mm_cvtsd_f64(_mm_add_sd(v, _mm_unpackhi_pd(v, v)));
}

static inline int32_t sum_lanes(__m256i x) {
    __m128i v = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    v = _mm_add_epi32(v, _mm_shuffle_epi32(v, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(v, _mm_shuffle_epi32(v, 0xb1)));
}

// 2^n for an integral -126 <= n <= 127.
static inline __m256 power_of_two(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

// e^x, within 2 ulp: 2^n e^r, |r| <= ln 2 / 2, e^r by its Taylor series to r^7 (remainder 5e-9). NaN stays NaN, overflow is infinity. 2^n
// is applied in two factors, so that results round into the subnormals and to zero.
static inline __m256 exp_f32(__m256 x) {
    const __m256 bounded = _mm256_max_ps(_mm256_set1_ps(-120.0f), _mm256_min_ps(_mm256_set1_ps(120.0f), x));
    const __m256 n = _mm256_round_ps(_mm256_mul_ps(bounded, _mm256_set1_ps(0x1.715476p+0f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0x1.62e4p-1f), bounded);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0x1.7f7d1cp-20f), r);
    __m256 p = _mm256_set1_ps(1.0f / 5040);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 720));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 120));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 24));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 6));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    const __m256i exponent = _mm256_cvtps_epi32(n);
    const __m256i half = _mm256_srai_epi32(exponent, 1);
    return _mm256_mul_ps(_mm256_mul_ps(p, power_of_two(half)), power_of_two(_mm256_sub_epi32(exponent, half)));
}

// e^x in f64 for x <= 0: the same with the series to r^12 (remainder 2e-16); below e^-700 it stays at that.
static inline __m256d exp_f64(__m256d x) {
    const __m256d bounded = _mm256_max_pd(_mm256_set1_pd(-700.0), x);
    const __m256d n =
        _mm256_round_pd(_mm256_mul_pd(bounded, _mm256_set1_pd(0x1.71547652b82fep+0)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256d r = _mm256_fnmadd_pd(n, _mm256_set1_pd(0x1.62e42fefa38p-1), bounded);
    r = _mm256_fnmadd_pd(n, _mm256_set1_pd(0x1.ef35793c7673p-45), r);
    double factorial = 479001600.0;  // 12!
    __m256d p = _mm256_set1_pd(1.0 / factorial);
    for (int i = 12; i > 0; --i) {
        factorial /= i;
        p = _mm256_fmadd_pd(p, r, _mm256_set1_pd(1.0 / factorial));
    }
    const __m256i exponent = _mm256_cvtepi32_epi64(_mm256_cvtpd_epi32(n));
    return _mm256_mul_pd(p, _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_add_epi64(exponent, _mm256_set1_epi64x(1023)), 52)));
}

}  // namespace nq::cpu::avx2
