// y = T(T(x) T(W)^T + T(bias)) for a 4-bit W in the exchange layout, whose blocks may run over the ends of rows: the path for shapes
// that fragments4bit.h does not hold. Correct, not fast.
//
//   nq_linear4bit_flat    W[n, k] = codebook[code] * absmax[(n K + k) / blocksize] in f32, products and sums f32
// Sums of a lane, then over the warp, in fixed order.
//
// Launch: grid (blocks of 4 rows of W, groups of 4 rows of x), 128 threads: a warp for each row of W, lanes along k; no shared memory.
//
// Bytes: W once for each 4 rows of x. Operations: about 30 per weight, most of them for its address.
// Expected: a tenth of the bandwidth; such layers are rare.
// Source: arXiv 2305.14314.
#include "cuda/kernels/linear4bit_flat.h"

#include "cuda/device/numbers.h"

namespace nq::cuda {

NQ_KERNEL(nq_linear4bit_flat, linear4bit_flat_parameters, linear4bit_flat_threads) {
    constexpr uint32_t rows = linear4bit_flat_rows;
    const weights4bit& w = p.weights;
    const size_t n = static_cast<size_t>(blockIdx.x) * (linear4bit_flat_threads / 32) + warp(),
                 first = static_cast<size_t>(blockIdx.y) * rows;
    if (n >= w.rows) return;
    float sums[rows] = {};
    for (size_t k = lane(); k < w.columns; k += 32) {
        const float weight = round_through(flat_weight(w, n * w.columns + k), p.e.through);
        NQ_UNROLL for (uint32_t m = 0; m < rows; m++) {
            if (first + m >= p.x.rows) break;
            const float x = round_through(load_as_f32(p.x.data, p.x.dtype, (first + m) * p.x.row_stride + k), p.e.through);
            sums[m] = fused_multiply_add(weight, x, sums[m]);
        }
    }
    NQ_UNROLL for (uint32_t m = 0; m < rows; m++) {
        float sum = sums[m];
        for (uint32_t distance = 16; distance > 0; distance /= 2) sum += shuffle_xor(sum, distance);
        if (lane() == 0 && first + m < p.x.rows) finish(p.e, first + m, n, sum);
    }
}

}  // namespace nq::cuda
