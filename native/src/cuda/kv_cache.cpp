#include "cuda/kv_cache.h"

#include <algorithm>

#include "cuda/kernels/kv_cache.h"

namespace nq::cuda {

namespace {

constexpr size_t first_table_pages = 64;  // 4096 positions

// Tells the device where pages from `first` on are.
void publish(cuda_backend& device, const device_block& table, const std::vector<uint8_t*>& addresses, size_t first) {
    while (first < addresses.size()) {
        kv_set_pages_parameters p{table.as<uint8_t*>(), static_cast<uint32_t>(first), 0, {}};
        p.count = static_cast<uint32_t>(std::min<size_t>(kv_pages_at_once, addresses.size() - first));
        std::copy_n(addresses.begin() + static_cast<ptrdiff_t>(first), p.count, p.addresses);
        device.device().launch(kv_set_pages_kernel, {.threads = kv_pages_at_once}, p);
        first += p.count;
    }
}

}  // namespace

paged_kv_cache::paged_kv_cache(cuda_backend& device, uint32_t layers, uint32_t kv_heads, uint32_t head_dim, uint64_t capacity,
                               nq_dtype dtype)
    : kv_heads_(kv_heads),
      head_dim_(head_dim),
      capacity_(capacity),
      dtype_(dtype),
      lengths_(layers),
      table_(std::make_unique<device_block>(device.blocks(), first_table_pages * sizeof(uint8_t*))) {}

void paged_kv_cache::reserve(cuda_backend& device, uint32_t layer, uint64_t count) {
    const size_t before = pages_.size(), needed = pages_for(lengths_[layer] + count);
    if (needed <= before) return;
    std::vector<std::unique_ptr<device_block>> fresh;
    std::vector<uint8_t*> addresses;
    for (const auto& page : pages_) addresses.push_back(page->as<uint8_t>());
    device.device().make_current();
    while (addresses.size() < needed) {
        fresh.push_back(std::make_unique<device_block>(device.blocks(), page_bytes()));
        addresses.push_back(fresh.back()->as<uint8_t>());
        device.device().check(device.device().api().set_bytes(reinterpret_cast<driver::device_pointer>(addresses.back()), 0, page_bytes(),
                                                              device.device().stream()),
                              "clearing device memory");
    }
    if (needed * sizeof(uint8_t*) > table_->bytes()) {
        auto larger = std::make_unique<device_block>(device.blocks(), std::max(needed * sizeof(uint8_t*), 2 * table_->bytes()));
        publish(device, *larger, addresses, 0);
        table_ = std::move(larger);
    } else {
        publish(device, *table_, addresses, before);
    }
    std::move(fresh.begin(), fresh.end(), std::back_inserter(pages_));
}

void paged_kv_cache::truncate(uint64_t length) noexcept {
    uint64_t longest = 0;
    for (uint64_t& l : lengths_) longest = std::max(longest, l = std::min(l, length));
    if (pages_for(longest) < pages_.size()) pages_.resize(pages_for(longest));
}

kv_view paged_kv_cache::layer(uint32_t layer) const noexcept {
    const uint64_t head_bytes = kv_head_bytes(dtype_, head_dim_);
    return {table_->as<uint8_t*>(),
            uint64_t{layer} * kv_heads_ * head_bytes,
            head_bytes,
            kv_key_bytes(dtype_, head_dim_),
            kv_value_bytes(dtype_, head_dim_),
            dtype_,
            kv_heads_,
            head_dim_};
}

}  // namespace nq::cuda
