// x in bf16 parts for the tiles (activations_bf16).
#include "cpu/amx/functions.h"
#include "cpu/avx512/vector.h"

namespace nq::cpu::amx::NQ_TILES {

// x = high + middle + low, each the rest rounded to bf16. 24 bits of x go into three times 8 with a sign each; the rests are exact.
bool split_row(const float* x, size_t columns, size_t row, const activations_bf16& to, uint16_t* data) {
    __m512i largest = _mm512_setzero_si512();
    for (size_t k = 0; k < to.columns; k += tile_block_columns) {
        const size_t width = block_width(to, k);
        uint16_t* high = data + k * to.parts * to.rows + row * width;
        for (size_t i = 0; i < width; i += 16) {
            const __mmask16 lanes = avx512::first_lanes(columns > k + i ? columns - k - i : 0);
            __m512 rest = _mm512_maskz_loadu_ps(lanes, x + k + i);
            largest = _mm512_max_epu32(largest, _mm512_and_si512(_mm512_castps_si512(rest), _mm512_set1_epi32(0x7fffffff)));
            for (size_t part = 0; part < to.parts; ++part) {
                const __m512i rounded = avx512::round_bf16(rest);
                _mm256_storeu_si256(reinterpret_cast<__m256i*>(high + part * to.rows * width + i), _mm512_cvtepi32_epi16(rounded));
                rest = _mm512_sub_ps(rest, _mm512_castsi512_ps(_mm512_slli_epi32(rounded, 16)));
            }
        }
    }
    const uint32_t bits = _mm512_reduce_max_epu32(largest);
    constexpr uint32_t least = (127u - 60) << 23, most = (127u + 120) << 23;
    return to.parts == 1 || bits == 0 || (bits >= least && bits <= most);
}

}  // namespace nq::cpu::amx::NQ_TILES
