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

// The CUDA library, opened on first use; failing that, every use tries again.
class cuda_library {
public:
    static cuda_library& of_this_process() {
        static cuda_library& instance = *new cuda_library;
        return instance;
    }

    const cuda::library& opened() {
        const std::lock_guard lock(mutex_);
        if (functions_.open == nullptr) functions_ = open(path());
        return functions_;
    }

    void set_path(const char* path) {
        const std::lock_guard lock(mutex_);
        path_ = path;
    }

private:
    // NATIVEQUANT_CUDA_LIBRARY if set, else what the host says, else beside this library.
    std::string path() const {
        const char* set = std::getenv("NATIVEQUANT_CUDA_LIBRARY");
        if (set != nullptr && *set != '\0') return set;
        if (!path_.empty()) return path_;
        Dl_info self{};
        if (dladdr(reinterpret_cast<const void*>(&raise), &self) == 0 || self.dli_fname == nullptr) return file_name;
        const std::string own = self.dli_fname;
        const size_t slash = own.rfind('/');
        return slash == std::string::npos ? file_name : own.substr(0, slash + 1) + file_name;
    }

    static cuda::library open(const std::string& file) {
        void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (handle == nullptr) {
            throw error(NQ_STATUS_DEVICE_NOT_AVAILABLE, "there is no CUDA library (package NativeQuant.Runtime.Cuda.linux-x64): %s",
                        dlerror());
        }
        const auto connect = reinterpret_cast<cuda::connect_function>(dlsym(handle, "nq_cuda_library_connect"));
        cuda::library functions{};
        if (connect == nullptr || !connect(cuda::interface_version, raise, &functions)) {
            throw error(NQ_STATUS_DEVICE_NOT_AVAILABLE, "the CUDA library %.256s is of another version, expected %s", file.c_str(),
                        cuda::interface_version);
        }
        return functions;
    }

    std::mutex mutex_;
    std::string path_;
    cuda::library functions_{};
};

const cuda::library& opened() { return cuda_library::of_this_process().opened(); }

}  // namespace

std::shared_ptr<backend> open_cuda(uint32_t index) {
    try {
        return opened().open(index);
    } catch (const error& e) {
        if (e.status() != NQ_STATUS_DEVICE_NOT_AVAILABLE) throw;
        throw error(e.status(), "device 'cuda:%u' is not available: %s", index, e.what());
    }
}

uint32_t cuda_device_count() { return opened().device_count(); }

nq_cuda_device describe_cuda_device(uint32_t index) { return opened().describe(index); }

void set_cuda_library(const char* path) { cuda_library::of_this_process().set_path(path); }

}  // namespace nq::api
