// Root-mean-square normalisation.
//
//   nq_rmsnorm  y = x / sqrt(mean(x^2) + epsilon) * weight, per row
// x, y: views [T, C] of f32, f16 or bf16, in place allowed; weight: C elements of any of the three. Statistics f32, added up in an order
// that depends on C alone; one rounding to the type of y.
//
// Launch: a block of 256 threads a row, four elements a thread at a time; 128 bytes of shared memory; at most 40 registers.
// Cost: reads x twice (the second time from cache) and weight, writes y; 3 operations an element. A prompt runs at the bandwidth of device
// memory from about a row a multiprocessor on; a single row takes launch time, its reads are too few to matter.
// Source: arXiv 1910.07467.
#include "cuda/kernels/normalization.h"

#include "cuda/device/block_reduce.h"
#include "cuda/device/rows.h"

namespace nq::cuda {

NQ_KERNEL(nq_rmsnorm, rmsnorm_parameters, rmsnorm_threads) {
    const row weight = row_at(const_cast<void*>(p.weight), p.x.columns, p.weight_dtype);
    for (uint64_t t = blockIdx.x; t < p.x.rows; t += gridDim.x) {
        const row x = row_of(p.x, t), y = row_of(p.y, t);
        float squares = 0;
        for (uint64_t i = 4 * threadIdx.x; i < x.columns; i += 4 * blockDim.x) {
            float v[4];
            load_quad(x, i, 0, v);
            NQ_UNROLL
            for (int e = 0; e < 4; e++) squares = fused_multiply_add(v[e], v[e], squares);
        }
        const float mean = divide(reduce_block(squares, sum_of()), static_cast<float>(x.columns));
        const float scale = divide(1, square_root(mean + p.epsilon));
        for (uint64_t i = 4 * threadIdx.x; i < x.columns; i += 4 * blockDim.x) {
            float v[4], w[4];
            load_quad(x, i, 0, v);
            load_quad(weight, i, 0, w);
            NQ_UNROLL
            for (int e = 0; e < 4; e++) v[e] = v[e] * scale * w[e];
            store_quad(y, i, v);
        }
    }
}

}  // namespace nq::cuda
