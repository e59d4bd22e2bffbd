// absmax of 4-bit panels, plain or nested.
#pragma once

#include "cpu/avx512/vector.h"
#include "cpu/panels.h"

namespace nq::cpu::avx512 {

namespace {

// absmax of the 16 rows of one panel, group by group.
class panel_scales {
public:
    panel_scales() = default;
    panel_scales(const panels4bit& weights, size_t panel) : weights_(&weights), groups_(weights.columns / weights.blocksize) {
        const size_t first = panel * 16 * groups_;
        plain_ = weights.absmax == nullptr ? nullptr : weights.absmax + first;
        if (plain_ != nullptr) return;
        codes_ = weights.absmax_codes + first;
        // Nested block of (lane, group) = (first + lane * groups + group) / nested_blocksize, counted from the panel's first one.
        const size_t first_block = first / weights.nested_blocksize;
        nested_absmax_ = weights.nested_absmax + first_block;
        const uint32_t rest = static_cast<uint32_t>(first - first_block * weights.nested_blocksize);
        const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        row_start_ = _mm512_add_epi32(_mm512_mullo_epi32(lane, _mm512_set1_epi32(static_cast<int>(groups_))),
                                      _mm512_set1_epi32(static_cast<int>(rest)));
        lanes_ = first_lanes(weights.rows - panel * 16);
    }

    __m512 at(size_t group) {
        if (plain_ != nullptr) return _mm512_load_ps(plain_ + group * 16);
        if (group < segment_begin_ || group >= segment_end_) start_segment(group);
        const __m512i codes = _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(codes_ + group * 16)));
        return _mm512_add_ps(_mm512_mul_ps(lookup(codes), nested_), _mm512_set1_ps(weights_->nested_offset));
    }

private:
    // 16 map entries at once: each permute has 32 of them, and the three upper bits choose among eight permutes. A quarter of the time of
    // loads of each entry, or of a gather.
    __m512 lookup(__m512i codes) const {
        __m512 entry[8];
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
            const float* map = weights_->nested_map + 32 * i;
            entry[i] = _mm512_permutex2var_ps(_mm512_loadu_ps(map), codes, _mm512_loadu_ps(map + 16));
        }
        const auto choose = [&](int bit, __m512 clear, __m512 set) {
            return _mm512_mask_mov_ps(clear, _mm512_test_epi32_mask(codes, _mm512_set1_epi32(bit)), set);
        };
        const __m512 low = choose(64, choose(32, entry[0], entry[1]), choose(32, entry[2], entry[3]));
        const __m512 high = choose(64, choose(32, entry[4], entry[5]), choose(32, entry[6], entry[7]));
        return choose(128, low, high);
    }

    // The nested absmax of each lane, good until the first group where a lane enters its next nested block.
    void start_segment(size_t group) {
        const __m512i position = _mm512_add_epi32(row_start_, _mm512_set1_epi32(static_cast<int>(group)));
        const __m512i block = divide(position, weights_->nested_blocksize);
        // Loads of their own: a gather is much slower where the processor's microcode guards it.
        alignas(64) uint32_t blocks[16];
        alignas(64) float absmax[16];
        _mm512_store_si512(blocks, _mm512_maskz_mov_epi32(lanes_, block));
        for (int lane = 0; lane < 16; ++lane) absmax[lane] = nested_absmax_[blocks[lane]];
        nested_ = _mm512_load_ps(absmax);
        const __m512i next = _mm512_mullo_epi32(_mm512_add_epi32(block, _mm512_set1_epi32(1)),
                                                _mm512_set1_epi32(static_cast<int>(weights_->nested_blocksize)));
        segment_begin_ = group;
        segment_end_ = group + _mm512_reduce_min_epu32(_mm512_sub_epi32(next, position));
    }

    static __m512i divide(__m512i position, uint32_t size) {
        if ((size & (size - 1)) == 0) return _mm512_srl_epi32(position, _mm_cvtsi32_si128(__builtin_ctz(size)));
        const __m512d divisor = _mm512_set1_pd(size);
        // Exact: a quotient of integers below 2^32 is further from the next integer than an f64 rounding.
        const __m256i low = _mm512_cvttpd_epu32(_mm512_div_pd(_mm512_cvtepu32_pd(_mm512_castsi512_si256(position)), divisor));
        const __m256i high = _mm512_cvttpd_epu32(_mm512_div_pd(_mm512_cvtepu32_pd(_mm512_extracti64x4_epi64(position, 1)), divisor));
        return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    }

    const panels4bit* weights_ = nullptr;
    size_t groups_ = 0;
    const float* plain_ = nullptr;
    const uint8_t* codes_ = nullptr;
    const float* nested_absmax_ = nullptr;
    __m512i row_start_ = _mm512_setzero_si512();
    __m512 nested_ = _mm512_setzero_ps();
    size_t segment_begin_ = 0;
    size_t segment_end_ = 0;
    __mmask16 lanes_ = 0;
};

}  // namespace

}  // namespace nq::cpu::avx512
