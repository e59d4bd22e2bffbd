// Keys and values of one sequence on a CUDA device, in pages of 64 positions. A page is one block of memory for every layer and head
// (layout: device/kv_layout.h); the device finds pages through a table of their addresses.
#pragma once

#include <memory>
#include <vector>

#include "cuda/cuda_backend.h"
#include "cuda/device/kv_layout.h"

namespace nq::cuda {

class paged_kv_cache final : public kv_cache {
public:
    paged_kv_cache(cuda_backend& device, uint32_t layers, uint32_t kv_heads, uint32_t head_dim, uint64_t capacity, nq_dtype dtype);

    uint32_t layers() const noexcept override { return static_cast<uint32_t>(lengths_.size()); }
    uint32_t kv_heads() const noexcept override { return kv_heads_; }
    uint32_t head_dim() const noexcept override { return head_dim_; }
    uint64_t capacity() const noexcept override { return capacity_; }
    uint64_t length(uint32_t layer) const noexcept override { return lengths_[layer]; }
    uint64_t bytes() const noexcept override { return pages_.size() * page_bytes(); }

    // Makes room for `count` more positions; on failure the cache stays as it was.
    void reserve(cuda_backend& device, uint32_t layer, uint64_t count);
    void set_length(uint32_t layer, uint64_t length) noexcept { lengths_[layer] = length; }
    void truncate(uint64_t length) noexcept;
    kv_view layer(uint32_t layer) const noexcept;

private:
    static uint64_t pages_for(uint64_t positions) { return (positions + page_positions - 1) / page_positions; }
    uint64_t page_bytes() const noexcept { return lengths_.size() * kv_heads_ * kv_head_bytes(dtype_, head_dim_); }

    uint32_t kv_heads_;
    uint32_t head_dim_;
    uint64_t capacity_;
    nq_dtype dtype_;
    std::vector<uint64_t> lengths_;
    std::vector<std::unique_ptr<device_block>> pages_;
    std::unique_ptr<device_block> table_;  // addresses of the pages, with room for more
};

}  // namespace nq::cuda
