// What the block-wise quantizers share: the absmax of a block held by a warp, and the quotient by it as formats/quantizers.h defines it.
#pragma once

#include "cuda/device/number_parts.h"

namespace nq::cuda {

// The largest magnitude of value(i), i < n, in every lane; NaN or infinity if one of them is. The order of magnitudes is that of their
// bits, in which infinity and NaN come last.
template <class Value>
NQ_DEVICE float absmax_of_warp(uint32_t n, const Value& value) {
    uint32_t most = 0;
    for (uint32_t i = lane(); i < n; i += 32) {
        const uint32_t magnitude = bits_of(value(i)) & 0x7fffffff;
        if (magnitude > most) most = magnitude;
    }
    NQ_UNROLL
    for (uint32_t distance = 16; distance > 0; distance /= 2) {
        const uint32_t other = shuffle_xor(most, distance);
        if (other > most) most = other;
    }
    return float_of(most);
}

struct block_scale {
    float absmax, reciprocal;
    bool by_division;

    NQ_DEVICE explicit block_scale(float largest)
        : absmax(largest), reciprocal(divide(1.0f, largest)), by_division(!is_finite(reciprocal)) {}
    NQ_DEVICE float apply(float x) const {
        if (absmax == 0) return 0;
        return by_division ? divide(x, absmax) : x * reciprocal;
    }
};

}  // namespace nq::cuda
