// The emulated driver's side of the driver API: devices, contexts, memory, streams, events. Modules, launches and graphs are in
// kernels.cpp.
#include "cuda/driver/driver.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "exports.h"
#include "state.h"

using emulation::failure;
using emulation::state;

namespace {

template <class F>
result call(const char* function, F&& body) {
    return state::get().call(function, true, [&] { body(state::get()); });
}

template <class F>
result call_without_context(const char* function, F&& body) {
    return state::get().call(function, false, [&] { body(state::get()); });
}

void need_device(const state& s, device d) {
    if (!s.initialized()) {
        throw failure(emulation::not_initialized, "before cuInit");
    }
    if (d < 0 || d >= s.environment.devices) {
        throw failure(invalid_device, "");
    }
}

template <class T>
T* handle(const void* object) {
    return reinterpret_cast<T*>(const_cast<void*>(object));
}

struct named_error {
    result code;
    const char *name, *text;
};
constexpr named_error errors[] = {
    {success, "CUDA_SUCCESS", "no error"},
    {emulation::invalid_value, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {out_of_memory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {emulation::not_initialized, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {no_device, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {invalid_device, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {emulation::invalid_image, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {emulation::invalid_context, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {emulation::no_binary_for_device, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {emulation::invalid_ptx, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {emulation::invalid_handle, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {not_found, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {not_ready, "CUDA_ERROR_NOT_READY", "device not ready"},
    {emulation::illegal_address, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {emulation::launch_timeout, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {emulation::illegal_instruction, "CUDA_ERROR_ILLEGAL_INSTRUCTION", "an illegal instruction was encountered"},
    {emulation::misaligned_address, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {emulation::launch_failed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
};

const named_error* find_error(result r) {
    const auto* const found = std::find_if(std::begin(errors), std::end(errors), [=](const named_error& e) { return e.code == r; });
    return found != std::end(errors) ? found : nullptr;
}

}  // namespace

result cuInit(unsigned) {
    return call_without_context("cuInit", [](state& s) { s.initialize(); });
}
result cuDriverGetVersion(int* version) {
    return call_without_context("cuDriverGetVersion", [=](state&) { *version = emulation::settings::of_environment().driver_version; });
}
result cuGetErrorName(result error, const char** name) {
    const named_error* const e = find_error(error);
    *name = e != nullptr ? e->name : nullptr;
    return e != nullptr ? success : emulation::invalid_value;
}
result cuGetErrorString(result error, const char** text) {
    const named_error* const e = find_error(error);
    *text = e != nullptr ? e->text : nullptr;
    return e != nullptr ? success : emulation::invalid_value;
}

result cuDeviceGetCount(int* count) {
    return call_without_context("cuDeviceGetCount", [=](state& s) { *count = s.initialized() ? s.environment.devices : 0; });
}
result cuDeviceGet(device* d, int ordinal) {
    return call_without_context("cuDeviceGet", [=](state& s) {
        need_device(s, ordinal);
        *d = ordinal;
    });
}
result cuDeviceGetName(char* name, int length, device d) {
    return call_without_context("cuDeviceGetName", [=](state& s) {
        need_device(s, d);
        std::snprintf(name, static_cast<size_t>(length), "%s", s.device->name());
    });
}
result cuDeviceGetAttribute(int* value, device_attribute attribute, device d) {
    return call_without_context("cuDeviceGetAttribute", [=](state& s) {
        need_device(s, d);
        const unsigned capability = s.compute_capability();
        switch (attribute) {
            case device_attribute::multiprocessors:
                *value = emulation::multiprocessors;
                return;
            case device_attribute::memory_bus_bits:
                *value = capability >= 80 ? 5120 : 256;
                return;
            case device_attribute::compute_capability_major:
                *value = static_cast<int>(capability / 10);
                return;
            case device_attribute::compute_capability_minor:
                *value = static_cast<int>(capability % 10);
                return;
            case device_attribute::shared_memory_per_block_optin:
                *value = static_cast<int>(s.most_shared_bytes());
                return;
        }
        throw failure(emulation::invalid_value, "device attribute " + std::to_string(static_cast<int>(attribute)));
    });
}
result cuDeviceTotalMem_v2(size_t* bytes, device d) {
    return call_without_context("cuDeviceTotalMem_v2", [=](state& s) {
        need_device(s, d);
        *bytes = s.environment.memory_bytes;
    });
}

result cuDevicePrimaryCtxRetain(context* c, device d) {
    return call_without_context("cuDevicePrimaryCtxRetain", [=](state& s) {
        need_device(s, d);
        *c = handle<context_handle>(&s);
    });
}
result cuDevicePrimaryCtxRelease_v2(device d) {
    return call_without_context("cuDevicePrimaryCtxRelease_v2", [=](state& s) { need_device(s, d); });
}
result cuCtxSetCurrent(context c) {
    return call_without_context("cuCtxSetCurrent", [=](state&) { emulation::has_context = c != nullptr; });
}

result cuMemGetInfo_v2(size_t* free, size_t* total) {
    return call("cuMemGetInfo_v2", [=](state& s) {
        *total = s.environment.memory_bytes;
        *free = *total - std::min(*total, s.memory_of_device.bytes());
    });
}
result cuMemAlloc_v2(device_pointer* address, size_t bytes) {
    return call("cuMemAlloc_v2", [=](state& s) { *address = s.allocate(bytes); });
}
result cuMemFree_v2(device_pointer address) {
    return call("cuMemFree_v2", [=](state& s) { s.release(address); });
}
result cuMemHostAlloc(void** address, size_t bytes, unsigned) {
    return call("cuMemHostAlloc", [=](state& s) {
        auto memory = std::make_unique<std::vector<std::byte>>(bytes);
        *address = memory->data();
        s.pinned.emplace(*address, std::move(memory));
    });
}
result cuMemFreeHost(void* address) {
    return call("cuMemFreeHost", [=](state& s) {
        s.wait();
        if (s.pinned.erase(address) == 0) {
            throw failure(emulation::invalid_value, "pinned memory that is not allocated is freed");
        }
    });
}

result cuMemsetD8Async(device_pointer address, unsigned char value, size_t count, stream st) {
    return call("cuMemsetD8Async", [=](state& s) {
        s.streams.get(st);
        std::byte* const to = s.device_range(address, count);
        s.enqueue([=, &s] {
            std::memset(to, value, count);
            s.device->host_wrote(to, count);
        });
    });
}
// Pageable memory is read before the call returns, pinned memory when the copy runs.
result cuMemcpyHtoDAsync_v2(device_pointer address, const void* from, size_t bytes, stream st) {
    return call("cuMemcpyHtoDAsync_v2", [=](state& s) {
        s.streams.get(st);
        std::byte* const to = s.device_range(address, bytes);
        const auto copy = [=, &s](const void* source) {
            std::memcpy(to, source, bytes);
            s.device->host_wrote(to, bytes);
        };
        if (s.is_pinned(from, bytes)) {
            s.enqueue([=] { copy(from); });
        } else {
            const auto* const first = static_cast<const std::byte*>(from);
            s.enqueue([copy, held = std::vector<std::byte>(first, first + bytes)] { copy(held.data()); });
        }
    });
}
// A copy to pageable memory is waited for.
result cuMemcpyDtoHAsync_v2(void* to, device_pointer address, size_t bytes, stream st) {
    return call("cuMemcpyDtoHAsync_v2", [=](state& s) {
        s.streams.get(st);
        const std::byte* const from = s.device_range(address, bytes);
        s.enqueue([=] { std::memcpy(to, from, bytes); });
        if (!s.is_pinned(to, bytes)) {
            s.wait();
        }
    });
}
result cuMemcpyDtoDAsync_v2(device_pointer to_address, device_pointer from_address, size_t bytes, stream st) {
    return call("cuMemcpyDtoDAsync_v2", [=](state& s) {
        s.streams.get(st);
        std::byte* const to = s.device_range(to_address, bytes);
        const std::byte* const from = s.device_range(from_address, bytes);
        s.enqueue([=, &s] {
            std::memcpy(to, from, bytes);
            s.device->copied(to, from, bytes);
        });
    });
}

result cuStreamCreate(stream* st, unsigned) {
    return call("cuStreamCreate",
                [=](state& s) { *st = handle<stream_handle>(s.streams.add(std::make_unique<emulation::stream_object>())); });
}
result cuStreamDestroy_v2(stream st) {
    return call("cuStreamDestroy_v2", [=](state& s) { s.streams.remove(st); });
}
result cuStreamSynchronize(stream st) {
    return call("cuStreamSynchronize", [=](state& s) {
        s.streams.get(st);
        s.wait();
    });
}
result cuEventCreate(event* e, unsigned) {
    return call("cuEventCreate", [=](state& s) { *e = handle<event_handle>(s.events.add(std::make_unique<emulation::event_object>())); });
}
result cuEventDestroy_v2(event e) {
    return call("cuEventDestroy_v2", [=](state& s) { s.events.remove(e); });
}
result cuEventRecord(event e, stream st) {
    return call("cuEventRecord", [=](state& s) {
        s.streams.get(st);
        s.events.get(e).recorded = s.enqueued();
    });
}
result cuEventSynchronize(event e) {
    return call("cuEventSynchronize", [=](state& s) { s.wait(s.events.get(e).recorded); });
}
