// Granules of keys and values (see kv_layout.h) as f32.
#pragma once

#include "cuda/device/instructions.h"
#include "cuda/device/kv_layout.h"

namespace nq::cuda {

struct f32_granule {
    static constexpr uint32_t count = 4;
    NQ_DEVICE static void expand(const uint4& bits, float (&x)[count]) {
        x[0] = float_of(bits.x), x[1] = float_of(bits.y), x[2] = float_of(bits.z), x[3] = float_of(bits.w);
    }
};

struct bf16_granule {
    static constexpr uint32_t count = 8;
    NQ_DEVICE static void expand(const uint4& bits, float (&x)[count]) {
        const uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
        NQ_UNROLL
        for (uint32_t w = 0; w < 4; w++) {
            x[2 * w] = float_of(words[w] << 16);
            x[2 * w + 1] = float_of(words[w] & 0xffff0000);
        }
    }
};

struct int8_granule {
    static constexpr uint32_t count = 16;
    // Four codes. 2^23 + (code + 128) has the bits of that sum in its last byte: one byte permutation and one subtraction a code, both full
    // rate.
    NQ_DEVICE static void expand(uint32_t codes, float (&x)[4]) {
        constexpr uint32_t two_to_23 = 0x4b000000;
        NQ_UNROLL
        for (uint32_t e = 0; e < 4; e++) x[e] = float_of(byte_permute(codes ^ 0x80808080, two_to_23, 0x7650 | e)) - 8388736.0f;
    }
    NQ_DEVICE static void expand(const uint4& bits, float (&x)[count]) {
        const uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
        NQ_UNROLL
        for (uint32_t w = 0; w < 4; w++) {
            float four[4];
            expand(words[w], four);
            NQ_UNROLL
            for (uint32_t e = 0; e < 4; e++) x[4 * w + e] = four[e];
        }
    }
};

}  // namespace nq::cuda
