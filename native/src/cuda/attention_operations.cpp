// The KV cache, and attention over it: few query rows are split over positions, many go through tiles.
#include <algorithm>

#include "cuda/cuda_backend.h"
#include "cuda/fail.h"
#include "cuda/kernels/attention_decode.h"
#include "cuda/kernels/attention_prefill.h"
#include "cuda/kernels/kv_cache.h"
#include "cuda/kv_cache.h"

namespace nq::cuda {

namespace {

constexpr uint32_t most_head_dim = 8192;  // what queries of a row fit into shared memory, with room

uint64_t divide_up(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// How many query rows share a block, and how a device is filled with blocks.
void enqueue_decode(cuda_backend& device, const attention_operation& a) {
    const uint32_t head_dim = a.cache.head_dim, threads = head_dim <= 128 ? 128 : most_decode_threads;
    const uint64_t rows = attention_rows(a);
    size_t variant = rows >= 5 ? 3 : rows >= 3 ? 2 : rows >= 2 ? 1 : 0;
    while (variant > 0 && decode_shared_floats(1u << variant, head_dim, threads) * sizeof(float) > 40 << 10) variant--;
    const uint32_t block_rows = 1u << variant;

    attention_decode_parameters p{};
    p.operation = a;
    p.width = 32;
    while (p.width < head_dim && p.width < threads) p.width *= 2;
    p.row_chunks = static_cast<uint32_t>(divide_up(rows, block_rows));
    const uint64_t first_page = first_position(a, 0) / page_positions;
    const uint64_t tiles = divide_up(a.length - first_page * page_positions, threads);
    const uint64_t blocks = a.cache.kv_heads * p.row_chunks * divide_up(head_dim, p.width);
    constexpr uint64_t blocks_per_multiprocessor = 4;
    const uint64_t wanted = divide_up(device.device().multiprocessors() * blocks_per_multiprocessor, blocks);
    const uint64_t span_tiles = divide_up(tiles, std::clamp<uint64_t>(wanted, 1, std::min<uint64_t>(tiles, most_decode_spans)));
    p.spans = static_cast<uint32_t>(divide_up(tiles, span_tiles));
    p.span_positions = static_cast<uint32_t>(span_tiles * threads);

    const unsigned shared = static_cast<unsigned>(decode_shared_floats(block_rows, head_dim, threads) * sizeof(float));
    const launch_shape shape{.grid_x = static_cast<unsigned>(blocks * p.spans), .threads = threads, .dynamic_shared_bytes = shared};
    const device_block partial =
        device.scratch(p.spans == 1 ? sizeof(float) : a.cache.kv_heads * rows * p.spans * (head_dim + 2) * sizeof(float));
    p.partial = partial.as<float>();
    device.device().launch(attention_decode_kernels[variant], shape, p);
    if (p.spans > 1)
        device.device().launch(attention_merge_kernel,
                               {.grid_x = static_cast<unsigned>(a.cache.kv_heads * rows), .threads = attention_merge_threads}, p);
}

// False if tensor cores cannot, or are not the better ones.
bool enqueue_prefill(cuda_backend& device, const attention_operation& a) {
    constexpr uint64_t least_rows = prefill_warp_rows + 1, most_length = 1u << 31;  // positions in 32 bits
    // A multiprocessor gets through a row some three times faster here, but positions are not split: with few blocks most have nothing to
    // do.
    constexpr uint64_t advantage = 3;
    const uint64_t rows = attention_rows(a);
    const nq_dtype type = a.cache.dtype;
    if (device.device().compute_capability() < 80 || rows < least_rows || a.length > most_length) return false;
    for (const prefill_variant& v : prefill_variants) {
        if (a.cache.head_dim > v.most_head_dim) continue;
        const uint64_t row_blocks = divide_up(rows, prefill_block_rows(v.threads)), blocks = row_blocks * a.cache.kv_heads;
        const unsigned shared = prefill_shared_bytes(v.threads, a.cache.head_dim, type), with_static_arrays = shared + 64;
        if (blocks * advantage < device.device().multiprocessors() || with_static_arrays > device.device().shared_memory_per_block())
            return false;
        device.device().launch(type == NQ_DTYPE_F32    ? v.f32
                               : type == NQ_DTYPE_BF16 ? v.bf16
                                                       : v.int8,
                               {.grid_x = static_cast<unsigned>(blocks), .threads = v.threads, .dynamic_shared_bytes = shared},
                               {a, static_cast<uint32_t>(row_blocks)});
        return true;
    }
    return false;
}

}  // namespace

std::shared_ptr<kv_cache> cuda_backend::create_kv_cache(uint32_t layers, uint32_t kv_heads, uint32_t head_dim, uint64_t capacity,
                                                        nq_dtype dtype) {
    if (head_dim > most_head_dim)
        fail(NQ_STATUS_UNSUPPORTED, "head_dim is %u, expected at most %u on a CUDA device", head_dim, most_head_dim);
    return std::make_shared<paged_kv_cache>(*this, layers, kv_heads, head_dim, capacity, dtype);
}

void cuda_backend::kv_cache_append(kv_cache& cache, uint32_t layer, const tensor& keys, const tensor& values) {
    paged_kv_cache& pages = static_cast<paged_kv_cache&>(cache);
    pages.reserve(*this, layer, keys.rows);
    const uint64_t before = pages.length(layer), after = before + keys.rows;
    const uint64_t touched = (after - 1) / page_positions - before / page_positions + 1;
    device_->launch(kv_append_kernel, {.grid_x = static_cast<unsigned>(touched * cache.kv_heads() * 2), .threads = kv_append_threads},
                    {pages.layer(layer), view_of(keys), view_of(values), before});
    pages.set_length(layer, after);
}

void cuda_backend::kv_cache_truncate(kv_cache& cache, uint64_t length) { static_cast<paged_kv_cache&>(cache).truncate(length); }

void cuda_backend::attention_forward(const kv_cache& cache, uint32_t layer, const tensor& q, float scale, uint64_t window,
                                     const tensor& y) {
    const uint64_t length = cache.length(layer), group = q.columns / cache.head_dim() / cache.kv_heads();
    const attention_operation a{static_cast<const paged_kv_cache&>(cache).layer(layer),
                                view_of(q),
                                view_of(y),
                                length,
                                window == 0 ? length : std::min(window, length),
                                static_cast<uint32_t>(group),
                                scale};
    if (!enqueue_prefill(*this, a)) enqueue_decode(*this, a);
}

}  // namespace nq::cuda
