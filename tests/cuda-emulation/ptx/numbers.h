// 16-bit floating point and directed rounding, on the bits.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace ptx {

enum class rounding { nearest_even, towards_zero, down, up };

// Canonical NaN of the 16-bit types.
inline constexpr uint16_t nan_16 = 0x7fff;

// A binary floating-point format: bits of the significand, the implied one included, and the exponents of the least and the greatest
// normal number.
struct float_format {
    int precision;
    int least_exponent;
    int greatest_exponent;
};
inline constexpr float_format format_f16{11, -14, 15};
inline constexpr float_format format_bf16{8, -126, 127};
inline constexpr float_format format_f32{24, -126, 127};
inline constexpr float_format format_f64{53, -1022, 1023};

// The value of the format that a real number (exact in a long double: 64 bits of significand) rounds to. NaN and infinities stay.
inline long double round_to_format(long double value, const float_format& format, rounding mode) {
    if (value == 0 || !std::isfinite(value)) {
        return value;
    }
    int exponent;
    std::frexp(value, &exponent);
    exponent = std::max(exponent - 1, format.least_exponent);
    const int shift = format.precision - 1 - exponent;
    long double scaled = std::ldexp(value, shift);
    switch (mode) {
        case rounding::nearest_even:
            scaled = std::nearbyint(scaled);
            break;
        case rounding::towards_zero:
            scaled = std::trunc(scaled);
            break;
        case rounding::down:
            scaled = std::floor(scaled);
            break;
        case rounding::up:
            scaled = std::ceil(scaled);
            break;
    }
    const long double greatest = std::ldexp(2.0L - std::ldexp(1.0L, 1 - format.precision), format.greatest_exponent);
    const long double rounded = std::ldexp(scaled, -shift);
    if (std::fabs(rounded) <= greatest) {
        return std::copysign(rounded, value);
    }
    const bool to_infinity = mode == rounding::nearest_even || (mode == rounding::up && value > 0) || (mode == rounding::down && value < 0);
    return std::copysign(to_infinity ? HUGE_VALL : greatest, value);
}

inline float bf16_to_float(uint16_t h) { return std::bit_cast<float>(static_cast<uint32_t>(h) << 16); }

inline float f16_to_float(uint16_t h) {
    const uint32_t sign = (h & 0x8000u) << 16, exponent = h >> 10 & 31u, fraction = h & 1023u;
    if (exponent == 0) {
        return std::copysign(static_cast<float>(fraction) * 0x1p-24f, std::bit_cast<float>(sign));
    }
    return std::bit_cast<float>(sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13);
}

inline uint16_t float_to_bf16(float f) {
    const auto u = std::bit_cast<uint32_t>(f);
    return std::isnan(f) ? nan_16 : static_cast<uint16_t>((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

inline uint16_t float_to_f16(float f) {
    const auto u = std::bit_cast<uint32_t>(f);
    const uint32_t sign = u >> 16 & 0x8000;
    const float magnitude = std::fabs(f);
    if (std::isnan(f)) {
        return nan_16;
    }
    if (magnitude >= 65520.0f) {
        return static_cast<uint16_t>(sign | 0x7c00);
    }
    if (magnitude < 0x1p-14f) {
        return static_cast<uint16_t>(sign | static_cast<uint32_t>(std::nearbyint(magnitude * 0x1p24f)));
    }
    const uint32_t rebased = (u & 0x7fffffff) - (112u << 23);
    return static_cast<uint16_t>(sign | (rebased + 0xfff + (rebased >> 13 & 1)) >> 13);
}

struct f16 {
    static constexpr float_format format = format_f16;
    static float widen(uint16_t h) { return f16_to_float(h); }
    static uint16_t narrow(float f) { return float_to_f16(f); }
};

struct bf16 {
    static constexpr float_format format = format_bf16;
    static float widen(uint16_t h) { return bf16_to_float(h); }
    static uint16_t narrow(float f) { return float_to_bf16(f); }
};

// One rounding of any value to a 16-bit type.
template <class Half>
uint16_t narrow_once(long double value, rounding mode = rounding::nearest_even) {
    return Half::narrow(static_cast<float>(round_to_format(value, Half::format, mode)));  // both steps but the first are exact
}

inline float flush_subnormal(float f) { return std::fpclassify(f) == FP_SUBNORMAL ? std::copysign(0.0f, f) : f; }

}  // namespace ptx
