// Launches of the small kernels in rule_kernels.cpp.
#pragma once

#include <gtest/gtest.h>

#include "engine.h"
#include "observer.h"
#include "rule_kernels.h"

namespace emulation_test {

using namespace simt;

// Memory of the device.
template <class T>
class device_array {
public:
    explicit device_array(size_t count) : memory_(count + 2 * red_zone) {
        if (current_observer != nullptr) current_observer->allocated(data(), count * sizeof(T));
        count_ = count;
    }
    explicit device_array(const std::vector<T>& values) : device_array(values.size()) {
        std::copy(values.begin(), values.end(), data());
        if (current_observer != nullptr) current_observer->host_wrote(data(), count_ * sizeof(T));
    }
    ~device_array() {
        if (current_observer != nullptr) current_observer->released(data());
    }
    device_array(const device_array&) = delete;
    device_array& operator=(const device_array&) = delete;

    T* data() { return memory_.data() + red_zone; }
    std::vector<T> values() { return {data(), data() + count_}; }

private:
    static constexpr size_t red_zone = 64;
    std::vector<T> memory_;
    size_t count_ = 0;
};

inline void run(const char* kernel, dim3 grid, dim3 block, const rule_parameters& p, size_t dynamic_shared_bytes = 0) {
    launch(*find_kernel(kernel), grid, block, dynamic_shared_bytes, &p);
}

// What the fault of a launch says; empty if there is none.
inline std::string fault_of(const char* kernel, dim3 grid, dim3 block, const rule_parameters& p, size_t dynamic_shared_bytes = 0) {
    try {
        run(kernel, grid, block, p, dynamic_shared_bytes);
    } catch (const fault& f) {
        return f.what();
    }
    return "";
}

}  // namespace emulation_test
