// Block-wise quantization to 8 bits by a map of 256 values, and back, bit for bit as formats/quantizers.h defines it; with an offset also
// the second level of double quantization.
//
//   nq_blockwise_quantize    y = (x - offset) * (1 / absmax); code = the nearest entry of the map, a midpoint going to the even index
//   nq_blockwise_dequantize  y = map[code] * absmax + offset, product and sum each rounded to f32, then once to the output type
// Flat arrays; blocks of any size from 1. Of a block that holds a NaN or an infinity only the index is right.
//
// Launch: blocks of 8 warps in a grid-stride loop; a warp per quantization block. Shared memory: the map and its midpoints, 2 KiB.
// Cost: 5 bytes per number (f32) and 8 dependent reads of shared memory to quantize one; run when weights are loaded, expected at a third
// of the copy bandwidth of the device; back at the copy bandwidth. Source: arXiv 2110.02861.
#include "cuda/kernels/blockwise.h"

#include "cuda/device/block_scale.h"
#include "cuda/device/numbers.h"

namespace nq::cuda {

// The number of midpoints below y, and on a midpoint the even one of its neighbours.
NQ_DEVICE uint32_t nearest_code(float y, const float* midpoints) {
    uint32_t low = 0, high = 255;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (midpoints[middle] < y) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < 255 && midpoints[low] == y ? (low + 1) & ~1u : low;
}

NQ_KERNEL(nq_blockwise_quantize, quantize_blockwise_parameters, blockwise_threads) {
    NQ_SHARED(float, midpoints, 256);
    if (threadIdx.x < 255) midpoints[threadIdx.x] = 0.5f * (p.map[threadIdx.x] + p.map[threadIdx.x + 1]);
    sync_block();
    const float offset = p.offset != nullptr ? *p.offset : 0;
    const size_t blocks = (p.count + p.blocksize - 1) / p.blocksize, step = static_cast<size_t>(gridDim.x) * (blockDim.x / 32);
    for (size_t block = static_cast<size_t>(blockIdx.x) * (blockDim.x / 32) + warp(); block < blocks; block += step) {
        const size_t first = block * p.blocksize;
        const uint32_t n = static_cast<uint32_t>(p.count - first < p.blocksize ? p.count - first : p.blocksize);
        const auto value = [&](uint32_t i) { return load_as_f32(p.input, p.dtype, first + i) - offset; };
        const float absmax = absmax_of_warp(n, value);
        if (lane() == 0) p.absmax[block] = absmax;
        if (!is_finite(absmax)) {
            if (lane() == 0) atomic_min(p.bad_block, static_cast<uint32_t>(block));
            continue;
        }
        const block_scale scale(absmax);
        for (uint32_t i = lane(); i < n; i += 32) p.codes[first + i] = static_cast<uint8_t>(nearest_code(scale.apply(value(i)), midpoints));
    }
}

NQ_KERNEL(nq_blockwise_dequantize, dequantize_blockwise_parameters, blockwise_threads) {
    NQ_SHARED(float, map, 256);
    map[threadIdx.x] = p.map[threadIdx.x];
    sync_block();
    const size_t blocks = (p.count + p.blocksize - 1) / p.blocksize, step = static_cast<size_t>(gridDim.x) * (blockDim.x / 32);
    for (size_t block = static_cast<size_t>(blockIdx.x) * (blockDim.x / 32) + warp(); block < blocks; block += step) {
        const size_t first = block * p.blocksize;
        const uint32_t n = static_cast<uint32_t>(p.count - first < p.blocksize ? p.count - first : p.blocksize);
        const float absmax = p.absmax[block];
        for (uint32_t i = lane(); i < n; i += 32) {
            float value = map[p.codes[first + i]] * absmax;
            if (p.offset != nullptr) value += *p.offset;
            store_from_f32(p.output, p.dtype, first + i, value);
        }
    }
}

}  // namespace nq::cuda
