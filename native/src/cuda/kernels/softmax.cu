// Logarithms of probabilities.
//
//   nq_log_softmax            y = logits - log(sum(exp(logits))), per row
//   nq_token_log_probability  y[t] = the same for element ids[t] of row t alone
// logits, y: views [T, V] of f32, f16 or bf16, in place allowed; the y of a token f32. e^(x - largest) is f32, the sum and its logarithm
// f64, added up in an order that depends on V alone. A NaN makes its row NaN. A row whose id is out of range is not written; block 0 notes
// the first such id.
//
// Launch: a block of 512 threads a row, four elements a thread at a time; 200 bytes of shared memory; at most 40 registers.
// Cost: reads the logits twice (three times with log-softmax; again from cache up to some 100 kB a row) and writes y; about 10 operations
// an element and one f64 addition. One row of 128 000 f32 is limited by what one multiprocessor reads: about 10 microseconds.
#include "cuda/kernels/softmax.h"

#include "cuda/device/block_reduce.h"
#include "cuda/device/logarithm.h"
#include "cuda/device/rows.h"

namespace nq::cuda {

// log(sum(exp(x))) of a row, the same in every thread of the block.
NQ_DEVICE double log_sum_exp(const row& x) {
    const float infinity = float_of(0x7f800000);
    float most = -infinity;
    for (uint64_t i = 4 * threadIdx.x; i < x.columns; i += 4 * blockDim.x) {
        float v[4];
        load_quad(x, i, -infinity, v);
        NQ_UNROLL
        for (int e = 0; e < 4; e++) most = largest_of()(most, v[e]);
    }
    most = reduce_block(most, largest_of());
    if (!(most < infinity && most > -infinity)) return most;
    double sum = 0;
    for (uint64_t i = 4 * threadIdx.x; i < x.columns; i += 4 * blockDim.x) {
        float v[4];
        load_quad(x, i, -infinity, v);
        NQ_UNROLL
        for (int e = 0; e < 4; e++) sum += static_cast<double>(exponential(v[e] - most));
    }
    return static_cast<double>(most) + natural_logarithm(reduce_block(sum, sum_of()));
}

NQ_KERNEL(nq_log_softmax, log_softmax_parameters, softmax_threads) {
    for (uint64_t t = blockIdx.x; t < p.logits.rows; t += gridDim.x) {
        const row x = row_of(p.logits, t), y = row_of(p.y, t);
        const double normalizer = log_sum_exp(x);
        for (uint64_t i = 4 * threadIdx.x; i < x.columns; i += 4 * blockDim.x) {
            float v[4];
            load_quad(x, i, 0, v);
            NQ_UNROLL
            for (int e = 0; e < 4; e++) v[e] = static_cast<float>(static_cast<double>(v[e]) - normalizer);
            store_quad(y, i, v);
        }
    }
}

NQ_KERNEL(nq_token_log_probability, token_log_probability_parameters, softmax_threads) {
    if (blockIdx.x == 0) check_indices(p.ids, p.logits.rows, p.logits.columns, index_kind::token_id, p.error);
    for (uint64_t t = blockIdx.x; t < p.logits.rows; t += gridDim.x) {
        const uint32_t id = p.ids[t];
        if (id >= p.logits.columns) continue;
        const row x = row_of(p.logits, t);
        const double normalizer = log_sum_exp(x);
        if (threadIdx.x == 0) p.y[t] = static_cast<float>(static_cast<double>(load_as_f32(x.data, x.dtype, id)) - normalizer);
    }
}

}  // namespace nq::cuda
