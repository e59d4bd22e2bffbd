// Quantizers and dequantizers.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/scalar/scalar.h"
#include "formats/half.h"
#include "formats/quantizers.h"

namespace nq::cpu::scalar {

float absmax(const float* x, size_t n) {
    float result = 0;
    for (size_t i = 0; i < n; i++) {
        if (std::isnan(x[i])) return std::numeric_limits<float>::quiet_NaN();
        result = std::fmax(result, std::fabs(x[i]));
    }
    return result;
}

bool quantize_4bit(const void* source, nq_dtype dtype, size_t n, uint32_t blocksize, nq_quant_type type, uint8_t* packed, float* absmax) {
    bool finite = true;
    for (size_t first = 0; first < n; first += blocksize) {
        float x[4096];  // the largest block
        const size_t count = std::min<size_t>(blocksize, n - first);
        convert_to_f32(static_cast<const char*>(source) + first * (dtype == NQ_DTYPE_F32 ? 4 : 2), dtype, x, count);
        const float most = scalar::absmax(x, count);
        *absmax++ = most;
        if (!std::isfinite(most)) {
            finite = false;
            continue;
        }
        const formats::block_scale scale(most);
        for (size_t i = 0; i < count; i++) {
            const float y = scale.apply(x[i]);
            const uint8_t code = type == NQ_QUANT_TYPE_FP4 ? formats::fp4_code(y) : formats::nf4_code(y);
            uint8_t& pair = packed[(first + i) / 2];
            pair = static_cast<uint8_t>(i % 2 == 0 ? code << 4 | formats::zero_code_4bit(type) : (pair & 0xf0) | code);
        }
    }
    return finite;
}

void dequantize_4bit(const uint8_t* packed, size_t first, size_t n, const float* codebook, const float* absmax, uint32_t blocksize,
                     float* values) {
    for (size_t i = 0; i < n; i++) {
        size_t element = first + i;
        uint8_t byte = packed[element / 2];
        values[i] = codebook[element % 2 == 0 ? byte >> 4 : byte & 15] * absmax[element / blocksize];
    }
}

void quantize_8bit_block(const float* x, size_t n, float absmax, const formats::map_search& search, uint8_t* codes) {
    const formats::block_scale scale(absmax);
    for (size_t i = 0; i < n; i++) codes[i] = formats::nearest_code_8bit(scale.apply(x[i]), search.map());
}

void dequantize_8bit_block(const uint8_t* codes, size_t n, const float* map, float absmax, float* values) {
    for (size_t i = 0; i < n; i++) values[i] = map[codes[i]] * absmax;
}

float int8_row_absmax(const float* x, size_t n, float threshold, uint8_t* outlier_columns) {
    float result = 0;
    for (size_t i = 0; i < n; i++) {
        float magnitude = std::fabs(x[i]);
        if (threshold > 0) {
            if (magnitude < threshold) {
                result = std::fmax(result, magnitude);
            } else {
                outlier_columns[i] = 1;
            }
        } else {
            if (!std::isfinite(magnitude)) return std::numeric_limits<float>::quiet_NaN();
            result = std::fmax(result, magnitude);
        }
    }
    return result;
}

void int8_quantize_row(const float* x, size_t n, float row_absmax, float threshold, const uint8_t* skip, int8_t* codes) {
    const bool usable = row_absmax > 0;  // not for 0, nor NaN
    const float scale = 127.0f / row_absmax;
    for (size_t i = 0; i < n; i++) {
        bool outlier = threshold > 0 && !(std::fabs(x[i]) < threshold);
        float scaled = x[i] * scale;  // NaN also for 0 where the scale overflows
        bool zero = !usable || outlier || std::isnan(scaled) || (skip != nullptr && skip[i] != 0);
        codes[i] = zero ? int8_t{0} : static_cast<int8_t>(std::nearbyint(std::fmin(std::fmax(scaled, -127.0f), 127.0f)));
    }
}

void quantize_activations(const float* x, size_t n, float row_absmax, const uint8_t* skip, uint8_t* codes) {
    const float scale = 127.0f / row_absmax;
    for (size_t i = 0; i < (n + 63) / 64 * 64; i++) {
        codes[i] = 128;
        if (i >= n || !(row_absmax > 0) || (skip != nullptr && skip[i] != 0)) continue;
        const float value = formats::f32_from_f16(formats::f16_from_f32_saturating(x[i]));
        codes[i] = static_cast<uint8_t>(128 + static_cast<int>(std::nearbyint(value * scale)));
    }
}

}  // namespace nq::cpu::scalar
