// 4-bit weights rounded through the compute type: codebook[code] * absmax to the nearest number of T, ties to even.
#pragma once

#include "cpu/avx512/vector.h"
#include "nativequant/nativequant.h"

namespace nq::cpu::avx512 {

namespace {

// Any value or, if `normal`, zero and magnitudes within the normal numbers of T, in two operations: w - 2^s w, s the bits to drop, is
// rounded to a multiple of T's unit at w, and adding 2^s w again is exact. At a tie 2^s w is an even multiple, so that ties stay what they
// are. Where w - 2^s w falls into the binade below, with half the unit, w is so near a power of two that it gives that power all the same.
// (The split of Dekker, "A floating-point technique for extending the available precision", 1971, has 2^s w + w there, which is wrong for
// some w just below a power of two.)
template <nq_dtype type, bool normal>
inline __m512 round_weight(__m512 w) {
    if constexpr (type == NQ_DTYPE_F32) return w;
    if constexpr (normal) {
        constexpr float scale = type == NQ_DTYPE_BF16 ? 0x1p16f : 0x1p13f;
        return _mm512_fmadd_ps(w, _mm512_set1_ps(scale), _mm512_mul_ps(w, _mm512_set1_ps(1 - scale)));
    }
    return type == NQ_DTYPE_BF16 ? through_bf16(w) : through_f16(w);
}

// The absmax for which all weights of a codebook are zero or normal numbers of T.
template <nq_dtype type>
class normal_absmax {
public:
    explicit normal_absmax(__m512 codebook) {
        const __m512 magnitude = _mm512_abs_ps(codebook);
        const __mmask16 nonzero = _mm512_cmp_ps_mask(magnitude, _mm512_setzero_ps(), _CMP_NEQ_UQ);
        // A little more than the least, since the bounds are rounded too; 2^s times the largest is finite.
        constexpr float least = type == NQ_DTYPE_BF16 ? 0x1.01p-126f : 0x1.01p-14f, most = type == NQ_DTYPE_BF16 ? 0x1p110f : 0x1p15f;
        low_ = _mm512_set1_ps(least / _mm512_mask_reduce_min_ps(nonzero, magnitude));
        high_ = _mm512_set1_ps(most / _mm512_reduce_max_ps(magnitude));
    }

    bool contains(__m512 absmax) const {
        if constexpr (type == NQ_DTYPE_F32) return true;
        const __mmask16 zero = _mm512_cmp_ps_mask(absmax, _mm512_setzero_ps(), _CMP_EQ_OQ);
        const __mmask16 low = _mm512_cmp_ps_mask(absmax, low_, _CMP_GE_OQ);
        return _kortestc_mask16_u8(zero, _mm512_mask_cmp_ps_mask(low, absmax, high_, _CMP_LE_OQ)) != 0;
    }

private:
    __m512 low_;
    __m512 high_;
};

}  // namespace

}  // namespace nq::cpu::avx512
