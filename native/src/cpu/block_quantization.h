// Quantization of long flat arrays by blocks, on all threads of a device: shared by the format operations and the matrices.
#pragma once

#include "cpu/cpu_backend.h"

namespace nq::cpu {

// A contiguous array of f32, f16 or bf16 at any alignment.
struct flat_values {
    const void* data;
    nq_dtype dtype;
    size_t count;
};

// How absmax values are held after double quantization.
struct nested_statistics {
    const float* map;
    const float* nested_absmax;
    float offset;
    uint32_t blocksize;

    float absmax(uint8_t code, size_t index) const {
        const float scaled = map[code] * nested_absmax[index / blocksize];  // product and sum are rounded separately
        return scaled + offset;
    }
};

// Reads n values from `first` on as f32 into `values`; largest |value|, not finite if a value is not.
float load_block(const kernels& k, const flat_values& source, size_t first, size_t n, float* values);

// Index of the first value that is NaN or infinite; n if there is none.
size_t index_of_not_finite(const float* values, size_t n);
// The same for n values of `source` from `first` on, counted from there.
size_t index_of_not_finite(const kernels& k, const flat_values& source, size_t first, size_t n);

// Rounds finite values through f16 in place; those beyond its range become +-65504.
void round_to_f16_saturating(const kernels& k, float* values, size_t n);

// The error for a value that is NaN or infinite; `index` counts flat.
[[noreturn]] void fail_not_finite(const flat_values& source, size_t index);

// packed: (count + 1) / 2 bytes, an odd count ending with the code of 0; absmax: one per block. INVALID_DATA if a value is not finite.
void quantize_flat_4bit(cpu_backend& device, const flat_values& source, nq_quant_type type, uint32_t blocksize, uint8_t* packed,
                        float* absmax);

// Quantizes value - offset to the entries of `map`. INVALID_DATA if a value is not finite.
void quantize_flat_8bit(cpu_backend& device, const flat_values& source, float offset, const float* map, uint32_t blocksize, uint8_t* codes,
                        float* absmax);

// Mean of f32 values, summed in f64 in an order that depends on their number alone, and rounded once. INVALID_DATA if a value is not
// finite.
float mean_of(cpu_backend& device, const flat_values& source);

}  // namespace nq::cpu
