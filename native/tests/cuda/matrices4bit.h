// The same 4-bit matrix on two devices.
#pragma once

#include "cuda_testing.h"
#include "storage_4bit.h"

namespace nq::test {

// Weights quantized by the specification, on both devices.
struct twin_matrices {
    matrix scalar, cuda;

    twin_matrices(nq_device* scalar_device, nq_device* cuda_device, size_t rows, size_t columns, const std::vector<float>& values,
                  nq_quant_type type, uint32_t blocksize, bool nested)
        : scalar(matrix_4bit(scalar_device, rows, columns, values, type, blocksize, nested)),
          cuda(storage_4bit(scalar).import(cuda_device)) {}
};

}  // namespace nq::test
