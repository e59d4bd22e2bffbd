// 16-lane pieces that several files share. Everything is static: a function compiled with AVX-512 flags must never be the copy
// that the linker keeps for baseline code.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace nq::cpu::avx512 {

// The first n lanes, all 16 for n >= 16.
static inline __mmask16 first_lanes(size_t n) { return static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << n) - 1u); }

static inline __m512 load_bf16(__m256i bits) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16)); }

// f32 bits rounded to bf16 (nearest, ties to even), in the low half of each lane. A NaN keeps its upper payload bits and is made quiet.
static inline __m512i round_bf16(__m512 x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_epi32(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_mask_or_epi32(rounded, nan, _mm512_srli_epi32(bits, 16), _mm512_set1_epi32(0x40));
}

static inline __m512 through_bf16(__m512 x) { return _mm512_castsi512_ps(_mm512_slli_epi32(round_bf16(x), 16)); }

static inline __m512 through_f16(__m512 x) { return _mm512_cvtph_ps(_mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)); }

// What was read before is read anew: left to itself GCC 12 takes what a loop's turns have in common, dozens of broadcast values, out of the
// loop, spills it and broadcasts it on port 5.
static inline void keep_in_memory() { __asm__ volatile("" ::: "memory"); }

// e^x, within 2 ulp: 2^n e^r, |r| <= ln 2 / 2, e^r by its Taylor series to r^7 (remainder 5e-9). NaN stays NaN, overflow is infinity,
// and scalef rounds into the subnormals and to zero.
static inline __m512 exp_f32(__m512 x) {
    const __m512 bounded = _mm512_max_ps(_mm512_set1_ps(-120.0f), _mm512_min_ps(_mm512_set1_ps(120.0f), x));
    const __m512 n =
        _mm512_roundscale_ps(_mm512_mul_ps(bounded, _mm512_set1_ps(0x1.715476p+0f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.62e4p-1f), bounded);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.7f7d1cp-20f), r);
    __m512 p = _mm512_set1_ps(1.0f / 5040);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 720));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, n);
}

// e^x in f64 for x <= 0: the same with the series to r^12 (remainder 2e-16).
static inline __m512d exp_f64(__m512d x) {
    const __m512d bounded = _mm512_max_pd(_mm512_set1_pd(-750.0), x);
    const __m512d n =
        _mm512_roundscale_pd(_mm512_mul_pd(bounded, _mm512_set1_pd(0x1.71547652b82fep+0)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512d r = _mm512_fnmadd_pd(n, _mm512_set1_pd(0x1.62e42fefa38p-1), bounded);
    r = _mm512_fnmadd_pd(n, _mm512_set1_pd(0x1.ef35793c7673p-45), r);
    double factorial = 479001600.0;  // 12!
    __m512d p = _mm512_set1_pd(1.0 / factorial);
    for (int i = 12; i > 0; --i) {
        factorial /= i;
        p = _mm512_fmadd_pd(p, r, _mm512_set1_pd(1.0 / factorial));
    }
    return _mm512_scalef_pd(p, n);
}

}  // namespace nq::cpu::avx512
