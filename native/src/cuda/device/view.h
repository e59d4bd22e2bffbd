// A tensor as kernels see it: the operation table's, with fixed-width fields.
#pragma once

#include "cuda/device/target.h"
#include "nativequant/nativequant.h"

namespace nq::cuda {

struct view {
    void* data;
    uint64_t rows;
    uint64_t columns;
    uint64_t row_stride;  // elements
    nq_dtype dtype;
};

}  // namespace nq::cuda
