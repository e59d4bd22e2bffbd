// What the tests of the host side share: the emulated driver under them, asked for failures and for how many objects there are.
#pragma once

#include <dlfcn.h>

#include <cstdlib>

#include "driver/control.h"
#include "support.h"

namespace nq::test {

class emulated_driver {
public:
    emulated_driver() : library_(dlopen(std::getenv("NATIVEQUANT_CUDA_DRIVER"), RTLD_NOW | RTLD_LOCAL)) {
        EXPECT_NE(library_, nullptr) << dlerror();
        fail_ = reinterpret_cast<nq_emulated_driver_fail_function*>(dlsym(library_, "nq_emulated_driver_fail"));
        count_ = reinterpret_cast<nq_emulated_driver_count_function*>(dlsym(library_, "nq_emulated_driver_count"));
    }
    ~emulated_driver() { mend(); }
    emulated_driver(const emulated_driver&) = delete;
    emulated_driver& operator=(const emulated_driver&) = delete;

    // The call of a function after the next `after` ones.
    void fail(const char* function, int result, unsigned after = 0) { fail_(function, after, result); }
    // No failure is to come, and the device is as new.
    void mend() { fail_(nullptr, 0, 0); }
    long long count(const char* what) const { return count_(what); }

private:
    void* library_;
    nq_emulated_driver_fail_function* fail_;
    nq_emulated_driver_count_function* count_;
};

inline constexpr int out_of_memory = 2, illegal_address = 700, invalid_value = 1;

inline std::string last_error() { return nq_last_error_message(); }

inline buffer buffer_of(nq_device* device, uint64_t bytes) {
    buffer b;
    EXPECT_OK(nq_buffer_create(device, bytes, b.out()));
    return b;
}

}  // namespace nq::test
