// Keys and values of one sequence in pages of 64 positions. A page belongs to one layer and holds, for each key-value head in turn, 64 keys
// and then 64 values of head_dim f32, so that one head's positions are contiguous for the attention kernels.
#pragma once

#include <vector>

#include "cpu/cpu_backend.h"

namespace nq::cpu {

class paged_kv_cache final : public kv_cache {
public:
    static constexpr size_t page_positions = 64;

    paged_kv_cache(uint32_t layers, uint32_t kv_heads, uint32_t head_dim, uint64_t capacity)
        : kv_heads_(kv_heads), head_dim_(head_dim), capacity_(capacity), layers_(layers) {}

    uint32_t layers() const noexcept override { return static_cast<uint32_t>(layers_.size()); }
    uint32_t kv_heads() const noexcept override { return kv_heads_; }
    uint32_t head_dim() const noexcept override { return head_dim_; }
    uint64_t capacity() const noexcept override { return capacity_; }
    uint64_t length(uint32_t layer) const noexcept override { return layers_[layer].length; }

    // Makes room for `count` more positions; on failure the cache stays as it was.
    void reserve(cpu_backend& device, uint32_t layer, size_t count);
    void set_length(uint32_t layer, size_t length) noexcept { layers_[layer].length = length; }
    void truncate(size_t length) noexcept;

    // head_dim keys (values) of one position; positions of one page follow each other.
    float* key(uint32_t layer, size_t position, size_t head) const noexcept { return place(layer, position, head, 0); }
    float* value(uint32_t layer, size_t position, size_t head) const noexcept { return place(layer, position, head, page_positions); }

private:
    struct layer_pages {
        std::vector<std::unique_ptr<allocation>> pages;
        size_t length = 0;
    };

    static size_t pages_for(size_t positions) { return (positions + page_positions - 1) / page_positions; }
    float* place(uint32_t layer, size_t position, size_t head, size_t half) const noexcept {
        float* page = layers_[layer].pages[position / page_positions]->as<float>();
        return page + (head * 2 * page_positions + half + position % page_positions) * head_dim_;
    }

    uint32_t kv_heads_, head_dim_;
    uint64_t capacity_;
    std::vector<layer_pages> layers_;
};

}  // namespace nq::cpu
