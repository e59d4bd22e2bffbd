// Tables of the quantized formats, as exact f32: two 4-bit codebooks with the midpoints between their entries, and the dynamic 8-bit maps.
// Sources: QLoRA (arXiv 2305.14314) appendix E for NF4; 8-bit optimizers (arXiv 2110.02861) section 1.3 for the dynamic map.
#pragma once

#include <cstdint>

#include "nativequant/nativequant.h"

namespace nq::formats {

// Index = code. NF4 ascends; FP4 is sign * 8 + three bits of magnitude, and its code 8 is +0 as in stored maps.
extern const float nf4_codebook[16];
extern const float fp4_codebook[16];

// nf4_thresholds[i] lies between codes i and i + 1: code = number of thresholds below y.
extern const float nf4_thresholds[15];
// fp4_thresholds[i] lies between the i-th and (i+1)-th smallest magnitude; fp4_magnitude_codes lists the codes by magnitude.
extern const float fp4_thresholds[7];
extern const uint8_t fp4_magnitude_codes[8];

// The dynamic maps. Their low bits depend on how a framework spaces numbers, so they are data, not a formula.
extern const float dynamic_map_signed[256];
extern const float dynamic_map_unsigned[256];

static inline const float* codebook_4bit(nq_quant_type type) { return type == NQ_QUANT_TYPE_FP4 ? fp4_codebook : nf4_codebook; }
// The code that stands for 0.
static inline uint8_t zero_code_4bit(nq_quant_type type) { return type == NQ_QUANT_TYPE_FP4 ? 0 : 7; }

}  // namespace nq::formats
