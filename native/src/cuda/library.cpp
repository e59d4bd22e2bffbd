#include "cuda/library.h"

#include <cstring>

#include "cuda/cuda_backend.h"
#include "cuda/devices.h"

namespace nq::cuda {

namespace {

std::shared_ptr<backend> open(uint32_t index) { return std::make_shared<cuda_backend>(index); }

}  // namespace

}  // namespace nq::cuda

extern "C" __attribute__((visibility("default"))) bool nq_cuda_library_connect(const char* core_version, nq::cuda::raise_function raise,
                                                                               nq::cuda::library* functions) noexcept {
    if (std::strcmp(core_version, nq::cuda::interface_version) != 0) return false;
    nq::cuda::raise = raise;
    *functions = {nq::cuda::device_count, nq::cuda::describe, nq::cuda::open};
    return true;
}
