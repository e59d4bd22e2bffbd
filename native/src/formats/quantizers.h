// The quantizers, one value at a time: the definitions that every implementation matches bit for bit.
// static inline: see half.h.
#pragma once

#include <cmath>
#include <cstdint>

#include "formats/codebooks.h"
#include "formats/int8_scales.h"

namespace nq::formats {

// y = x / absmax as bitsandbytes computes it: times the reciprocal, unless that overflows. absmax finite; a block of zeros gives y = 0.
struct block_scale {
    float absmax;
    float reciprocal;
    bool divide;

    explicit block_scale(float largest) : absmax(largest), reciprocal(1.0f / largest), divide(reciprocal > 3.402823466e+38f) {}
    float apply(float x) const {
        if (absmax == 0.0f) return 0.0f;
        return divide ? x / absmax : x * reciprocal;
    }
};

static inline uint8_t nf4_code(float y) {
    uint8_t code = 0;
    for (int i = 0; i < 15; i++) code = static_cast<uint8_t>(code + (y > nf4_thresholds[i]));
    return code;
}

static inline uint8_t fp4_code(float y) {
    float magnitude = y < 0 ? -y : y;
    int order = 0;
    for (int i = 0; i < 7; i++) order += magnitude > fp4_thresholds[i];
    return static_cast<uint8_t>(fp4_magnitude_codes[order] | (y < 0 ? 8 : 0));
}

// Index of the map entry nearest to y, a midpoint going to the even index. The midpoints are rounded to f32, as in every implementation.
static inline uint8_t nearest_code_8bit(float y, const float* map) {
    int low = 0, high = 255;  // the answer is the number of midpoints below y
    while (low < high) {
        int middle = (low + high) / 2;
        if (0.5f * (map[middle] + map[middle + 1]) < y) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool tie = low < 255 && 0.5f * (map[low] + map[low + 1]) == y;
    return static_cast<uint8_t>(tie ? (low + 1) & ~1 : low);
}

// A 4-bit codebook in int8, for products with int8 activations: 1 is 127.
static inline void int8_codebook(const float* codebook, int8_t* codes) {
    for (int i = 0; i < 16; i++) codes[i] = static_cast<int8_t>(std::nearbyint(127.0f * codebook[i]));
}

}  // namespace nq::formats
