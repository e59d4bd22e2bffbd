// Handles of the C ABI for the benchmarks: whatever fails ends the program with the library's message.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "nativequant/nativequant.h"

namespace nq::bench {

inline void check(nq_status status) {
    if (status == NQ_STATUS_OK) return;
    std::fprintf(stderr, "%s: %s\n", nq_status_name(status), nq_last_error_message());
    std::exit(1);
}

template <class Handle, nq_status (*destroy)(Handle*)>
struct destroyer {
    void operator()(Handle* handle) const { check(destroy(handle)); }
};
using device_handle = std::unique_ptr<nq_device, destroyer<nq_device, nq_device_destroy>>;
using buffer_handle = std::unique_ptr<nq_buffer, destroyer<nq_buffer, nq_buffer_destroy>>;
using matrix_handle = std::unique_ptr<nq_matrix, destroyer<nq_matrix, nq_matrix_destroy>>;

// Without a name the implementation is the best of this machine, or the one that NATIVEQUANT_CPU names.
inline device_handle open_device(uint32_t threads, const char* implementation = nullptr) {
    nq_device_options options = {sizeof options, threads, implementation};
    nq_device* device = nullptr;
    check(nq_device_open("cpu", &options, &device));
    return device_handle(device);
}

inline const char* implementation(nq_device* device) {
    nq_device_info info;
    check(nq_device_get_info(device, &info));
    return info.implementation;
}

inline size_t element_size(nq_dtype dtype) {
    if (dtype == NQ_DTYPE_F32) return 4;
    return dtype == NQ_DTYPE_F16 || dtype == NQ_DTYPE_BF16 ? 2 : 1;
}

// A contiguous matrix in a buffer of its own.
struct owned_tensor {
    owned_tensor(nq_device* device, size_t rows, size_t columns, nq_dtype dtype) {
        nq_buffer* handle = nullptr;
        check(nq_buffer_create(device, rows * columns * element_size(dtype), &handle));
        buffer.reset(handle);
        view = {handle, 0, rows, columns, columns, dtype, 0};
    }
    template <class T>
    void write(const std::vector<T>& values) {
        check(nq_buffer_write(buffer.get(), 0, values.data(), values.size() * sizeof(T)));
    }

    buffer_handle buffer;
    nq_tensor view;
};

// Numbers between -1 and 1, cheap to make.
inline std::vector<float> noise(size_t n, uint32_t seed = 12345) {
    std::vector<float> values(n);
    uint32_t state = seed;
    for (float& v : values) {
        state = state * 1664525u + 1013904223u;
        v = static_cast<float>(static_cast<int32_t>(state)) * 0x1p-31f;
    }
    return values;
}

}  // namespace nq::bench
