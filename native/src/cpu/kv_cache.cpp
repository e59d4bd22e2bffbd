#include "cpu/kv_cache.h"

#include "cpu/staging.h"

namespace nq::cpu {

void paged_kv_cache::reserve(cpu_backend& device, uint32_t layer, size_t count) {
    layer_pages& l = layers_[layer];
    const size_t before = l.pages.size(), needed = pages_for(l.length + count);
    try {
        l.pages.reserve(needed);
        while (l.pages.size() < needed) {
            l.pages.push_back(
                std::make_unique<allocation>(device.account(), size_t{2} * kv_heads_ * page_positions * head_dim_ * sizeof(float)));
        }
    } catch (...) {
        l.pages.resize(before);
        throw;
    }
}

void paged_kv_cache::truncate(size_t length) noexcept {
    for (layer_pages& l : layers_) {
        if (l.length <= length) continue;
        l.length = length;
        l.pages.resize(pages_for(length));
    }
}

std::shared_ptr<kv_cache> cpu_backend::create_kv_cache(uint32_t layers, uint32_t kv_heads, uint32_t head_dim, uint64_t capacity, nq_dtype) {
    return std::make_shared<paged_kv_cache>(layers, kv_heads, head_dim, capacity);
}

void cpu_backend::kv_cache_append(kv_cache& cache, uint32_t layer, const tensor& keys, const tensor& values) {
    paged_kv_cache& pages = static_cast<paged_kv_cache&>(cache);
    pages.reserve(*this, layer, keys.rows);
    const size_t first = pages.length(layer), head_dim = cache.head_dim();
    const auto store = [&](const tensor& source, size_t t, size_t head, float* destination) {
        const char* from = row_address(source, t) + head * head_dim * element_size(source.dtype);
        kernels_.convert_to_f32(from, source.dtype, destination, head_dim);
    };
    parallel(keys.rows, 2 * keys.columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t t = begin; t < end; t++) {
            for (size_t head = 0; head < cache.kv_heads(); head++) {
                store(keys, t, head, pages.key(layer, first + t, head));
                store(values, t, head, pages.value(layer, first + t, head));
            }
        }
    });
    pages.set_length(layer, first + keys.rows);
}

void cpu_backend::kv_cache_truncate(kv_cache& cache, uint64_t length) { static_cast<paged_kv_cache&>(cache).truncate(length); }

}  // namespace nq::cpu
