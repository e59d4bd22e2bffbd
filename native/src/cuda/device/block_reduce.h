// Reductions over a block in a fixed order: a butterfly within each warp, then the warps first to last. Every thread gets the result.
#pragma once

#include "cuda/device/instructions.h"

namespace nq::cuda {

struct sum_of {
    template <class Number>
    NQ_DEVICE Number operator()(Number a, Number b) const {
        return a + b;
    }
};

// NaN if one is.
struct largest_of {
    NQ_DEVICE float operator()(float a, float b) const { return a > b || a != a ? a : b; }
};

template <class Number, class Combine>
NQ_DEVICE Number reduce_warp(Number value, const Combine& combine) {
    for (uint32_t distance = 16; distance > 0; distance /= 2) value = combine(value, shuffle_xor(value, distance));
    return value;
}

// For every thread of a block of whole warps.
template <class Number, class Combine>
NQ_DEVICE Number reduce_block(Number value, const Combine& combine) {
    NQ_SHARED(Number, of_warp, 32);
    value = reduce_warp(value, combine);
    if (lane() == 0) of_warp[warp()] = value;
    sync_block();
    value = of_warp[0];
    for (uint32_t w = 1; w < blockDim.x / 32; w++) value = combine(value, of_warp[w]);
    sync_block();  // of_warp may be written again
    return value;
}

}  // namespace nq::cuda
