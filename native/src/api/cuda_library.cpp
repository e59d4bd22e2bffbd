#include "api/cuda_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <mutex>
#include <string>

#include "cuda/library.h"
#include "error.h"

namespace nq::api {

namespace {

constexpr const char* file_name = "libnativequant_cuda.so";

[[noreturn]] void raise(nq_status status, const char* message) { throw error(status, "%s", message); }

// NATIVEQUANT_CUDA_LIBRARY if set, else beside this library.
std::string path() {
    const char* set = std::getenv("NATIVEQUANT_CUDA_LIBRARY");
    if (set != nullptr && *set != '\0') return set;
    Dl_info self{};
    if (dladdr(reinterpret_cast<const void*>(&raise), &self) == 0 || self.dli_fname == nullptr) return file_name;
    const std::string own = self.dli_fname;
    const size_t slash = own.rfind('/');
    return slash == std::string::npos ? file_name : own.substr(0, slash + 1) + file_name;
}

cuda::library open() {
    const std::string file = path();
    void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        throw error(NQ_STATUS_DEVICE_NOT_AVAILABLE, "no CUDA library: %s (package NativeQuant.Runtime.Cuda.linux-x64)", dlerror());
    }
    const auto connect = reinterpret_cast<cuda::connect_function>(dlsym(handle, "nq_cuda_library_connect"));
    cuda::library functions{};
    if (connect == nullptr || !connect(cuda::interface_version, raise, &functions)) {
        throw error(NQ_STATUS_DEVICE_NOT_AVAILABLE, "%.256s is of another version, expected %s", file.c_str(), cuda::interface_version);
    }
    return functions;
}

const cuda::library& opened() {
    static std::mutex mutex;
    static cuda::library functions{};
    const std::lock_guard lock(mutex);
    if (functions.open == nullptr) functions = open();
    return functions;
}

}  // namespace

std::shared_ptr<backend> open_cuda(uint32_t index) { return opened().open(index); }

uint32_t cuda_device_count() { return opened().device_count(); }

}  // namespace nq::api
