#include "formats/codebooks.h"

namespace nq::formats {

// Hexadecimal literals are the exact f32 bits.
const float nf4_codebook[16] = {
    -0x1p0f,        -0x1.647362p-1f, -0x1.0cd66p-1f, -0x1.94654p-2f, -0x1.23449ap-2f, -0x1.7a6a7ep-3f, -0x1.74f0e2p-4f, 0.0f,
    0x1.45f5fep-4f, 0x1.4995c6p-3f,  0x1.f809bap-3f, 0x1.5a0674p-2f, 0x1.c3497p-2f,   0x1.200f56p-1f,  0x1.722766p-1f,  0x1p0f,
};

// +-{0, 1/192, 2/3, 1, 1/3, 1/2, 1/6, 1/4}
const float fp4_codebook[16] = {
    0.0f, 0x1.555556p-8f,  0x1.555556p-1f,  0x1p0f,  0x1.555556p-2f,  0x1p-1f,  0x1.555556p-3f,  0x1p-2f,
    0.0f, -0x1.555556p-8f, -0x1.555556p-1f, -0x1p0f, -0x1.555556p-2f, -0x1p-1f, -0x1.555556p-3f, -0x1p-2f,
};

const float nf4_thresholds[15] = {
    -0x1.b239bp-1f, -0x1.38a4ep-1f, -0x1.d709p-2f,  -0x1.5bd4ecp-2f, -0x1.e079d8p-3f, -0x1.1a7178p-3f, -0x1.74f0e2p-5f, 0x1.45f5fep-5f,
    0x1.ec90c4p-4f, 0x1.a0cfcp-3f,  0x1.2b05a8p-2f, 0x1.8ea7f2p-2f,  0x1.00da08p-1f,  0x1.491b5ep-1f,  0x1.b913b4p-1f,
};

const float fp4_thresholds[7] = {
    0x1.555556p-9f, 0x1.6p-4f, 0x1.aaaaacp-3f, 0x1.2aaaacp-2f, 0x1.aaaaacp-2f, 0x1.2aaaacp-1f, 0x1.aaaaacp-1f,
};

const uint8_t fp4_magnitude_codes[8] = {0, 1, 6, 7, 4, 5, 2, 3};

}  // namespace nq::formats
