// A dense weight matrix on a CUDA device (layout: device/dense_layout.h).
#pragma once

#include "cuda/cuda_backend.h"
#include "cuda/device/dense_layout.h"

namespace nq::cuda {

inline size_t element_size(nq_dtype dtype) { return dtype == NQ_DTYPE_F32 ? 4 : 2; }

class dense_matrix final : public matrix {
public:
    dense_matrix(cuda_backend& device, size_t rows, size_t columns, nq_dtype dtype)
        : rows_(rows), columns_(columns), dtype_(dtype), data_(device.scratch(rows * dense_stride(columns) * element_size(dtype))) {}

    nq_matrix_info info() const noexcept override;
    // Row-major weights; beyond `columns` a row holds zeros up to row_stride.
    view weights() const noexcept { return {data_.address(), rows_, columns_, dense_stride(columns_), dtype_}; }

private:
    size_t rows_, columns_;
    nq_dtype dtype_;
    device_block data_;
};

// y = x in y's type; columns of y from x.columns up to `padded` become zero.
void enqueue_convert(cuda_backend& device, const view& x, const view& y, size_t padded);

inline const dense_matrix& as_dense(const matrix& weights) { return static_cast<const dense_matrix&>(weights); }

}  // namespace nq::cuda
