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

}  // namespace nq::formats
