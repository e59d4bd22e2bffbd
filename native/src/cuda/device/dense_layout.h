// How a dense matrix lies in device memory: row-major, each row padded with zeros to a whole number of slices, so that kernels read rows in
// 16-byte pieces and need no test for the last column.
#pragma once

#include "cuda/device/target.h"

namespace nq::cuda {

inline constexpr uint32_t dense_slice = 32;  // elements: 64 bytes of 16-bit numbers, one step of the matrix product

NQ_HOST_DEVICE size_t dense_stride(size_t columns) { return (columns + dense_slice - 1) / dense_slice * dense_slice; }

}  // namespace nq::cuda
