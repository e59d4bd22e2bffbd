// The CUDA library as the core sees it: opened when a CUDA device is asked for.
#pragma once

#include <memory>

#include "backend.h"

namespace nq::api {

// The backend of device cuda:index. Raises DEVICE_NOT_AVAILABLE, naming what is missing, without the library, a driver or the device.
std::shared_ptr<backend> open_cuda(uint32_t index);
uint32_t cuda_device_count();

}  // namespace nq::api
