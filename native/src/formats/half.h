// binary16 and bfloat16: conversions to and from f32, to nearest with ties to even. NaN stays a (quiet) NaN, f16 overflow gives infinity,
// subnormals are kept. static inline: files compiled for another instruction set include this, and must get copies of their own.
#pragma once

#include <cstdint>

namespace nq::formats {

static inline uint32_t bits_of(float value) { return __builtin_bit_cast(uint32_t, value); }
static inline float float_of(uint32_t bits) { return __builtin_bit_cast(float, bits); }

static inline float f32_from_bf16(uint16_t value) { return float_of(static_cast<uint32_t>(value) << 16); }

static inline uint16_t bf16_from_f32(float value) {
    uint32_t bits = bits_of(value);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<uint16_t>((bits >> 16) | 0x40);
    return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

static inline float f32_from_f16(uint16_t value) {
    uint32_t sign = static_cast<uint32_t>(value & 0x8000) << 16;
    uint32_t magnitude = value & 0x7FFF;
    if (magnitude >= 0x7C00) return float_of(sign | 0x7F800000 | (magnitude & 0x3FF) << 13 | (magnitude > 0x7C00 ? 0x400000u : 0));
    if (magnitude >= 0x0400) return float_of(sign | ((magnitude << 13) + (112u << 23)));
    // Subnormal: magnitude * 2^-24. With magnitude as the low bits of 0.5, whose ulp is 2^-24, a subtraction does it.
    return float_of(sign | bits_of(float_of(0x3F000000 | magnitude) - 0.5f));
}

static inline uint16_t f16_from_f32(float value) {
    uint32_t bits = bits_of(value);
    uint32_t sign = (bits >> 16) & 0x8000;
    bits &= 0x7FFFFFFF;
    if (bits > 0x7F800000) return static_cast<uint16_t>(sign | 0x7E00 | ((bits >> 13) & 0x3FF));
    if (bits >= 0x477FF000) return static_cast<uint16_t>(sign | 0x7C00);  // 65520 and up
    if (bits < 0x38800000) {                                              // below 2^-14: a multiple of 2^-24, the ulp of 0.5
        return static_cast<uint16_t>(sign | (bits_of(float_of(bits) + 0.5f) - 0x3F000000));
    }
    bits += 0xFFF + ((bits >> 13) & 1);
    return static_cast<uint16_t>(sign | ((bits - (112u << 23)) >> 13));
}

// f16_from_f32 of a number, but finite ones beyond the range of f16 give +-65504.
static inline uint16_t f16_from_f32_saturating(float value) {
    const uint16_t rounded = f16_from_f32(value);
    const bool overflow = (rounded & 0x7fff) == 0x7c00 && (bits_of(value) & 0x7fffffff) < 0x7f800000;
    return overflow ? static_cast<uint16_t>(rounded - 1) : rounded;
}

// The smallest f32 that is at least `threshold` > 0 once rounded to f16, saturating.
static inline float least_rounding_to(float threshold) {
    uint16_t reached = f16_from_f32(threshold);
    if (f32_from_f16(reached) < threshold) reached++;
    if (reached >= 0x7c00) return float_of(0x7f800000);
    const float midpoint = 0.5f * (f32_from_f16(reached) + f32_from_f16(static_cast<uint16_t>(reached - 1)));
    return reached % 2 == 0 ? midpoint : float_of(bits_of(midpoint) + 1);  // a tie goes to the even one
}

}  // namespace nq::formats
