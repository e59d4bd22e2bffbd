// Parameters of the kernels in attention_decode.cu.
#pragma once

#include "cuda/kernel.h"
#include "cuda/kernels/attention.h"

namespace nq::cuda {

inline constexpr uint32_t most_decode_threads = 256, most_decode_rows = 8, most_decode_spans = 256;
inline constexpr uint32_t attention_merge_threads = 128;

// Blocks: [element chunk][row chunk][head][span], spans innermost.
struct attention_decode_parameters {
    attention_operation operation;
    uint32_t width;           // elements of a head that a block adds up: a power of two, 32 to the number of threads
    uint32_t row_chunks;      // of a head
    uint32_t spans;           // parts of the positions
    uint32_t span_positions;  // a multiple of the number of threads
    float* partial;           // spans > 1: [head][row][span][head_dim + 2]: acc, largest score, sum of weights
};

inline constexpr kernel<attention_decode_parameters> attention_decode_kernels[] = {
    {"attention_decode", "nq_attention_decode_1"},
    {"attention_decode", "nq_attention_decode_2"},
    {"attention_decode", "nq_attention_decode_4"},
    {"attention_decode", "nq_attention_decode_8"},
};
// A block for each head and row.
inline constexpr kernel<attention_decode_parameters> attention_merge_kernel{"attention_decode", "nq_attention_merge"};

// Floats of shared memory: q, then scores.
NQ_HOST_DEVICE constexpr uint64_t decode_shared_floats(uint32_t rows, uint64_t head_dim, uint32_t threads) {
    return rows * (kv_key_columns(head_dim) + threads);
}

}  // namespace nq::cuda
