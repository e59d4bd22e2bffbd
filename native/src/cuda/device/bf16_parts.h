// An f32 as the exact sum of three bf16 numbers, so that tensor cores multiply f32: 24 bits of mantissa are three times 8, cut off towards
// zero. What is not finite, or below 2^-110, is not exact.
#pragma once

#include "cuda/device/instructions.h"

namespace nq::cuda {

inline constexpr uint32_t bf16_parts = 3;

// Eight consecutive elements of one operand: a row of a matrix load.
struct part_granules {
    uint4 parts[bf16_parts];  // largest first
};

// Two f32 as pairs of bf16, the first in the lower half.
NQ_DEVICE void split_pair(float first, float second, uint32_t (&parts)[bf16_parts]) {
    NQ_UNROLL
    for (uint32_t part = 0; part < bf16_parts; part++) {
        const uint32_t low = bits_of(first) & 0xffff0000, high = bits_of(second) & 0xffff0000;
        parts[part] = low >> 16 | high;
        first -= float_of(low);
        second -= float_of(high);
    }
}

NQ_DEVICE part_granules split_granule(const float (&x)[8]) {
    uint32_t pairs[4][bf16_parts];
    NQ_UNROLL
    for (uint32_t i = 0; i < 4; i++) split_pair(x[2 * i], x[2 * i + 1], pairs[i]);
    part_granules result;
    NQ_UNROLL
    for (uint32_t part = 0; part < bf16_parts; part++)
        result.parts[part] = {pairs[0][part], pairs[1][part], pairs[2][part], pairs[3][part]};
    return result;
}

NQ_DEVICE bool is_finite(float x) { return (bits_of(x) & 0x7f800000) != 0x7f800000; }

}  // namespace nq::cuda
