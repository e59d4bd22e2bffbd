// Linear layers: checks only.
#include <cinttypes>
#include <iterator>

#include "api/arguments.h"

using namespace nq;
using namespace nq::api;

namespace {

constexpr uint64_t most_int8_columns = 130000;  // beyond, 127 * 127 * K leaves int32

void require_int8_columns(uint64_t columns) {
    if (columns > most_int8_columns) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "an int8 product has K = %" PRIu64 ", expected at most %" PRIu64, columns,
                    most_int8_columns);
    }
}

void require_compute_type(nq_dtype compute_dtype) { require_type(compute_dtype, floating | only(NQ_DTYPE_I8), "compute_dtype"); }

// The arguments that the three linear layers share.
struct linear_call {
    operation op;
    std::shared_ptr<matrix_object> weights;
    const tensor& x;
    const tensor* bias;
    const tensor& y;

    linear_call(nq_matrix* matrix, nq_matrix_kind kind, const nq_tensor* x_view, const nq_tensor* bias_view, const nq_tensor* y_view)
        : weights(op.use(matrix, "matrix")),
          x(op.input(x_view, "x", floating)),
          bias(op.optional_input(bias_view, "bias", floating)),
          y(op.output(y_view, "y", floating)) {
        require_kind(weights->info, kind);
        require_layer_shapes(op, weights->info, x, bias, y);
    }

    static void require_layer_shapes(const operation& op, const nq_matrix_info& info, const tensor& x, const tensor* bias,
                                     const tensor& y) {
        op.require_shape(x, x.rows, info.columns);
        op.require_shape(y, x.rows, info.rows);
        if (bias != nullptr) op.require_elements(*bias, info.rows);
    }
};

// How messages name the parts of a layer of a group.
struct layer_name {
    const char *matrix, *bias, *y;
};
#define NQ_LAYER_NAME(i) \
    { "layers[" #i "].matrix", "layers[" #i "].bias", "layers[" #i "].y" }
constexpr layer_name layer_names[] = {NQ_LAYER_NAME(0), NQ_LAYER_NAME(1), NQ_LAYER_NAME(2), NQ_LAYER_NAME(3),
                                      NQ_LAYER_NAME(4), NQ_LAYER_NAME(5), NQ_LAYER_NAME(6), NQ_LAYER_NAME(7)};
#undef NQ_LAYER_NAME
static_assert(std::size(layer_names) == most_group_layers);

void require_epilogue(nq_epilogue epilogue, uint32_t count) {
    if (static_cast<uint32_t>(epilogue) > NQ_EPILOGUE_GATED_SILU) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "epilogue is %u, expected 0 (none), 1 (add) or 2 (gated SiLU)",
                    static_cast<uint32_t>(epilogue));
    }
    if (count == 0 || count > most_group_layers) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "a group has %" PRIu32 " layers, expected 1 to %zu", count, most_group_layers);
    }
    if (epilogue == NQ_EPILOGUE_GATED_SILU && count != 2) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "a gated SiLU has %" PRIu32 " layers, expected 2", count);
    }
}

}  // namespace

nq_status nq_linear_forward(nq_matrix* matrix, const nq_tensor* x, const nq_tensor* bias, const nq_tensor* y) noexcept {
    return guarded([&] {
        const linear_call call(matrix, NQ_MATRIX_DENSE, x, bias, y);
        call.op.device().linear_forward(*call.weights->content, call.x, call.bias, call.y);
    });
}

nq_status nq_linear4bit_forward(nq_matrix* matrix, const nq_tensor* x, const nq_tensor* bias, nq_dtype compute_dtype,
                                const nq_tensor* y) noexcept {
    return guarded([&] {
        const linear_call call(matrix, NQ_MATRIX_4BIT, x, bias, y);
        require_compute_type(compute_dtype);
        call.op.device().linear4bit_forward(*call.weights->content, call.x, call.bias, compute_dtype, call.y);
    });
}

nq_status nq_linear8bit_forward(nq_matrix* matrix, const nq_tensor* x, const nq_tensor* bias, float threshold,
                                const nq_tensor* y) noexcept {
    return guarded([&] {
        const linear_call call(matrix, NQ_MATRIX_8BIT, x, bias, y);
        require_threshold(threshold);
        require_int8_columns(call.weights->info.columns);
        call.op.device().linear8bit_forward(*call.weights->content, call.x, call.bias, threshold, call.y);
    });
}

nq_status nq_linear_group_forward(const nq_linear_layer* layers, uint32_t count, const nq_tensor* x, nq_epilogue epilogue) noexcept {
    return guarded([&] {
        require_pointer(layers, "layers");
        require_epilogue(epilogue, count);
        operation op;
        std::shared_ptr<matrix_object> weights[most_group_layers];
        linear_layer resolved[most_group_layers];
        const tensor& input = op.input(x, "x", floating);
        for (uint32_t i = 0; i < count; i++) {
            const nq_linear_layer& layer = layers[i];
            weights[i] = op.use(layer.matrix, layer_names[i].matrix);
            const nq_matrix_info& info = weights[i]->info;
            if (info.kind == NQ_MATRIX_4BIT) require_compute_type(layer.compute_dtype);
            if (info.kind == NQ_MATRIX_8BIT) {
                require_threshold(layer.threshold);
                require_int8_columns(info.columns);
            }
            const tensor* bias = op.optional_input(layer.bias.buffer == nullptr ? nullptr : &layer.bias, layer_names[i].bias, floating);
            const tensor& y = op.output(&layer.y, layer_names[i].y, floating);
            linear_call::require_layer_shapes(op, info, input, bias, y);
            resolved[i] = {weights[i]->content.get(), bias, &y, layer.compute_dtype, layer.threshold};
        }
        if (epilogue == NQ_EPILOGUE_GATED_SILU) op.require_shape(*resolved[1].y, input.rows, resolved[0].y->columns);
        op.device().linear_group_forward(resolved, count, input, epilogue);
    });
}

nq_status nq_int8_matmul(const nq_tensor* a, const nq_tensor* b, const nq_tensor* y) noexcept {
    return guarded([&] {
        operation op;
        const tensor& left = op.input(a, "a", only(NQ_DTYPE_I8));
        const tensor& right = op.input(b, "b", only(NQ_DTYPE_I8));
        const tensor& result = op.output(y, "y", only(NQ_DTYPE_I32));
        op.require_shape(right, right.rows, left.columns);
        op.require_shape(result, left.rows, right.rows);
        require_int8_columns(left.columns);
        op.device().int8_matmul(left, right, result);
    });
}

nq_status nq_int8_matmul_dequantize(const nq_tensor* acc, const nq_tensor* row_absmax, const nq_tensor* column_absmax,
                                    const nq_tensor* bias, const nq_tensor* y) noexcept {
    return guarded([&] {
        operation op;
        const tensor& sums = op.input(acc, "acc", only(NQ_DTYPE_I32));
        const tensor& rows = op.input(row_absmax, "row_absmax", only(NQ_DTYPE_F32));
        const tensor& columns = op.input(column_absmax, "column_absmax", only(NQ_DTYPE_F32));
        const tensor* added = op.optional_input(bias, "bias", floating);
        const tensor& result = op.output(y, "y", floating);
        op.require_elements(rows, sums.rows);
        op.require_elements(columns, sums.columns);
        if (added != nullptr) op.require_elements(*added, sums.columns);
        op.require_shape(result, sums.rows, sums.columns);
        op.device().int8_matmul_dequantize(sums, rows, columns, added, result);
    });
}
