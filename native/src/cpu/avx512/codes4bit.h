// From values to 4-bit codes, bit for bit as formats/quantizers.h defines it: products, quotients and comparisons in the same order,
// nothing fused that decides a code. A vector holds the even or the odd ones of 32 values, so that two codes meet in one dword without a
// shuffle.
#pragma once

#include "cpu/avx512/functions.h"
#include "cpu/avx512/vector.h"
#include "formats/code_cells.h"
#include "formats/half.h"

namespace nq::cpu::avx512 {

static constexpr float infinity = __builtin_inff();

template <nq_dtype dtype>
constexpr size_t size_of = dtype == NQ_DTYPE_F32 ? 4 : 2;

struct value_pairs {
    __m512 even, odd;
};

static inline __mmask32 first_words(size_t n) { return n >= 32 ? 0xffffffffu : (1u << n) - 1u; }

// 32 values, zeros past n. Loads without a mask where it is not needed cost one micro-operation less.
template <nq_dtype dtype>
static inline value_pairs load_pairs(const char* source, size_t n) {
    if constexpr (dtype == NQ_DTYPE_F32) {
        const float* x = reinterpret_cast<const float*>(source);
        const __m512 low = n >= 16 ? _mm512_loadu_ps(x) : _mm512_maskz_loadu_ps(first_lanes(n), x);
        const __m512 high = n >= 32 ? _mm512_loadu_ps(x + 16) : _mm512_maskz_loadu_ps(n > 16 ? first_lanes(n - 16) : 0, x + 16);
        const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        return {_mm512_permutex2var_ps(low, even, high), _mm512_permutex2var_ps(low, _mm512_add_epi32(even, _mm512_set1_epi32(1)), high)};
    } else {
        const __m512i words = n >= 32 ? _mm512_loadu_si512(source) : _mm512_maskz_loadu_epi16(first_words(n), source);
        if constexpr (dtype == NQ_DTYPE_BF16) {
            return {_mm512_castsi512_ps(_mm512_slli_epi32(words, 16)),
                    _mm512_castsi512_ps(_mm512_and_epi32(words, _mm512_set1_epi32(static_cast<int>(0xffff0000))))};
        } else {
            return {_mm512_cvtph_ps(_mm512_cvtepi32_epi16(words)), _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(words, 16)))};
        }
    }
}

// Largest |x|; not finite if a value is not. Magnitudes order like their bits; those of 16 bits are reduced as such.
template <nq_dtype dtype>
static inline float largest(const char* source, size_t n) {
    if constexpr (dtype == NQ_DTYPE_F32) {
        return absmax(reinterpret_cast<const float*>(source), n);
    } else {
        const __m512i magnitude = _mm512_set1_epi16(0x7fff);
        __m512i most = _mm512_setzero_si512();
        size_t i = 0;
        for (; i + 32 <= n; i += 32) most = _mm512_max_epu16(most, _mm512_and_si512(_mm512_loadu_si512(source + 2 * i), magnitude));
        if (i < n) most = _mm512_max_epu16(most, _mm512_and_si512(_mm512_maskz_loadu_epi16(first_words(n - i), source + 2 * i), magnitude));
        const __m256i half = _mm256_max_epu16(_mm512_castsi512_si256(most), _mm512_extracti64x4_epi64(most, 1));
        const __m128i quarter = _mm_max_epu16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
        const __m128i least = _mm_minpos_epu16(_mm_xor_si128(quarter, _mm_set1_epi16(-1)));  // there is no instruction for the largest
        const uint16_t bits = static_cast<uint16_t>(~_mm_cvtsi128_si32(least));
        return dtype == NQ_DTYPE_BF16 ? formats::f32_from_bf16(bits) : _cvtsh_ss(bits);
    }
}

// y of a block: times the reciprocal of absmax, or divided by absmax where that overflows.
template <bool divide>
static inline __m512 scaled(__m512 x, __m512 factor) {
    return divide ? _mm512_div_ps(x, factor) : _mm512_mul_ps(x, factor);
}

