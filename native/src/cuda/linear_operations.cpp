// Layers of any kind, and groups of them.

#include <array>
#include <optional>

#include "cuda/dense_linear.h"
#include "cuda/dense_matrix.h"
#include "cuda/kernels/linear4bit_gemv.h"
#include "cuda/linear8bit.h"
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

// The x of a group. What a layer makes of it before its product is made once for all layers that want the same.
class group_input {
public:
    group_input(cuda_backend& device, const tensor& x) : device_(device), x_(x) {}

    void enqueue(const linear_layer& layer, const epilogue& e) {
        switch (layer.weights->info().kind) {
            case NQ_MATRIX_DENSE:
                if (const auto type = dense_activations::type_for(device_, *layer.weights, x_)) {
                    return enqueue_linear(device_, *layer.weights, parts(*type), e);
                }
                return enqueue_linear(device_, *layer.weights, x_, e);
            case NQ_MATRIX_4BIT:
                return enqueue_linear4bit(device_, *layer.weights, rounded(layer.compute_dtype), layer.compute_dtype, e);
            case NQ_MATRIX_8BIT:
                return enqueue_linear8bit(device_, *layer.weights, x_, codes(layer.threshold), e);
        }
    }

private:
    const dense_activations& parts(nq_dtype type) {
        std::optional<dense_activations>& form = parts_[type == NQ_DTYPE_F16];
        if (!form) form.emplace(device_, x_, type);
        return *form;
    }

    // x in the type that a 4-bit product on tensor cores computes in. The rounding is the one that the layer would do itself.
    tensor rounded(nq_dtype type) {
        const bool is_half = type == NQ_DTYPE_F16 || type == NQ_DTYPE_BF16;
        if (!is_half || x_.dtype == type || x_.rows <= gemv4bit_most_rows) return x_;
        std::optional<device_block>& form = rounded_[type == NQ_DTYPE_F16];
        const auto result = [&] { return tensor{form->address(), x_.rows, x_.columns, dense_stride(x_.columns), type}; };
        if (!form) {
            form.emplace(device_.blocks(), x_.rows * dense_stride(x_.columns) * element_size(type));
            enqueue_convert(device_, view_of(x_), view_of(result()), x_.columns);
        }
        return result();
    }

    // The int8 codes of x; layers of one group seldom differ in their threshold.
    const int8_activations& codes(float threshold) {
        if (!codes_ || threshold != threshold_) codes_.emplace(device_, x_, threshold);
        threshold_ = threshold;
        return *codes_;
    }

    cuda_backend& device_;
    const tensor& x_;
    std::array<std::optional<dense_activations>, 2> parts_;  // bf16, f16
    std::array<std::optional<device_block>, 2> rounded_;     // bf16, f16
    std::optional<int8_activations> codes_;
    float threshold_ = 0;
};

epilogue store_result(const linear_layer& layer, const tensor& y) {
    const bool rounds = layer.weights->info().kind == NQ_MATRIX_4BIT && layer.compute_dtype != NQ_DTYPE_I8;
    return store_to(y, layer.bias, rounds ? layer.compute_dtype : NQ_DTYPE_F32);
}

}  // namespace

void cuda_backend::linear_group_forward(const linear_layer* layers, size_t count, const tensor& x, nq_epilogue kind) {
    group_input input(*this, x);
    if (kind == NQ_EPILOGUE_GATED_SILU) {
        const tensor& gated = *layers[0].y;
        const device_block gate = scratch(gated.count() * sizeof(float));
        input.enqueue(layers[0], store_result(layers[0], {gate.address(), gated.rows, gated.columns, gated.columns, NQ_DTYPE_F32}));
        epilogue e = store_result(layers[1], *layers[1].y);
        e.kind = epilogue_kind::gate;
        e.gate = gate.as<const float>();
        e.gated = view_of(gated);
        input.enqueue(layers[1], e);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        epilogue e = store_result(layers[i], *layers[i].y);
        if (kind == NQ_EPILOGUE_ADD) e.kind = epilogue_kind::add;
        input.enqueue(layers[i], e);
    }
}

}  // namespace nq::cuda
