// Quantizers and dequantizers, bit for bit as formats/quantizers.h defines them: products, quotients and comparisons in the same order,
// nothing fused.
#include "cpu/avx512/functions.h"
#include "cpu/avx512/vector.h"
#include "formats/quantizers.h"

namespace nq::cpu::avx512 {
namespace {

constexpr uint32_t magnitude_bits = 0x7fffffff;
constexpr uint32_t infinity_bits = 0x7f800000;

// Bits of |x|: as integers they order like the numbers, with infinity and then NaN on top.
__m512i magnitude(__m512 x) { return _mm512_and_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(magnitude_bits)); }

float float_of(uint32_t bits) { return __builtin_bit_cast(float, bits); }

// y = x * (1 / absmax), x / absmax where the reciprocal overflows, 0 in a block of zeros.
class block_scale {
public:
    explicit block_scale(float absmax)
        : absmax_(_mm512_set1_ps(absmax)),
          reciprocal_(_mm512_set1_ps(1.0f / absmax)),
          zero_(absmax == 0.0f),
          divide_(1.0f / absmax > 0x1.fffffep+127f) {}

    __m512 apply(__m512 x) const {
        if (zero_) return _mm512_setzero_ps();
        return divide_ ? _mm512_div_ps(x, absmax_) : _mm512_mul_ps(x, reciprocal_);
    }

private:
    __m512 absmax_;
    __m512 reciprocal_;
    bool zero_;
    bool divide_;
};

// 16 codes of packed bytes, high nibble first.
__m512i unpack(__m128i bytes) {
    const __m128i low_nibbles = _mm_set1_epi8(15);
    const __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), low_nibbles);
    return _mm512_cvtepu8_epi32(_mm_unpacklo_epi8(high, _mm_and_si128(bytes, low_nibbles)));
}

}  // namespace

float absmax(const float* x, size_t n) {
    __m512i most = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += 16) most = _mm512_max_epu32(most, magnitude(_mm512_maskz_loadu_ps(first_lanes(n - i), x + i)));
    return float_of(_mm512_reduce_max_epu32(most));
}

void dequantize_4bit(const uint8_t* packed, size_t first, size_t n, const float* codebook, const float* absmax, uint32_t blocksize,
                     float* values) {
    const __m512 table = _mm512_loadu_ps(codebook);
    const size_t end = first + n;
    size_t element = first;
    while (element < end) {
        const size_t block = element / blocksize;
        const float scale = absmax[block];
        const size_t block_end = (block + 1) * blocksize < end ? (block + 1) * blocksize : end;
        if (element % 2 == 1) {
            *values++ = codebook[packed[element / 2] & 15] * scale;
            ++element;
        }
        while (element < block_end) {
            const size_t count = block_end - element < 16 ? block_end - element : 16;
            const __mmask16 bytes = static_cast<__mmask16>((1u << ((count + 1) / 2)) - 1u);
            const __m512i codes = unpack(_mm_maskz_loadu_epi8(bytes, packed + element / 2));
            _mm512_mask_storeu_ps(values, first_lanes(count), _mm512_mul_ps(_mm512_permutexvar_ps(codes, table), _mm512_set1_ps(scale)));
            values += count;
            element += count;
        }
    }
}

