// Where keys and values lie in a page of a KV cache: 64 consecutive positions of one key-value head. Both are read 16 bytes a thread, a
// warp 512 consecutive bytes, whatever the type and the size of a head: a granule is 16 bytes of terms of one sum. Threads own positions
// while they multiply with keys, so a granule of keys is of consecutive elements of one position; they own elements while they add up
// values, so a granule of values is of one element at consecutive positions.
//
// D = head_dim, C = D rounded up to 16, g = elements of a granule (f32 4, bf16 8, int8 16).
//   keys    [C / g][64][g]; elements past D are 0
//   values  [64 / g][D][g]  (bf16: the space of D rounded up to 2)
//   scales  int8 only: [64] f32 for the keys, then [64] for the values
// A page holds the heads of all layers: [layer][head][keys, values, scales]. Positions not yet written hold numbers that may not reach a
// result.
#pragma once

#include "cuda/device/target.h"
#include "nativequant/nativequant.h"

namespace nq::cuda {

inline constexpr uint32_t page_positions = 64;

NQ_HOST_DEVICE constexpr uint32_t kv_element_bytes(nq_dtype dtype) { return dtype == NQ_DTYPE_F32 ? 4 : dtype == NQ_DTYPE_BF16 ? 2 : 1; }
// Elements of a granule.
NQ_HOST_DEVICE constexpr uint32_t kv_granule(nq_dtype dtype) { return 16 / kv_element_bytes(dtype); }
NQ_HOST_DEVICE constexpr uint64_t kv_key_columns(uint64_t head_dim) { return (head_dim + 15) / 16 * 16; }

// Counted in elements, within keys and within values.
NQ_HOST_DEVICE constexpr uint64_t kv_key_index(uint32_t granule, uint32_t position, uint64_t element) {
    return (element / granule * page_positions + position) * granule + element % granule;
}
NQ_HOST_DEVICE constexpr uint64_t kv_value_index(uint32_t granule, uint64_t head_dim, uint32_t position, uint64_t element) {
    return (position / granule * head_dim + element) * granule + position % granule;
}

NQ_HOST_DEVICE constexpr uint64_t kv_key_bytes(nq_dtype dtype, uint64_t head_dim) {
    return page_positions * kv_key_columns(head_dim) * kv_element_bytes(dtype);
}
NQ_HOST_DEVICE constexpr uint64_t kv_value_bytes(nq_dtype dtype, uint64_t head_dim) {
    return page_positions * (dtype == NQ_DTYPE_BF16 ? (head_dim + 1) / 2 * 2 : head_dim) * kv_element_bytes(dtype);
}
// Of one head's part of a page.
NQ_HOST_DEVICE constexpr uint64_t kv_head_bytes(nq_dtype dtype, uint64_t head_dim) {
    return kv_key_bytes(dtype, head_dim) + kv_value_bytes(dtype, head_dim) + (dtype == NQ_DTYPE_I8 ? 2 * page_positions * 4 : 0);
}

// One layer of a cache as kernels see it.
struct kv_view {
    uint8_t* const* pages;
    uint64_t layer_offset;  // bytes from the start of a page
    uint64_t head_bytes, key_bytes, value_bytes;
    nq_dtype dtype;
    uint32_t kv_heads;
    uint32_t head_dim;
};

NQ_HOST_DEVICE uint8_t* kv_head(const kv_view& cache, uint64_t page, uint64_t head) {
    return cache.pages[page] + cache.layer_offset + head * cache.head_bytes;
}
NQ_HOST_DEVICE float* kv_key_scales(const kv_view& cache, uint8_t* head) {
    return reinterpret_cast<float*>(head + cache.key_bytes + cache.value_bytes);
}
NQ_HOST_DEVICE float* kv_value_scales(const kv_view& cache, uint8_t* head) { return kv_key_scales(cache, head) + page_positions; }

}  // namespace nq::cuda
