// Numbers on the device: 16-bit floating point, loads and stores of any of the three floating-point types as f32, and functions composed of
// instructions.h. A type is a run-time value, the same for all threads: the branch costs nothing beside the memory access.
#pragma once

#include "cuda/device/instructions.h"
#include "formats/half.h"
#include "nativequant/nativequant.h"

namespace nq::cuda {

NQ_DEVICE float f32_from_bf16(uint16_t value) { return float_of(static_cast<uint32_t>(value) << 16); }

#if defined(NQ_DEVICE_CODE)
NQ_DEVICE float f32_from_f16(uint16_t value) {
    float result;
    asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value));
    return result;
}
NQ_DEVICE uint16_t f16_from_f32(float value) {
    uint16_t result;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result) : "f"(value));
    return result;
}
NQ_DEVICE uint16_t bf16_from_f32(float value) {
#if NQ_ARCHITECTURE >= 800
    uint16_t result;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result) : "f"(value));
    return result;
#else
    const uint32_t bits = bits_of(value);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<uint16_t>((bits >> 16) | 0x40);
    return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
#endif
}
#elif defined(NQ_SIMT)
NQ_DEVICE float f32_from_f16(uint16_t value) { return formats::f32_from_f16(value); }
NQ_DEVICE uint16_t f16_from_f32(float value) { return formats::f16_from_f32(value); }
NQ_DEVICE uint16_t bf16_from_f32(float value) { return formats::bf16_from_f32(value); }
#endif

// Two numbers rounded, the first in the low half: one instruction from sm_80 on.
NQ_DEVICE uint32_t f16_pair(float first, float second) {
#if defined(NQ_DEVICE_CODE) && NQ_ARCHITECTURE >= 800
    uint32_t result;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(second), "f"(first));
    return result;
#else
    return f16_from_f32(first) | static_cast<uint32_t>(f16_from_f32(second)) << 16;
#endif
}
NQ_DEVICE uint32_t bf16_pair(float first, float second) {
#if defined(NQ_DEVICE_CODE) && NQ_ARCHITECTURE >= 800
    uint32_t result;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(second), "f"(first));
    return result;
#else
    return bf16_from_f32(first) | static_cast<uint32_t>(bf16_from_f32(second)) << 16;
#endif
}

// Element i of an array of f32, f16 or bf16.
NQ_DEVICE float load_as_f32(const void* data, nq_dtype dtype, size_t i) {
    if (dtype == NQ_DTYPE_F32) return static_cast<const float*>(data)[i];
    const uint16_t half = static_cast<const uint16_t*>(data)[i];
    return dtype == NQ_DTYPE_F16 ? f32_from_f16(half) : f32_from_bf16(half);
}
NQ_DEVICE void store_from_f32(void* data, nq_dtype dtype, size_t i, float value) {
    if (dtype == NQ_DTYPE_F32) {
        static_cast<float*>(data)[i] = value;
    } else {
        static_cast<uint16_t*>(data)[i] = dtype == NQ_DTYPE_F16 ? f16_from_f32(value) : bf16_from_f32(value);
    }
}
// The value after rounding to dtype.
NQ_DEVICE float round_through(float value, nq_dtype dtype) {
    if (dtype == NQ_DTYPE_F32) return value;
    return dtype == NQ_DTYPE_F16 ? f32_from_f16(f16_from_f32(value)) : f32_from_bf16(bf16_from_f32(value));
}

// e^x: 2^t, t = x log2(e) rounded, times 1 + r ln(2) for what the rounding left. Relative error about 2^-22.
NQ_DEVICE float exponential(float x) {
    constexpr float log2_e = 1.44269504f, log2_e_rest = 1.92596303e-8f, ln_2 = 0.693147181f;
    const float t = x * log2_e;
    const float r = fused_multiply_add(x, log2_e, -t) + x * log2_e_rest;
    const float y = exp2_approximate(t);
    // Outside the range of f32 r is meaningless, and y already 0, infinite or NaN.
    return y > 0 && y < float_of(0x7f800000) ? fused_multiply_add(y, r * ln_2, y) : y;
}

}  // namespace nq::cuda
