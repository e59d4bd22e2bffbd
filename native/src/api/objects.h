// What handles stand for. A child holds its device, so any order of destruction is right.
#pragma once

#include <memory>
#include <mutex>

#include "api/call.h"
#include "api/handle_table.h"
#include "backend.h"

namespace nq::api {

struct device_object {
    std::shared_ptr<backend> implementation;
};

struct buffer_object {
    std::shared_ptr<device_object> device;
    std::unique_ptr<memory> content;
    size_t bytes;
};

struct matrix_object {
    std::shared_ptr<device_object> device;
    std::shared_ptr<matrix> content;
    nq_matrix_info info;
};

struct kv_cache_object {
    std::shared_ptr<device_object> device;
    std::shared_ptr<kv_cache> content;
    // A cache is for one thread at a time; two must still not crash.
    std::mutex mutex;
};

// Each handle type with its object and kind.
template <class Handle>
struct handle_traits;
template <>
struct handle_traits<nq_device> {
    using object = device_object;
    static constexpr handle_kind kind = handle_kind::device;
};
template <>
struct handle_traits<nq_buffer> {
    using object = buffer_object;
    static constexpr handle_kind kind = handle_kind::buffer;
};
template <>
struct handle_traits<nq_matrix> {
    using object = matrix_object;
    static constexpr handle_kind kind = handle_kind::matrix;
};
template <>
struct handle_traits<nq_kv_cache> {
    using object = kv_cache_object;
    static constexpr handle_kind kind = handle_kind::kv_cache;
};

// Messages name `of` and `what` one after the other: putting them together here would cost more than the search.
template <class Handle>
std::shared_ptr<typename handle_traits<Handle>::object> find(Handle* handle, const char* what, const char* of = "") {
    using traits = handle_traits<Handle>;
    require_pointer(handle, what, of);
    return std::static_pointer_cast<typename traits::object>(
        handle_table::shared().find(traits::kind, reinterpret_cast<uint64_t>(handle), what, of));
}

template <class Handle>
Handle* add(std::shared_ptr<typename handle_traits<Handle>::object> object) {
    return reinterpret_cast<Handle*>(handle_table::shared().add(handle_traits<Handle>::kind, std::move(object)));
}

template <class Handle>
nq_status destroy(Handle* handle, const char* what, const char* function = __builtin_FUNCTION()) noexcept {
    if (handle == nullptr) return NQ_STATUS_OK;
    return guarded([&] { handle_table::shared().remove(handle_traits<Handle>::kind, reinterpret_cast<uint64_t>(handle), what); }, function);
}

}  // namespace nq::api
