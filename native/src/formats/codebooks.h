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
inline constexpr float nf4_thresholds[15] = {
    -0x1.b239bp-1f, -0x1.38a4ep-1f, -0x1.d709p-2f,  -0x1.5bd4ecp-2f, -0x1.e079d8p-3f, -0x1.1a7178p-3f, -0x1.74f0e2p-5f, 0x1.45f5fep-5f,
    0x1.ec90c4p-4f, 0x1.a0cfcp-3f,  0x1.2b05a8p-2f, 0x1.8ea7f2p-2f,  0x1.00da08p-1f,  0x1.491b5ep-1f,  0x1.b913b4p-1f,
};
// fp4_thresholds[i] lies between the i-th and (i+1)-th smallest magnitude; fp4_magnitude_codes lists the codes by magnitude.
inline constexpr float fp4_thresholds[7] = {
    0x1.555556p-9f, 0x1.6p-4f, 0x1.aaaaacp-3f, 0x1.2aaaacp-2f, 0x1.aaaaacp-2f, 0x1.2aaaacp-1f, 0x1.aaaaacp-1f,
};
inline constexpr uint8_t fp4_magnitude_codes[8] = {0, 1, 6, 7, 4, 5, 2, 3};

// The dynamic maps. Their low bits depend on how a framework spaces numbers, so they are data, not a formula.
extern const float dynamic_map_signed[256];
extern const float dynamic_map_unsigned[256];

static inline const float* codebook_4bit(nq_quant_type type) { return type == NQ_QUANT_TYPE_FP4 ? fp4_codebook : nf4_codebook; }
// The code that stands for 0.
static inline uint8_t zero_code_4bit(nq_quant_type type) { return type == NQ_QUANT_TYPE_FP4 ? 0 : 7; }

}  // namespace nq::formats
