// An f32 as a sum of bf16 numbers, each the eight leading bits of what the ones before it leave: three are exact for any f32 of normal
// size, two for any f16. Infinity and NaN are their own first part, the others 0.
#pragma once

#include "cuda/device/instructions.h"

namespace nq::cuda {

NQ_DEVICE bool is_finite(float value) { return (bits_of(value) & 0x7fffffff) < 0x7f800000; }

// The part as an f32 whose lower half is 0.
NQ_DEVICE float leading_part(float value) {
    const uint32_t quiet = value != value ? 0x400000 : 0;  // a NaN stays one
    return float_of((bits_of(value) & 0xffff0000) | quiet);
}
NQ_DEVICE float rest_of(float value) { return is_finite(value) ? value - leading_part(value) : 0; }

// Two such parts as a register of bf16, `low` in the lower half.
NQ_DEVICE uint32_t pack_parts(float low, float high) { return byte_permute(bits_of(low), bits_of(high), 0x7632); }

}  // namespace nq::cuda
