// Rotary position embedding, half-split convention.
//
//   nq_rotary  (x[i], x[i + h]) = (x[i] c - x[i + h] s, x[i + h] c + x[i] s) for i < h of every head, in place; elements from 2h on stay
// x: view [T, heads * head_dim] of f32, f16 or bf16. cosine, sine: f32 [positions, h], the row of a position of x given by `positions`.
// Products and sums are rounded one by one (no fused multiply-add), as the scalar CPU kernel does. A row whose position is out of range
// stays as it is; block 0 notes the first such position.
//
// Launch: blocks of 128 threads, a pair a thread; grid (T, pairs of a row / 128); 4 bytes of shared memory; at most 32 registers.
// Cost: reads and writes 2h elements a head; 6 operations a pair. Expected at the bandwidth of device memory for prompts of 1 MiB and more.
// Source: arXiv 2104.09864.
#include "cuda/kernels/rotary.h"

#include "cuda/device/numbers.h"

namespace nq::cuda {

NQ_KERNEL(nq_rotary, rotary_parameters, rotary_threads) {
    if (blockIdx.x == 0 && blockIdx.y == 0) check_indices(p.positions, p.x.rows, p.cosine.rows, index_kind::position, p.error);
    const uint32_t half = static_cast<uint32_t>(p.cosine.columns);
    const uint64_t pairs = p.x.columns / p.head_dim * half;
    for (uint64_t t = blockIdx.x; t < p.x.rows; t += gridDim.x) {
        const uint32_t position = p.positions[t];
        if (position >= p.cosine.rows) continue;
        const float* cosine = static_cast<const float*>(p.cosine.data) + position * p.cosine.row_stride;
        const float* sine = static_cast<const float*>(p.sine.data) + position * p.sine.row_stride;
        for (uint64_t j = blockIdx.y * blockDim.x + threadIdx.x; j < pairs; j += static_cast<uint64_t>(gridDim.y) * blockDim.x) {
            const uint32_t pair = static_cast<uint32_t>(j), i = pair % half;
            const uint64_t first = t * p.x.row_stride + static_cast<uint64_t>(pair / half) * p.head_dim + i, second = first + half;
            const float a = load_as_f32(p.x.data, p.x.dtype, first), b = load_as_f32(p.x.data, p.x.dtype, second);
            const float c = cosine[i], s = sine[i];
            store_from_f32(p.x.data, p.x.dtype, first, a * c - b * s);
            store_from_f32(p.x.data, p.x.dtype, second, b * c + a * s);
        }
    }
}

}  // namespace nq::cuda
