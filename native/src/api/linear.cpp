// Linear layers: checks only.
#include <cinttypes>

#include "api/arguments.h"

using namespace nq;
using namespace nq::api;

namespace {

constexpr uint64_t most_int8_columns = 130000;  // beyond, 127 * 127 * K leaves int32

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
        const nq_matrix_info& info = weights->info;
        require_kind(info, kind);
        op.require_shape(x, x.rows, info.columns);
        op.require_shape(y, x.rows, info.rows);
        if (bias != nullptr) op.require_elements(*bias, info.rows);
    }
};

void require_int8_columns(uint64_t columns) {
    if (columns > most_int8_columns) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "an int8 product has K = %" PRIu64 ", expected at most %" PRIu64, columns,
                    most_int8_columns);
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
        require_type(compute_dtype, floating | only(NQ_DTYPE_I8), "compute_dtype");
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
