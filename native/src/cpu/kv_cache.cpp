#include "cpu/kv_cache.h"

#include "cpu/staging.h"

namespace nq::cpu {

paged_kv_cache::paged_kv_cache(uint32_t layers, uint32_t kv_heads, uint32_t head_dim, uint64_t capacity, nq_dtype dtype)
    : kv_heads_(kv_heads),
      head_dim_(head_dim),
      capacity_(capacity),
      dtype_(dtype),
      key_bytes_(page_positions * page_key_rows(dtype, head_dim) * element_size(dtype)),
      head_bytes_(key_bytes_ + page_positions * page_columns(head_dim) * element_size(dtype) +
                  (dtype == NQ_DTYPE_I8 ? 2 * page_positions * sizeof(float) : 0)),
      lengths_(layers) {}

void paged_kv_cache::reserve(cpu_backend& device, uint32_t layer, size_t count) {
    const size_t before = pages_.size(), needed = pages_for(lengths_[layer] + count);
    try {
        while (pages_.size() < needed) pages_.push_back(std::make_unique<allocation>(device.account(), page_bytes()));
    } catch (...) {
        pages_.resize(before);
        throw;
    }
}

void paged_kv_cache::truncate(size_t length) noexcept {
    size_t longest = 0;
    for (size_t& l : lengths_) longest = std::max(longest, l = std::min(l, length));
    if (pages_for(longest) < pages_.size()) pages_.resize(pages_for(longest));
}

kv_page paged_kv_cache::page(uint32_t layer, size_t position, size_t head) const noexcept {
    const size_t index = position / page_positions;
    char* const keys = pages_[index]->as<char>() + (size_t{layer} * kv_heads_ + head) * head_bytes_;
    char* const values = keys + key_bytes_;
    float* key_scales = nullptr;
    float* value_scales = nullptr;
    if (dtype_ == NQ_DTYPE_I8) {
        value_scales = reinterpret_cast<float*>(keys + head_bytes_) - page_positions;
        key_scales = value_scales - page_positions;
    }
    return {keys, values, key_scales, value_scales, dtype_, head_dim_, index * page_positions, head_bytes_, nullptr};
}

std::shared_ptr<kv_cache> cpu_backend::create_kv_cache(uint32_t layers, uint32_t kv_heads, uint32_t head_dim, uint64_t capacity,
                                                       nq_dtype dtype) {
    return std::make_shared<paged_kv_cache>(layers, kv_heads, head_dim, capacity, dtype);
}

namespace {

// Puts one head's keys (values) of a position into its page. narrow: as many elements of the page's type.
struct page_writer {
    const kernels& k;
    nq_dtype dtype;
    size_t head_dim;
    void* narrow;

    template <class T>
    void scatter(const T* source, void* destination, size_t position, bool is_key) const {
        const size_t columns = is_key ? page_positions : page_columns(head_dim);
        for (size_t i = 0; i < head_dim; i++)
            static_cast<T*>(destination)[is_key ? page_index(dtype, i, position, columns) : page_index(dtype, position, i, columns)] =
                source[i];
    }

    void write(const float* source, void* page, float* scales, size_t position, bool is_key) const {
        if (dtype == NQ_DTYPE_F32) return scatter(source, page, position, is_key);
        if (dtype == NQ_DTYPE_BF16) {
            k.convert_from_f32(source, narrow, dtype, head_dim);
            return scatter(static_cast<const uint16_t*>(narrow), page, position, is_key);
        }
        float absmax = k.absmax(source, head_dim);
        if (absmax < 0x1p-120f) absmax = 0;  // 127 / absmax would overflow
        k.int8_quantize_row(source, head_dim, absmax, 0.0f, nullptr, static_cast<int8_t*>(narrow));
        scatter(static_cast<const int8_t*>(narrow), page, position, is_key);
        scales[position] = absmax / 127;
    }
};

}  // namespace

void cpu_backend::kv_cache_append(kv_cache& cache, uint32_t layer, const tensor& keys, const tensor& values) {
    paged_kv_cache& pages = static_cast<paged_kv_cache&>(cache);
    pages.reserve(*this, layer, keys.rows);
    const size_t before = pages.length(layer), after = before + keys.rows, head_dim = cache.head_dim(), heads = cache.kv_heads();
    const size_t first_page = before / page_positions, page_count = (after - 1) / page_positions - first_page + 1;
    const size_t temporaries = page_columns(head_dim);
    const auto scratch = scratch_.take_array<float>(threads_ * 2 * temporaries);
    // A page of a head belongs to one task: its positions share cache lines.
    parallel(page_count * heads, 4 * std::min(keys.rows, page_positions) * head_dim, [&](size_t begin, size_t end, uint32_t worker) {
        float* const wide = scratch.as<float>() + worker * 2 * temporaries;
        const page_writer writer{kernels_, pages.dtype(), head_dim, wide + temporaries};
        for (size_t task = begin; task < end; task++) {
            const size_t start = (first_page + task / heads) * page_positions, head = task % heads;
            const kv_page page = pages.page(layer, start, head);
            for (size_t p = std::max(start, before); p < std::min(start + page_positions, after); p++) {
                const auto load = [&](const tensor& source) {
                    const char* from = row_address(source, p - before) + head * head_dim * element_size(source.dtype);
                    kernels_.convert_to_f32(from, source.dtype, wide, head_dim);
                    return wide;
                };
                writer.write(load(keys), page.keys, page.key_scales, p - start, true);
                writer.write(load(values), page.values, page.value_scales, p - start, false);
            }
        }
    });
    pages.set_length(layer, after);
}

void cpu_backend::kv_cache_truncate(kv_cache& cache, uint64_t length) { static_cast<paged_kv_cache&>(cache).truncate(length); }

}  // namespace nq::cpu
