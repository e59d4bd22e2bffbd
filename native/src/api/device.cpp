// Devices and buffers.
#include <cinttypes>
#include <cstdlib>
#include <cstring>

#include "api/arguments.h"
#include "api/cuda_library.h"
#include "cpu/cpu_backend.h"
#include "cpu/dispatch.h"

using namespace nq;
using namespace nq::api;

namespace {

std::shared_ptr<backend> open_cpu(const nq_device_options& options) {
    if (options.thread_count > cpu::thread_pool::most_threads) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "thread_count is %" PRIu32 ", expected at most %" PRIu32, options.thread_count,
                    cpu::thread_pool::most_threads);
    }
    const cpu::kernels& implementation = cpu::select_implementation(options.implementation);
    return std::make_shared<cpu::cpu_backend>(implementation,
                                              options.thread_count != 0 ? options.thread_count : cpu::default_thread_count());
}

constexpr const char* cuda_prefix = "cuda:";

uint32_t cuda_index(const char* name) {
    const char* digits = name + std::strlen(cuda_prefix);
    char* end;
    const unsigned long index = std::strtoul(digits, &end, 10);
    if (*digits < '0' || *digits > '9' || *end != '\0' || index > UINT32_MAX) {
        throw error(NQ_STATUS_DEVICE_NOT_AVAILABLE, "device '%.64s' is unknown, expected cpu or cuda:N", name);
    }
    return static_cast<uint32_t>(index);
}

// A range of a buffer; INVALID_ARGUMENT if it is not inside.
char* range(const buffer_object& buffer, uint64_t offset, uint64_t bytes, const char* what) {
    if (offset > buffer.bytes || bytes > buffer.bytes - offset) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "%" PRIu64 " bytes at offset %" PRIu64 " of %s, expected to end within its %zu bytes",
                    bytes, offset, what, buffer.bytes);
    }
    return static_cast<char*>(buffer.content->address()) + offset;
}

void require_host_pointer(const void* pointer, uint64_t bytes, const char* what) {
    if (bytes > 0) require_pointer(pointer, what);
}

}  // namespace

nq_status nq_device_open(const char* name, const nq_device_options* options, nq_device** device) noexcept {
    return guarded([&] {
        require_pointer(name, "name");
        require_pointer(device, "device");
        nq_device_options known{};
        if (options != nullptr) {
            if (options->struct_size < sizeof known) {
                throw error(NQ_STATUS_INVALID_ARGUMENT, "options has struct_size %" PRIu32 ", expected at least %zu", options->struct_size,
                            sizeof known);
            }
            known = *options;
        }
        std::shared_ptr<backend> implementation;
        if (std::strncmp(name, cuda_prefix, std::strlen(cuda_prefix)) == 0) {
            implementation = open_cuda(cuda_index(name));
        } else if (std::strcmp(name, "cpu") == 0) {
            implementation = open_cpu(known);
        } else {
            throw error(NQ_STATUS_DEVICE_NOT_AVAILABLE, "device '%.64s' is unknown, expected cpu or cuda:N", name);
        }
        *device = add<nq_device>(std::make_shared<device_object>(device_object{std::move(implementation)}));
    });
}

nq_status nq_device_destroy(nq_device* device) noexcept { return destroy(device, "device"); }

nq_status nq_device_get_info(nq_device* device, nq_device_info* info) noexcept {
    return guarded([&] {
        require_pointer(info, "info");
        const auto object = find(device, "device");
        const backend& b = *object->implementation;
        *info = {b.kind(), b.implementation(), b.thread_count(), 0, b.allocated_bytes(), b.peak_allocated_bytes()};
    });
}

nq_status nq_device_reset_peak(nq_device* device) noexcept {
    return guarded([&] { find(device, "device")->implementation->reset_peak(); });
}

nq_status nq_device_trim(nq_device* device) noexcept {
    return guarded([&] { find(device, "device")->implementation->trim(); });
}

nq_status nq_device_synchronize(nq_device* device) noexcept {
    return guarded([&] { find(device, "device")->implementation->synchronize(); });
}

nq_status nq_device_step_begin(nq_device* device) noexcept {
    return guarded([&] { find(device, "device")->implementation->step_begin(); });
}

nq_status nq_device_step_end(nq_device* device) noexcept {
    return guarded([&] { find(device, "device")->implementation->step_end(); });
}

nq_status nq_cuda_device_count(uint32_t* count) noexcept {
    return guarded([&] {
        require_pointer(count, "count");
        *count = cuda_device_count();
    });
}

nq_status nq_cuda_device_get(uint32_t index, nq_cuda_device* device) noexcept {
    return guarded([&] {
        require_pointer(device, "device");
        *device = describe_cuda_device(index);
    });
}

nq_status nq_cuda_set_library(const char* path) noexcept {
    return guarded([&] {
        require_pointer(path, "path");
        set_cuda_library(path);
    });
}

nq_status nq_buffer_create(nq_device* device, uint64_t bytes, nq_buffer** buffer) noexcept {
    return guarded([&] {
        require_pointer(buffer, "buffer");
        require_positive(bytes, "bytes");
        const auto owner = find(device, "device");
        *buffer = add<nq_buffer>(std::make_shared<buffer_object>(buffer_object{owner, owner->implementation->allocate(bytes), bytes}));
    });
}

nq_status nq_buffer_destroy(nq_buffer* buffer) noexcept { return destroy(buffer, "buffer"); }

nq_status nq_buffer_size(nq_buffer* buffer, uint64_t* bytes) noexcept {
    return guarded([&] {
        require_pointer(bytes, "bytes");
        *bytes = find(buffer, "buffer")->bytes;
    });
}

nq_status nq_buffer_write(nq_buffer* buffer, uint64_t offset, const void* source, uint64_t bytes) noexcept {
    return guarded([&] {
        require_host_pointer(source, bytes, "source");
        const auto object = find(buffer, "buffer");
        char* destination = range(*object, offset, bytes, "buffer");
        if (bytes > 0) object->device->implementation->write(destination, source, bytes);
    });
}

nq_status nq_buffer_read(nq_buffer* buffer, uint64_t offset, void* destination, uint64_t bytes) noexcept {
    return guarded([&] {
        require_host_pointer(destination, bytes, "destination");
        const auto object = find(buffer, "buffer");
        const char* source = range(*object, offset, bytes, "buffer");
        if (bytes > 0) object->device->implementation->read(destination, source, bytes);
    });
}

nq_status nq_buffer_copy(nq_buffer* source, uint64_t source_offset, nq_buffer* destination, uint64_t destination_offset,
                         uint64_t bytes) noexcept {
    return guarded([&] {
        operation op;
        const auto from = op.use(source, "source");
        const auto to = op.use(destination, "destination");
        const char* begin = range(*from, source_offset, bytes, "source");
        op.device().copy(range(*to, destination_offset, bytes, "destination"), begin, bytes);
    });
}
