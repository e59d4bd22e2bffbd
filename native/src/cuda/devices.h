// The CUDA devices of this machine, without opening them.
#pragma once

#include "cuda/driver/driver.h"
#include "nativequant/nativequant.h"

namespace nq::cuda {

// At least 1; DEVICE_NOT_AVAILABLE if there is no driver or no device.
uint32_t device_count();

// DEVICE_NOT_AVAILABLE if there is no such device.
driver::device find_device(uint32_t index);
nq_cuda_device describe(uint32_t index);

}  // namespace nq::cuda
