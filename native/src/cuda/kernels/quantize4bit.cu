// Block-wise quantization to 4 bits, bit for bit as formats/quantizers.h defines it.
//
// Input: `count` numbers of f32, f16 or bf16, flat. Output: two codes a byte, the first in the high nibble, and one f32 absmax per block of
// `blocksize` (32 to 4096) numbers. Of a block that holds a NaN or an infinity only the index is right.
//
// Launch: blocks of 4 warps in a grid-stride loop; a warp per quantization block, a lane per byte. Two passes over the block, the second
// from L1. No shared memory.
// Cost: reads the input once, writes 4.5 bits per number (blocksize 64); 15 comparisons per number (NF4). Run when weights are loaded:
// expected at half the copy bandwidth of the device.
// Source: arXiv 2305.14314 section 3.
#include "cuda/kernels/quantize4bit.h"

#include "cuda/device/block_scale.h"
#include "cuda/device/numbers.h"

namespace nq::cuda {

NQ_DEVICE uint32_t code_of(const quantize4bit_parameters& p, float y) {
    uint32_t order = 0;
    if (p.type == NQ_QUANT_TYPE_FP4) {
        const float magnitude = y < 0 ? -y : y;
        NQ_UNROLL
        for (int i = 0; i < 7; i++) order += magnitude > p.thresholds[i];
        return (p.magnitude_codes >> 4 * order & 7) | (y < 0 ? 8 : 0);
    }
    NQ_UNROLL
    for (int i = 0; i < 15; i++) order += y > p.thresholds[i];
    return order;
}

NQ_KERNEL(nq_quantize4bit, quantize4bit_parameters, quantize4bit_threads) {
    const size_t blocks = (p.count + p.blocksize - 1) / p.blocksize, step = static_cast<size_t>(gridDim.x) * (blockDim.x / 32);
    for (size_t block = static_cast<size_t>(blockIdx.x) * (blockDim.x / 32) + warp(); block < blocks; block += step) {
        const size_t first = block * p.blocksize;
        const uint32_t n = static_cast<uint32_t>(p.count - first < p.blocksize ? p.count - first : p.blocksize);
        const float absmax = absmax_of_warp(n, [&](uint32_t i) { return load_as_f32(p.input, p.dtype, first + i); });
        if (lane() == 0) p.absmax[block] = absmax;
        if (!is_finite(absmax)) {
            if (lane() == 0) atomic_min(p.bad_block, static_cast<uint32_t>(block));
            continue;
        }
        const block_scale scale(absmax);
        for (uint32_t i = 2 * lane(); i < n; i += 64) {
            const uint32_t high = code_of(p, scale.apply(load_as_f32(p.input, p.dtype, first + i)));
            const uint32_t low = i + 1 < n ? code_of(p, scale.apply(load_as_f32(p.input, p.dtype, first + i + 1))) : p.zero_code;
            p.packed[(first + i) / 2] = static_cast<uint8_t>(high << 4 | low);
        }
    }
}

}  // namespace nq::cuda
