// Rows of activations for the 8-bit product, bit for bit as the scalar folder quantizes them.
#include "cpu/avx512/functions.h"
#include "cpu/avx512/vector.h"

namespace nq::cpu::avx512 {
namespace {

// 64 codes from the rounded products in four vectors: the packs work within 128-bit lanes, the permutation puts their dwords in order.
__m512i pack_codes(const __m512i (&codes)[4]) {
    const __m512i words0 = _mm512_packs_epi32(codes[0], codes[1]), words1 = _mm512_packs_epi32(codes[2], codes[3]);
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, _mm512_packs_epi16(words0, words1));
}

}  // namespace

void quantize_activations(const float* x, size_t n, float row_absmax, const uint8_t* skip, uint8_t* codes) {
    const __m512i offset = _mm512_set1_epi8(-128);
    const __mmask64 usable = row_absmax > 0 ? ~__mmask64{0} : 0;
    const __m512 scale = _mm512_set1_ps(127.0f / row_absmax), most = _mm512_set1_ps(65504.0f), least = _mm512_set1_ps(-65504.0f);
    for (size_t i = 0; i < n; i += 64) {
        const __mmask64 lanes = n - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (n - i)) - 1;
        __m512i code[4];
        for (size_t v = 0; v < 4; ++v) {
            const __m512 value = _mm512_maskz_loadu_ps(static_cast<__mmask16>(lanes >> (16 * v)), x + i + 16 * v);
            const __m512 saturated = _mm512_max_ps(_mm512_min_ps(value, most), least);
            code[v] = _mm512_cvtps_epi32(_mm512_mul_ps(through_f16(saturated), scale));
        }
        __mmask64 kept = usable;
        if (skip != nullptr) kept &= ~_mm512_mask_test_epi8_mask(lanes, _mm512_maskz_loadu_epi8(lanes, skip + i), _mm512_set1_epi8(-1));
        _mm512_storeu_si512(codes + i, _mm512_xor_si512(_mm512_maskz_mov_epi8(kept, pack_codes(code)), offset));
    }
}

}  // namespace nq::cpu::avx512
