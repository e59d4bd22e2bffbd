// Layers of any kind, and groups of them.

#include "cuda/dense_matrix.h"
#include "cuda/linear_layers.h"

namespace nq::cuda {

void cuda_backend::dequantize_matrix(const matrix& weights, const tensor& output) {
    switch (weights.info().kind) {
        case NQ_MATRIX_DENSE:
            return enqueue_convert(*this, as_dense(weights).weights(), view_of(output), output.columns);
        case NQ_MATRIX_4BIT:
            return dequantize_matrix4bit(*this, weights, output);
        case NQ_MATRIX_8BIT:
            return dequantize_matrix8bit(*this, weights, output);
    }
}

void cuda_backend::linear_forward(const matrix& weights, const tensor& x, const tensor* bias, const tensor& y) {
    enqueue_linear(*this, weights, x, store_to(y, bias));
}

namespace {

void enqueue(cuda_backend& device, const linear_layer& layer, const tensor& x, const epilogue& e) {
    switch (layer.weights->info().kind) {
        case NQ_MATRIX_DENSE:
            return enqueue_linear(device, *layer.weights, x, e);
        case NQ_MATRIX_4BIT:
            return enqueue_linear4bit(device, *layer.weights, x, layer.compute_dtype, e);
        case NQ_MATRIX_8BIT:
            return enqueue_linear8bit(device, *layer.weights, x, layer.threshold, e);
    }
}

epilogue store_result(const linear_layer& layer, const tensor& y) {
    const bool rounds = layer.weights->info().kind == NQ_MATRIX_4BIT && layer.compute_dtype != NQ_DTYPE_I8;
    return store_to(y, layer.bias, rounds ? layer.compute_dtype : NQ_DTYPE_F32);
}

}  // namespace

void cuda_backend::linear_group_forward(const linear_layer* layers, size_t count, const tensor& x, nq_epilogue kind) {
    if (kind == NQ_EPILOGUE_GATED_SILU) {
        const tensor& gated = *layers[0].y;
        const device_block gate = scratch(gated.count() * sizeof(float));
        enqueue(*this, layers[0], x, store_result(layers[0], {gate.address(), gated.rows, gated.columns, gated.columns, NQ_DTYPE_F32}));
        epilogue e = store_result(layers[1], *layers[1].y);
        e.kind = epilogue_kind::gate;
        e.gate = gate.as<const float>();
        e.gated = view_of(gated);
        enqueue(*this, layers[1], x, e);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        epilogue e = store_result(layers[i], *layers[i].y);
        if (kind == NQ_EPILOGUE_ADD) e.kind = epilogue_kind::add;
        enqueue(*this, layers[i], x, e);
    }
}

}  // namespace nq::cuda
