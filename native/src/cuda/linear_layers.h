// How the three kinds of linear layer are run by the host: each has a function that enqueues one layer with any epilogue. The operations of
// the table and of a group are made of these. x: f32, f16 or bf16 [M, K] on the device.
#pragma once

#include "cuda/cuda_backend.h"
#include "cuda/device/epilogue.h"

namespace nq::cuda {

void enqueue_linear(cuda_backend& device, const matrix& weights, const tensor& x, const epilogue& e);
// compute_dtype is f32, f16, bf16 or i8; e.through says the same but for i8, where it is f32.
void enqueue_linear4bit(cuda_backend& device, const matrix& weights, const tensor& x, nq_dtype compute_dtype, const epilogue& e);
void enqueue_linear8bit(cuda_backend& device, const matrix& weights, const tensor& x, float threshold, const epilogue& e);

// A quantized matrix as numbers, f32, f16 or bf16.
void dequantize_matrix4bit(cuda_backend& device, const matrix& weights, const tensor& output);
void dequantize_matrix8bit(cuda_backend& device, const matrix& weights, const tensor& output);

// An epilogue that stores.
inline epilogue store_to(const tensor& y, const tensor* bias, nq_dtype through = NQ_DTYPE_F32) {
    return {view_of(y),
            bias != nullptr ? bias->data : nullptr,
            bias != nullptr ? bias->dtype : NQ_DTYPE_F32,
            through,
            epilogue_kind::store,
            nullptr,
            {}};
}

}  // namespace nq::cuda
