// absmax of 4-bit panels, plain or nested. The counterpart of avx512/panel_scales.h.
#pragma once

#include "cpu/avx2/vector.h"
#include "cpu/panels.h"

namespace nq::cpu::avx2 {

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
        rest_ = first - first_block * weights.nested_blocksize;
        const size_t left = weights.rows - panel * 16;
        lanes_ = left < 16 ? left : 16;
    }

    // Rows 0 .. 7 and 8 .. 15.
    void load(size_t group, __m256 (&absmax)[2]) {
        if (plain_ != nullptr) {
            absmax[0] = _mm256_load_ps(plain_ + group * 16);
            absmax[1] = _mm256_load_ps(plain_ + group * 16 + 8);
            return;
        }
        if (group < segment_begin_ || group >= segment_end_) start_segment(group);
        // Loads of their own: a gather is much slower where the processor's microcode guards it.
        const uint8_t* codes = codes_ + group * 16;
        alignas(32) float value[16];
#pragma GCC unroll 16
        for (int lane = 0; lane < 16; ++lane) value[lane] = weights_->nested_map[codes[lane]];
        const __m256 offset = _mm256_set1_ps(weights_->nested_offset);
        for (int half = 0; half < 2; ++half)
            absmax[half] = _mm256_add_ps(_mm256_mul_ps(_mm256_load_ps(value + 8 * half), _mm256_load_ps(nested_ + 8 * half)), offset);
    }

private:
    // The nested absmax of each lane, good until the first group where a lane enters its next nested block.
    void start_segment(size_t group) {
        const __m256d size = _mm256_set1_pd(weights_->nested_blocksize);
        const __m256d reciprocal = _mm256_div_pd(_mm256_set1_pd(1.0), size);
        const __m256d groups = _mm256_set1_pd(static_cast<double>(groups_));
        // The middle of a position: its quotient is further from any integer than rounding takes it.
        __m256d position =
            _mm256_add_pd(_mm256_mul_pd(_mm256_setr_pd(0, 1, 2, 3), groups), _mm256_set1_pd(static_cast<double>(rest_ + group) + 0.5));
        __m256d nearest = size;
        alignas(16) int32_t block[16];
        for (int quad = 0; quad < 4; ++quad) {
            const __m128i index = _mm256_cvttpd_epi32(_mm256_mul_pd(position, reciprocal));
            _mm_store_si128(reinterpret_cast<__m128i*>(block + 4 * quad), index);
            const __m256d next = _mm256_mul_pd(_mm256_add_pd(_mm256_cvtepi32_pd(index), _mm256_set1_pd(1.0)), size);
            nearest = _mm256_min_pd(nearest, _mm256_sub_pd(next, position));
            position = _mm256_add_pd(position, _mm256_mul_pd(groups, _mm256_set1_pd(4.0)));
        }
        for (size_t lane = 0; lane < lanes_; ++lane) nested_[lane] = nested_absmax_[block[lane]];
        const __m128d pair = _mm_min_pd(_mm256_castpd256_pd128(nearest), _mm256_extractf128_pd(nearest, 1));
        segment_begin_ = group;
        segment_end_ = group + static_cast<size_t>(_mm_cvtsd_f64(_mm_min_sd(pair, _mm_unpackhi_pd(pair, pair))) + 0.5);
    }

    const panels4bit* weights_ = nullptr;
    size_t groups_ = 0;
    const float* plain_ = nullptr;
    const uint8_t* codes_ = nullptr;
    const float* nested_absmax_ = nullptr;
    size_t rest_ = 0;
    size_t lanes_ = 0;
    size_t segment_begin_ = 0;
    size_t segment_end_ = 0;
    alignas(32) float nested_[16] = {};
};

}  // namespace

}  // namespace nq::cpu::avx2
