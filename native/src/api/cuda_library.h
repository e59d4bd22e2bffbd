// The CUDA library as the core sees it: opened when a CUDA device is asked for.
#pragma once

#include <memory>

#include "backend.h"
#include "nativequant/nativequant.h"

namespace nq::api {

// All raise DEVICE_NOT_AVAILABLE, naming what is missing, without the library, a driver or the device.
std::shared_ptr<backend> open_cuda(uint32_t index);
uint32_t cuda_device_count();
nq_cuda_device describe_cuda_device(uint32_t index);

// The file to open, if the environment names none.
void set_cuda_library(const char* path);

}  // namespace nq::api
