// Dense layers on tensor cores, in two steps, so that layers of one x share the first.
#pragma once

#include <optional>

#include "cuda/cuda_backend.h"
#include "cuda/device/epilogue.h"

namespace nq::cuda {

// x as an operand of the product: of one type, in exact parts, rows of whole 16-byte chunks. Used as it is where it already is that.
class dense_activations {
public:
    // What the product of these wants x to be: f16 or bf16; nothing where tensor cores do not compute it.
    static std::optional<nq_dtype> type_for(cuda_backend& device, const matrix& weights, const tensor& x);

    dense_activations(cuda_backend& device, const tensor& x, nq_dtype type);

    nq_dtype type() const noexcept { return type_; }
    uint32_t parts() const noexcept { return parts_; }
    const uint16_t* data() const noexcept { return data_; }
    size_t stride() const noexcept { return stride_; }
    // There is nothing to be read beyond; a multiple of 8.
    size_t columns() const noexcept { return columns_; }

private:
    nq_dtype type_;
    uint32_t parts_;
    const uint16_t* data_;
    size_t stride_, columns_;
    std::optional<device_block> made_;
};

void enqueue_linear(cuda_backend& device, const matrix& weights, const dense_activations& x, const epilogue& e);

}  // namespace nq::cuda