// The cell of y as the low bits of a float: 1.5 * 2^23 has an ulp of 1.
static inline __m512i cell(__m512 y, __m512 scale) { return _mm512_castps_si512(_mm512_fmadd_ps(y, scale, _mm512_set1_ps(0x1.8p+23f))); }

class cell_search {
public:
    explicit cell_search(const formats::code_cells& cells)
        : low_(_mm512_loadu_ps(cells.threshold)),
          high_(_mm512_loadu_ps(cells.threshold + 16)),
          below_(_mm512_loadu_si512(cells.below)),
          scale_(_mm512_set1_ps(cells.scale)) {}

    // Number of thresholds below each y: of the even ones in the low half-words, of the odd ones in the high.
    __m512i count(__m512 even, __m512 odd) const {
        const __m512i even_cell = cell(even, scale_), odd_cell = cell(odd, scale_);
        const __mmask16 even_above = _mm512_cmp_ps_mask(_mm512_permutex2var_ps(low_, even_cell, high_), even, _CMP_LT_OQ);
        const __mmask16 odd_above = _mm512_cmp_ps_mask(_mm512_permutex2var_ps(low_, odd_cell, high_), odd, _CMP_LT_OQ);
        const __m512i cells = _mm512_mask_blend_epi16(0xaaaaaaaa, even_cell, _mm512_slli_epi32(odd_cell, 16));
        const __m512i below = _mm512_permutexvar_epi16(cells, below_);
        const __m512i with_even = _mm512_mask_add_epi32(below, even_above, below, _mm512_set1_epi32(1));
        return _mm512_mask_add_epi32(with_even, odd_above, with_even, _mm512_set1_epi32(0x10000));
    }

private:
    __m512 low_, high_;
    __m512i below_;
    __m512 scale_;
};

struct nf4 {
    cell_search search{formats::nf4_cells};

    __m512i codes(__m512 even, __m512 odd) const { return search.count(even, odd); }
};

struct fp4 {
    cell_search search{formats::fp4_cells};
    __m512i magnitude_codes = _mm512_broadcast_i32x4(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(formats::fp4_magnitude_codes)));

    __m512i codes(__m512 even, __m512 odd) const {
        const __m512i magnitudes = _mm512_shuffle_epi8(magnitude_codes, search.count(_mm512_abs_ps(even), _mm512_abs_ps(odd)));
        const __mmask16 even_negative = _mm512_cmp_ps_mask(even, _mm512_setzero_ps(), _CMP_LT_OQ);
        const __mmask16 odd_negative = _mm512_cmp_ps_mask(odd, _mm512_setzero_ps(), _CMP_LT_OQ);
        const __m512i with_even = _mm512_mask_or_epi32(magnitudes, even_negative, magnitudes, _mm512_set1_epi32(8));
        return _mm512_mask_or_epi32(with_even, odd_negative, with_even, _mm512_set1_epi32(0x80000));
    }
};

// reciprocals[b] = 1 / absmax[b], 0 for a block of zeros, whose codes are then those of 0; true if all of them are of use.
static inline bool invert(const float* absmax, size_t n, float* reciprocals) {
    bool usable = true;
    for (size_t b = 0; b < n; b += 16) {
        const __mmask16 lanes = first_lanes(n - b);
        const __m512 most = _mm512_mask_loadu_ps(_mm512_set1_ps(1.0f), lanes, absmax + b);
        const __mmask16 not_zero = _mm512_cmp_ps_mask(most, _mm512_setzero_ps(), _CMP_NEQ_UQ);
        const __m512 reciprocal = _mm512_maskz_div_ps(not_zero, _mm512_set1_ps(1.0f), most);
        _mm512_mask_storeu_ps(reciprocals + b, lanes, reciprocal);
        const __m512 limit = _mm512_set1_ps(infinity);
        usable &= (_mm512_cmp_ps_mask(most, limit, _CMP_LT_OQ) & _mm512_cmp_ps_mask(reciprocal, limit, _CMP_LT_OQ)) == 0xffff;
    }
    return usable;
}

}  // namespace nq::cpu::avx512
