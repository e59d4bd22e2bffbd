// Rows of activations for the 8-bit product, bit for bit as the scalar folder quantizes them.
#include "cpu/avx2/functions.h"
#include "cpu/avx2/vector.h"

namespace nq::cpu::avx2 {

void quantize_activations(const float* x, size_t n, float row_absmax, const uint8_t* skip, uint8_t* codes) {
    const size_t padded = (n + 63) / 64 * 64;
    if (!(row_absmax > 0)) {
        memset(codes, 128, padded);
        return;
    }
    const __m256 scale = _mm256_set1_ps(127.0f / row_absmax), most = _mm256_set1_ps(65504.0f);
    for (size_t i = 0; i < n; i += 8) {
        const __m256 saturated = _mm256_max_ps(_mm256_min_ps(load_first(x + i, n - i), most), _mm256_sub_ps(_mm256_setzero_ps(), most));
        __m256i code = _mm256_cvtps_epi32(_mm256_mul_ps(through_f16(saturated), scale));
        if (skip != nullptr) {
            const __m256i flags = _mm256_cvtepu8_epi32(load_first_bytes(skip + i, n - i));
            code = _mm256_and_si256(code, _mm256_cmpeq_epi32(flags, _mm256_setzero_si256()));
        }
        code = _mm256_add_epi32(code, _mm256_set1_epi32(128));
        store_first_bytes(codes + i, n - i, narrow_to_bytes(code));
    }
    memset(codes + n, 128, padded - n);
}

}  // namespace nq::cpu::avx2
