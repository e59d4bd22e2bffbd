// Conversions between f32 and the 16-bit types, any alignment.
#include "cpu/avx2/functions.h"
#include "cpu/avx2/vector.h"

namespace nq::cpu::avx2 {

void convert_to_f32(const void* source, nq_dtype dtype, float* destination, size_t n) {
    if (dtype == NQ_DTYPE_F32) {
        memcpy(destination, source, n * sizeof(float));
        return;
    }
    const char* half = static_cast<const char*>(source);
    for (size_t i = 0; i < n; i += 8) {
        const __m128i bits = load_first_halves(half + 2 * i, n - i);
        store_first(destination + i, n - i, dtype == NQ_DTYPE_F16 ? _mm256_cvtph_ps(bits) : load_bf16(bits));
    }
}

void convert_from_f32(const float* source, void* destination, nq_dtype dtype, size_t n) {
    if (dtype == NQ_DTYPE_F32) {
        memcpy(destination, source, n * sizeof(float));
        return;
    }
    char* half = static_cast<char*>(destination);
    for (size_t i = 0; i < n; i += 8) {
        const __m256 x = load_first(source + i, n - i);
        __m128i bits;
        if (dtype == NQ_DTYPE_F16) {
            bits = _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        } else {
            const __m256i lanes = round_bf16(x);
            bits = _mm_packus_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
        }
        store_first_halves(half + 2 * i, n - i, bits);
    }
}

void round_through(const float* source, nq_dtype dtype, float* destination, size_t n) {
    if (dtype == NQ_DTYPE_F32) {
        memmove(destination, source, n * sizeof(float));
        return;
    }
    for (size_t i = 0; i < n; i += 8) {
        const __m256 x = load_first(source + i, n - i);
        store_first(destination + i, n - i, dtype == NQ_DTYPE_F16 ? through_f16(x) : through_bf16(x));
    }
}

}  // namespace nq::cpu::avx2
