// The mean of the absmax values, which double quantization subtracts: summed in f64 in the order of the CPU implementations, so that it has
// their bits. A piece of 4096 values is summed in eight chains, chain c taking the values c, c + 8, ..., and chain 0 also what is left
// over; the chains are added in order, then the pieces.
//
//   nq_absmax_piece_sums  one sum per piece. Launch: blocks of 16 pieces, a thread per chain; shared memory 1 KiB.
//   nq_absmax_mean        their sum / count, rounded to f32. Launch: one thread.
// Cost: reads the values once, 512 dependent additions a chain; the second kernel count / 4096. Run when weights are loaded, on a 64th of
// their number.
#include "cuda/kernels/absmax.h"

#include "cuda/device/instructions.h"

namespace nq::cuda {

NQ_KERNEL(nq_absmax_piece_sums, absmax_mean_parameters, absmax_threads) {
    NQ_SHARED(double, chains, absmax_threads);
    const uint32_t chain = threadIdx.x % absmax_chains;
    const size_t piece = static_cast<size_t>(blockIdx.x) * absmax_pieces_per_block + threadIdx.x / absmax_chains;
    const size_t first = piece * absmax_piece;
    const bool there = first < p.count;
    if (there) {
        const uint32_t n = static_cast<uint32_t>(p.count - first < absmax_piece ? p.count - first : absmax_piece);
        const uint32_t whole = n / absmax_chains * absmax_chains;
        double sum = 0;
        for (uint32_t i = chain; i < whole; i += absmax_chains) sum += p.values[first + i];
        if (chain == 0) {
            for (uint32_t i = whole; i < n; i++) sum += p.values[first + i];
        }
        chains[threadIdx.x] = sum;
    }
    sync_block();
    if (there && chain == 0) {
        double sum = chains[threadIdx.x];
        for (uint32_t c = 1; c < absmax_chains; c++) sum += chains[threadIdx.x + c];
        p.sums[piece] = sum;
        if (sum - sum != 0)  // of a NaN or an infinity
            atomic_min(p.bad_piece, static_cast<uint32_t>(piece));
    }
}

NQ_KERNEL(nq_absmax_mean, absmax_mean_parameters, 1) {
    double sum = 0;
    for (size_t piece = 0; piece * absmax_piece < p.count; piece++) sum += p.sums[piece];
    *p.mean = static_cast<float>(sum / static_cast<double>(p.count));
}

}  // namespace nq::cuda
