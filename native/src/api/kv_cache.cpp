// KV caches and attention: checks only.
#include <cinttypes>
#include <cmath>

#include "api/arguments.h"

using namespace nq;
using namespace nq::api;

namespace {

// Far above any model; below it no size of a page or of the list of layers overflows.
constexpr uint32_t most_layers = 1 << 16;
constexpr uint64_t most_row_elements = uint64_t{1} << 32;

void require_layer(const kv_cache& cache, uint32_t layer) {
    if (layer >= cache.layers()) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "layer is %" PRIu32 ", expected below the cache's %" PRIu32, layer, cache.layers());
    }
}

}  // namespace

nq_status nq_kv_cache_create(nq_device* device, uint32_t layers, uint32_t kv_heads, uint32_t head_dim, uint64_t capacity, nq_dtype dtype,
                             nq_kv_cache** cache) noexcept {
    return guarded([&] {
        require_pointer(cache, "cache");
        const auto owner = find(device, "device");
        require_positive(layers, "layers");
        require_positive(kv_heads, "kv_heads");
        require_positive(head_dim, "head_dim");
        require_positive(capacity, "capacity");
        if (layers > most_layers)
            throw error(NQ_STATUS_INVALID_ARGUMENT, "layers is %" PRIu32 ", expected at most %" PRIu32, layers, most_layers);
        if (uint64_t{kv_heads} * head_dim > most_row_elements) {
            throw error(NQ_STATUS_INVALID_ARGUMENT, "kv_heads * head_dim is %" PRIu64 ", expected at most %" PRIu64,
                        uint64_t{kv_heads} * head_dim, most_row_elements);
        }
        require_type(dtype, floating | only(NQ_DTYPE_I8), "dtype");
        if (dtype == NQ_DTYPE_F16) throw error(NQ_STATUS_UNSUPPORTED, "a KV cache of f16 is not supported, expected f32, bf16 or i8");
        auto object = std::make_shared<kv_cache_object>();
        object->device = owner;
        object->content = owner->implementation->create_kv_cache(layers, kv_heads, head_dim, capacity, dtype);
        *cache = add<nq_kv_cache>(std::move(object));
    });
}

nq_status nq_kv_cache_destroy(nq_kv_cache* cache) noexcept { return destroy(cache, "cache"); }

nq_status nq_kv_cache_append(nq_kv_cache* cache, uint32_t layer, const nq_tensor* keys, const nq_tensor* values) noexcept {
    return guarded([&] {
        operation op;
        const auto object = op.use(cache, "cache");
        const tensor& k = op.input(keys, "keys", floating);
        const tensor& v = op.input(values, "values", floating);
        std::lock_guard lock(object->mutex);
        kv_cache& c = *object->content;
        require_layer(c, layer);
        op.require_shape(k, k.rows, size_t{c.kv_heads()} * c.head_dim());
        op.require_shape(v, k.rows, k.columns);
        if (k.rows > c.capacity() - c.length(layer)) {
            throw error(NQ_STATUS_INVALID_ARGUMENT,
                        "%zu positions appended to a cache that holds %" PRIu64 ", expected at most its capacity of %" PRIu64, k.rows,
                        c.length(layer), c.capacity());
        }
        op.device().kv_cache_append(c, layer, k, v);
    });
}

nq_status nq_kv_cache_length(nq_kv_cache* cache, uint32_t layer, uint64_t* length) noexcept {
    return guarded([&] {
        require_pointer(length, "length");
        const auto object = find(cache, "cache");
        std::lock_guard lock(object->mutex);
        require_layer(*object->content, layer);
        *length = object->content->length(layer);
    });
}

nq_status nq_kv_cache_bytes(nq_kv_cache* cache, uint64_t* bytes) noexcept {
    return guarded([&] {
        require_pointer(bytes, "bytes");
        const auto object = find(cache, "cache");
        std::lock_guard lock(object->mutex);
        *bytes = object->content->bytes();
    });
}

nq_status nq_kv_cache_truncate(nq_kv_cache* cache, uint64_t length) noexcept {
    return guarded([&] {
        const auto object = find(cache, "cache");
        std::lock_guard lock(object->mutex);
        object->device->implementation->kv_cache_truncate(*object->content, length);
    });
}

nq_status nq_attention_forward(nq_kv_cache* cache, uint32_t layer, const nq_tensor* q, float scale, uint64_t window,
                               const nq_tensor* y) noexcept {
    return guarded([&] {
        operation op;
        const auto object = op.use(cache, "cache");
        const tensor& queries = op.input(q, "q", floating);
        const tensor& out = op.output(y, "y", floating);
        std::lock_guard lock(object->mutex);
        const kv_cache& c = *object->content;
        require_layer(c, layer);
        if (queries.columns % (size_t{c.kv_heads()} * c.head_dim()) != 0) {
            throw error(NQ_STATUS_INVALID_ARGUMENT,
                        "q has %zu columns, expected a multiple of kv_heads * head_dim = %" PRIu32 " * %" PRIu32, queries.columns,
                        c.kv_heads(), c.head_dim());
        }
        if (queries.rows > c.length(layer)) {
            throw error(NQ_STATUS_INVALID_ARGUMENT, "q has %zu positions, expected at most the %" PRIu64 " that layer %" PRIu32 " holds",
                        queries.rows, c.length(layer), layer);
        }
        if (!std::isfinite(scale))
            throw error(NQ_STATUS_INVALID_ARGUMENT, "scale is %g, expected a finite number", static_cast<double>(scale));
        op.require_shape(out, queries.rows, queries.columns);
        op.device().attention_forward(c, layer, queries, scale, window, out);
    });
}
