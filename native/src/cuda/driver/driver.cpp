#include "cuda/driver/driver.h"

#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <mutex>

#include "cuda/fail.h"

namespace nq::cuda::driver {

namespace {

constexpr const char* default_library = "libcuda.so.1";
constexpr int oldest_version = NQ_OLDEST_DRIVER;  // the first that reads the images of this build

functions table{};
std::atomic<bool> opened{false};

const char* library_name() {
    const char* set = std::getenv("NATIVEQUANT_CUDA_DRIVER");
    return set != nullptr && *set != '\0' ? set : default_library;
}

void open() {
    const char* name = library_name();
    void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        fail(NQ_STATUS_DEVICE_NOT_AVAILABLE, "there is no CUDA driver, which comes with the display driver of NVIDIA: %s", dlerror());
    }
#define NQ_DRIVER_LOAD(field, symbol, parameters)                                                                                        \
    table.field = reinterpret_cast<decltype(table.field)>(dlsym(library, #symbol));                                                      \
    if (table.field == nullptr)                                                                                                          \
        fail(NQ_STATUS_DEVICE_NOT_AVAILABLE, "the CUDA driver %s is too old: it has no " #symbol ", expected CUDA %d.%d or later", name, \
             oldest_version / 1000, oldest_version % 1000 / 10);
    NQ_DRIVER_FUNCTIONS(NQ_DRIVER_LOAD)
#undef NQ_DRIVER_LOAD
    int version = 0;
    if (table.get_version(&version) == success && version < oldest_version) {
        fail(NQ_STATUS_DEVICE_NOT_AVAILABLE, "the CUDA driver %s is too old: it supports CUDA %d.%d, expected %d.%d or later", name,
             version / 1000, version % 1000 / 10, oldest_version / 1000, oldest_version % 1000 / 10);
    }
    const result r = table.init(0);
    if (r == no_device) fail(NQ_STATUS_DEVICE_NOT_AVAILABLE, "the CUDA driver %s finds no device", name);
    if (r != success) {
        fail(NQ_STATUS_DEVICE_NOT_AVAILABLE, "the CUDA driver %s does not start: CUDA error %d, %s (%s)", name, r, name_of(r),
             description_of(r));
    }
}

}  // namespace

const functions& get() {
    static std::mutex mutex;
    if (!opened.load(std::memory_order_acquire)) {
        const std::lock_guard lock(mutex);
        if (!opened.load(std::memory_order_relaxed)) {
            open();
            opened.store(true, std::memory_order_release);
        }
    }
    return table;
}

const char* name_of(result r) {
    const char* name = nullptr;
    return table.get_error_name(r, &name) == success && name != nullptr ? name : "unknown error";
}

const char* description_of(result r) {
    const char* text = nullptr;
    return table.get_error_string(r, &text) == success && text != nullptr ? text : "no description";
}

bool is_sticky(result r) {
    switch (r) {
        case 4:    // deinitialized
        case 214:  // uncorrectable ECC error
        case 220:  // uncorrectable NVLink error
        case 700:  // illegal address
        case 702:  // launch timeout
        case 709:  // context is destroyed
        case 710:  // assertion
        case 714:  // hardware stack error
        case 715:  // illegal instruction
        case 716:  // misaligned address
        case 717:  // invalid address space
        case 718:  // invalid program counter
        case 719:  // launch failed
            return true;
        default:
            return false;
    }
}

void check(result r, const char* doing) {
    if (r == success) return;
    fail(r == out_of_memory ? NQ_STATUS_OUT_OF_MEMORY : NQ_STATUS_INTERNAL, "%s: CUDA error %d, %s (%s)", doing, r, name_of(r),
         description_of(r));
}

}  // namespace nq::cuda::driver
