// 4-bit codes in the exchange format as numbers: output[i] = codebook[code i] * absmax[i / blocksize], one f32 rounding, then one to the
// output type.
//
// Input: two codes a byte, the first in the high nibble; one f32 absmax per block. Output: `count` numbers of f32, f16 or bf16, flat.
//
// Launch: blocks of 256 threads in a grid-stride loop; a thread per byte. Shared memory: the codebook, 64 bytes, whose 16 banks give any
// two codes without a conflict. Cost: writes the output, reads an eighth of it (f32); expected at the copy bandwidth of the device.
#include "cuda/kernels/dequantize4bit.h"

#include "cuda/device/numbers.h"

namespace nq::cuda {

NQ_KERNEL(nq_dequantize4bit, dequantize4bit_parameters, dequantize4bit_threads) {
    NQ_SHARED(float, codebook, 16);
    if (threadIdx.x < 16) codebook[threadIdx.x] = p.codebook[threadIdx.x];
    sync_block();
    const size_t bytes = (p.count + 1) / 2, step = static_cast<size_t>(gridDim.x) * blockDim.x;
    for (size_t byte = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; byte < bytes; byte += step) {
        const size_t i = 2 * byte;
        const uint32_t codes = p.packed[byte];
        const float absmax = p.absmax[i >> p.log2_blocksize];
        store_from_f32(p.output, p.dtype, i, codebook[codes >> 4] * absmax);
        if (i + 1 < p.count) store_from_f32(p.output, p.dtype, i + 1, codebook[codes & 15] * absmax);
    }
}

}  // namespace nq::cuda
