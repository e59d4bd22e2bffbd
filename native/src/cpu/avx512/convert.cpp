// Conversions between f32 and the 16-bit types, any alignment.
#include <string.h>

#include "cpu/avx512/functions.h"
#include "cpu/avx512/vector.h"

namespace nq::cpu::avx512 {

void convert_to_f32(const void* source, nq_dtype dtype, float* destination, size_t n) {
    if (dtype == NQ_DTYPE_F32) {
        memcpy(destination, source, n * sizeof(float));
        return;
    }
    const char* half = static_cast<const char*>(source);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 lanes = first_lanes(n - i);
        const __m256i bits = _mm256_maskz_loadu_epi16(lanes, half + 2 * i);
        _mm512_mask_storeu_ps(destination + i, lanes, dtype == NQ_DTYPE_F16 ? _mm512_cvtph_ps(bits) : load_bf16(bits));
    }
}

void convert_from_f32(const float* source, void* destination, nq_dtype dtype, size_t n) {
    if (dtype == NQ_DTYPE_F32) {
        memcpy(destination, source, n * sizeof(float));
        return;
    }
    char* half = static_cast<char*>(destination);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 lanes = first_lanes(n - i);
        const __m512 x = _mm512_maskz_loadu_ps(lanes, source + i);
        const __m256i bits = dtype == NQ_DTYPE_F16 ? _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
                                                   : _mm512_cvtepi32_epi16(round_bf16(x));
        _mm256_mask_storeu_epi16(half + 2 * i, lanes, bits);
    }
}

void round_through(const float* source, nq_dtype dtype, float* destination, size_t n) {
    if (dtype == NQ_DTYPE_F32) {
        memmove(destination, source, n * sizeof(float));
        return;
    }
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 lanes = first_lanes(n - i);
        const __m512 x = _mm512_maskz_loadu_ps(lanes, source + i);
        _mm512_mask_storeu_ps(destination + i, lanes, dtype == NQ_DTYPE_F16 ? through_f16(x) : through_bf16(x));
    }
}

}  // namespace nq::cpu::avx512