void quantize_8bit_block(const float* x, size_t n, float absmax, const formats::map_search& search, uint8_t* codes) {
    using formats::map_search;
    if (!search.exact()) {
        const formats::block_scale scale(absmax);
        for (size_t i = 0; i < n; ++i) codes[i] = formats::nearest_code_8bit(scale.apply(x[i]), search.map());
        return;
    }
    const block_scale scale(absmax);
    const __m512i first = _mm512_set1_epi32(map_search::first_cell), last = _mm512_set1_epi32(map_search::last_cell);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 lanes = first_lanes(n - i);
        const __m512i y = _mm512_castps_si512(scale.apply(_mm512_maskz_loadu_ps(lanes, x + i)));
        const __mmask16 negative = _mm512_movepi32_mask(y);
        const __m512i upper = _mm512_srli_epi32(_mm512_and_epi32(y, _mm512_set1_epi32(magnitude_bits)), 16);
        const __m512i positive_cell = _mm512_sub_epi32(_mm512_min_epi32(_mm512_max_epi32(upper, first), last), first);
        const __m512i cell = _mm512_mask_add_epi32(positive_cell, negative, positive_cell, _mm512_set1_epi32(map_search::cells_per_sign));
        const __m512i entry = _mm512_i32gather_epi32(cell, search.cells(), 4);
        const __m512i lower = _mm512_and_epi32(y, _mm512_set1_epi32(0xffff));
        const __mmask16 beyond = _mm512_cmpge_epu32_mask(lower, _mm512_srli_epi32(entry, 8));
        const __m512i code = _mm512_mask_add_epi32(entry, _kxor_mask16(beyond, negative), entry, _mm512_set1_epi32(1));
        _mm_mask_storeu_epi8(codes + i, lanes, _mm512_cvtepi32_epi8(code));
    }
}

void dequantize_8bit_block(const uint8_t* codes, size_t n, const float* map, float absmax, float* values) {
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 lanes = first_lanes(n - i);
        const __m512i code = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, codes + i));
        _mm512_mask_storeu_ps(values + i, lanes, _mm512_mul_ps(_mm512_i32gather_ps(code, map, 4), _mm512_set1_ps(absmax)));
    }
}

float int8_row_absmax(const float* x, size_t n, float threshold, uint8_t* outlier_columns) {
    if (!(threshold > 0)) {
        const float most = absmax(x, n);
        return most < float_of(infinity_bits) ? most : __builtin_nanf("");
    }
    __m512i most[4] = {};
    for (size_t i = 0; i < n; i += 64) {
        __mmask64 outliers = 0;
        for (size_t v = 0; v < 4; ++v) {
            const __mmask16 lanes = n - i > 16 * v ? first_lanes(n - i - 16 * v) : 0;
            const __m512i size = magnitude(_mm512_maskz_loadu_ps(lanes, x + i + 16 * v));
            const __mmask16 below = _mm512_cmp_ps_mask(_mm512_castsi512_ps(size), _mm512_set1_ps(threshold), _CMP_LT_OQ);
            most[v] = _mm512_mask_max_epu32(most[v], below, most[v], size);
            outliers |= static_cast<__mmask64>(static_cast<__mmask16>(lanes & ~below)) << (16 * v);
        }
        if (outliers != 0) _mm512_mask_storeu_epi8(outlier_columns + i, outliers, _mm512_set1_epi8(1));
    }
    return float_of(_mm512_reduce_max_epu32(_mm512_max_epu32(_mm512_max_epu32(most[0], most[1]), _mm512_max_epu32(most[2], most[3]))));
}

void int8_quantize_row(const float* x, size_t n, float row_absmax, float threshold, const uint8_t* skip, int8_t* codes) {
    const __mmask16 usable = row_absmax > 0 ? 0xffff : 0;
    const __m512 scale = _mm512_set1_ps(127.0f / row_absmax);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 lanes = first_lanes(n - i);
        const __m512 value = _mm512_maskz_loadu_ps(lanes, x + i);
        const __m512 scaled = _mm512_mul_ps(value, scale);
        __mmask16 kept = usable & _mm512_cmp_ps_mask(scaled, scaled, _CMP_ORD_Q);
        if (threshold > 0) kept &= _mm512_cmp_ps_mask(_mm512_abs_ps(value), _mm512_set1_ps(threshold), _CMP_LT_OQ);
        if (skip != nullptr) kept &= ~_mm_mask_test_epi8_mask(lanes, _mm_maskz_loadu_epi8(lanes, skip + i), _mm_set1_epi8(-1));
        const __m512 bounded = _mm512_min_ps(_mm512_max_ps(scaled, _mm512_set1_ps(-127.0f)), _mm512_set1_ps(127.0f));
        const __m512i code = _mm512_maskz_cvtps_epi32(kept, bounded);
        _mm_mask_storeu_epi8(codes + i, lanes, _mm512_cvtepi32_epi8(code));
    }
}

}  // namespace nq::cpu::avx512
