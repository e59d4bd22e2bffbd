// What the core library and the CUDA library agree on: one exported function, called with the core's version of this agreement.
#pragma once

#include <memory>

#include "backend.h"
#include "cuda/fail.h"

namespace nq::cuda {

// Changes with every change of this file, of backend.h and of the types they use: both libraries come from one build.
inline constexpr const char* interface_version = "NativeQuant " NQ_VERSION " backend 2";

// What nq_cuda_library_connect fills in. Every function raises on failure.
struct library {
    // Devices of this machine, at least 1. DEVICE_NOT_AVAILABLE without a usable driver or a device.
    uint32_t (*device_count)();
    nq_cuda_device (*describe)(uint32_t index);
    std::shared_ptr<backend> (*open)(uint32_t index);
};

// False, and nothing else, if the versions differ.
using connect_function = bool (*)(const char* core_version, raise_function raise, library* functions) noexcept;

}  // namespace nq::cuda
