#include "cuda/driver/driver.h"

#include <dlfcn.h>

#include <cstdlib>
#include <mutex>

#include "cuda/fail.h"

namespace nq::cuda::driver {

namespace {

constexpr const char* default_library = "libcuda.so.1";

functions table{};

void open() {
    const char* name = std::getenv("NATIVEQUANT_CUDA_DRIVER");
    if (name == nullptr || *name == '\0') name = default_library;
    void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) fail(NQ_STATUS_DEVICE_NOT_AVAILABLE, "no CUDA driver: %s", dlerror());
    functions opened{};
#define NQ_DRIVER_LOAD(field, symbol, parameters)                                     \
    opened.field = reinterpret_cast<decltype(opened.field)>(dlsym(library, #symbol)); \
    if (opened.field == nullptr) fail(NQ_STATUS_DEVICE_NOT_AVAILABLE, "the CUDA driver %s is too old: it has no function " #symbol, name);
    NQ_DRIVER_FUNCTIONS(NQ_DRIVER_LOAD)
#undef NQ_DRIVER_LOAD
    table = opened;
    const result r = table.init(0);
    if (r == no_device) fail(NQ_STATUS_DEVICE_NOT_AVAILABLE, "the CUDA driver %s finds no device", name);
    if (r != success) {
        table = {};
        const char* text = nullptr;
        opened.get_error_string(r, &text);
        fail(NQ_STATUS_DEVICE_NOT_AVAILABLE, "the CUDA driver %s does not start: error %d (%s)", name, r,
             text != nullptr ? text : "unknown");
    }
}

}  // namespace

const functions& get() {
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    if (table.launch_kernel == nullptr) open();
    return table;
}

void check(result r, const char* doing) {
    if (r == success) return;
    const char *name = nullptr, *text = nullptr;
    table.get_error_name(r, &name);
    table.get_error_string(r, &text);
    fail(r == out_of_memory ? NQ_STATUS_OUT_OF_MEMORY : NQ_STATUS_INTERNAL, "%s: CUDA error %d, %s (%s)", doing, r,
         name != nullptr ? name : "unknown", text != nullptr ? text : "no description");
}

}  // namespace nq::cuda::driver
