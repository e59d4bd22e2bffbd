// Parameters of the kernels in attention_prefill.cu.
#pragma once

#include "cuda/kernel.h"
#include "cuda/kernels/attention.h"

namespace nq::cuda {

// Blocks: [rows of a head, last first][head], heads innermost.
struct attention_prefill_parameters {
    attention_operation operation;
    uint32_t row_blocks;  // of a head
};

inline constexpr uint32_t prefill_warp_rows = 16;
inline constexpr uint32_t most_prefill_threads = 128;

struct prefill_variant {
    uint32_t most_head_dim;
    uint32_t threads;
    kernel<attention_prefill_parameters> f32, bf16, int8;  // by type of the cache
};
inline constexpr prefill_variant prefill_variants[] = {
    {64,
     128,
     {"attention_prefill", "nq_attention_prefill_f32_64"},
     {"attention_prefill", "nq_attention_prefill_bf16_64"},
     {"attention_prefill", "nq_attention_prefill_int8_64"}},
    {128,
     128,
     {"attention_prefill", "nq_attention_prefill_f32_128"},
     {"attention_prefill", "nq_attention_prefill_bf16_128"},
     {"attention_prefill", "nq_attention_prefill_int8_128"}},
    {256,
     64,
     {"attention_prefill", "nq_attention_prefill_f32_256"},
     {"attention_prefill", "nq_attention_prefill_bf16_256"},
     {"attention_prefill", "nq_attention_prefill_int8_256"}},
};

NQ_HOST_DEVICE constexpr uint32_t prefill_block_rows(uint32_t threads) { return threads / 32 * prefill_warp_rows; }
// Three parts of q, and one (f32: three) of a page of keys or values.
NQ_HOST_DEVICE constexpr uint32_t prefill_shared_bytes(uint32_t threads, uint64_t head_dim, nq_dtype cache) {
    return static_cast<uint32_t>(2 * kv_key_columns(head_dim) *
                                 (3 * prefill_block_rows(threads) + (cache == NQ_DTYPE_F32 ? 3 : 1) * page_positions));
}

}  // namespace nq::cuda
