// Keys and values of one sequence in pages of 64 positions. A page is one allocation for every layer (so that models of some size get huge
// pages) and holds for each layer and each of its key-value heads what kv_page.h describes: keys, values, and with int8 their scales.
#pragma once

#include <vector>

#include "cpu/cpu_backend.h"

namespace nq::cpu {

class paged_kv_cache final : public kv_cache {
public:
    paged_kv_cache(uint32_t layers, uint32_t kv_heads, uint32_t head_dim, uint64_t capacity, nq_dtype dtype);

    uint32_t layers() const noexcept override { return static_cast<uint32_t>(lengths_.size()); }
    uint32_t kv_heads() const noexcept override { return kv_heads_; }
    uint32_t head_dim() const noexcept override { return head_dim_; }
    uint64_t capacity() const noexcept override { return capacity_; }
    uint64_t length(uint32_t layer) const noexcept override { return lengths_[layer]; }
    uint64_t bytes() const noexcept override { return pages_.size() * page_bytes(); }
    nq_dtype dtype() const noexcept { return dtype_; }

    // Makes room for `count` more positions; on failure the cache stays as it was.
    void reserve(cpu_backend& device, uint32_t layer, size_t count);
    void set_length(uint32_t layer, size_t length) noexcept { lengths_[layer] = length; }
    void truncate(size_t length) noexcept;

    // The page that holds `position`.
    kv_page page(uint32_t layer, size_t position, size_t head) const noexcept;

private:
    static size_t pages_for(size_t positions) { return (positions + page_positions - 1) / page_positions; }
    size_t page_bytes() const noexcept { return lengths_.size() * kv_heads_ * head_bytes_; }

    uint32_t kv_heads_;
    uint32_t head_dim_;
    uint64_t capacity_;
    nq_dtype dtype_;
    size_t key_bytes_;  // of one head's keys in a page
    size_t head_bytes_;
    std::vector<size_t> lengths_;
    std::vector<std::unique_ptr<allocation>> pages_;
};

}  // namespace nq::cpu
