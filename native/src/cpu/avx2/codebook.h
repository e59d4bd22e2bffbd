// Lookups in a 4-bit codebook as f32. 16 of them do not fit one 256-bit permute: two permutes of 8 entries, chosen between by the code's
// top bit, seven micro-operations for 8 weights with the multiply-add.
#pragma once

#include "cpu/avx2/vector.h"

namespace nq::cpu::avx2 {

struct codebook_halves {
    __m256 low;
    __m256 high;
};

static inline codebook_halves load_codebook(const float* codebook) { return {_mm256_loadu_ps(codebook), _mm256_loadu_ps(codebook + 8)}; }

// Weight of column 8j + i, unscaled, of 8 rows, from their dwords of columns 8j .. 8j + 7.
template <int i>
static inline __m256 lookup(__m256i codes, const codebook_halves& codebook) {
    constexpr int shift = i % 2 * 16 + i / 2 * 4;
    const __m256i index = _mm256_srli_epi32(codes, shift);  // a permute reads the low three bits
    const __m256 top = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28 - shift));
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(codebook.low, index), _mm256_permutevar8x32_ps(codebook.high, index), top);
}

// sum[row][half] += weight(column i) * x[row][k + i] for the eight columns of one vector of 16 rows.
template <int rows, int i = 0>
static inline void multiply_columns(__m256i low, __m256i high, const codebook_halves& codebook, const float* const (&x)[rows], size_t k,
                                    __m256 (&sum)[rows][2]) {
    if constexpr (i < 8) {
        const __m256 w0 = lookup<i>(low, codebook);
        const __m256 w1 = lookup<i>(high, codebook);
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r) {
            const __m256 xk = _mm256_set1_ps(x[r][k + i]);
            sum[r][0] = _mm256_fmadd_ps(w0, xk, sum[r][0]);
            sum[r][1] = _mm256_fmadd_ps(w1, xk, sum[r][1]);
        }
        multiply_columns<rows, i + 1>(low, high, codebook, x, k, sum);
    }
}

}  // namespace nq::cpu::avx2
