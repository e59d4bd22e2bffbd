// Conversions between f32 and the narrower floating-point types. Sources and destinations may be unaligned.
#include <cstring>

#include "cpu/scalar/scalar.h"
#include "formats/half.h"

namespace nq::cpu::scalar {

namespace {

uint16_t load_half(const void* source, size_t i) {
    uint16_t value;
    std::memcpy(&value, static_cast<const char*>(source) + i * sizeof value, sizeof value);
    return value;
}

void store_half(void* destination, size_t i, uint16_t value) {
    std::memcpy(static_cast<char*>(destination) + i * sizeof value, &value, sizeof value);
}

}  // namespace

void convert_to_f32(const void* source, nq_dtype dtype, float* destination, size_t n) {
    switch (dtype) {
        case NQ_DTYPE_F16:
            for (size_t i = 0; i < n; i++) destination[i] = formats::f32_from_f16(load_half(source, i));
            break;
        case NQ_DTYPE_BF16:
            for (size_t i = 0; i < n; i++) destination[i] = formats::f32_from_bf16(load_half(source, i));
            break;
        default:
            std::memcpy(destination, source, n * sizeof(float));
            break;
    }
}

void convert_from_f32(const float* source, void* destination, nq_dtype dtype, size_t n) {
    switch (dtype) {
        case NQ_DTYPE_F16:
            for (size_t i = 0; i < n; i++) store_half(destination, i, formats::f16_from_f32(source[i]));
            break;
        case NQ_DTYPE_BF16:
            for (size_t i = 0; i < n; i++) store_half(destination, i, formats::bf16_from_f32(source[i]));
            break;
        default:
            std::memcpy(destination, source, n * sizeof(float));
            break;
    }
}

void round_through(const float* source, nq_dtype dtype, float* destination, size_t n) {
    switch (dtype) {
        case NQ_DTYPE_F16:
            for (size_t i = 0; i < n; i++) destination[i] = formats::f32_from_f16(formats::f16_from_f32(source[i]));
            break;
        case NQ_DTYPE_BF16:
            for (size_t i = 0; i < n; i++) destination[i] = formats::f32_from_bf16(formats::bf16_from_f32(source[i]));
            break;
        default:
            std::memmove(destination, source, n * sizeof(float));
            break;
    }
}

}  // namespace nq::cpu::scalar
