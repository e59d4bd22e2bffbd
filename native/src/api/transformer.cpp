// Transformer operations on tensors: checks only.
#include <cinttypes>
#include <cmath>

#include "api/arguments.h"

using namespace nq;
using namespace nq::api;

namespace {

constexpr type_set f32 = only(NQ_DTYPE_F32), u32 = only(NQ_DTYPE_U32);

}  // namespace

nq_status nq_embedding_forward(nq_matrix* matrix, const nq_tensor* ids, const nq_tensor* y) noexcept {
    return guarded([&] {
        operation op;
        const auto table = op.use(matrix, "matrix");
        const tensor& i = op.input(ids, "ids", u32);
        const tensor& out = op.output(y, "y", floating);
        require_kind(table->info, NQ_MATRIX_DENSE);
        op.require_contiguous(i);
        op.require_shape(out, i.count(), table->info.columns);
        op.device().embedding_forward(*table->content, i, out);
    });
}

nq_status nq_rmsnorm_forward(const nq_tensor* x, const nq_tensor* weight, float epsilon, const nq_tensor* y) noexcept {
    return guarded([&] {
        operation op;
        const tensor& in = op.input(x, "x", floating);
        const tensor& w = op.input(weight, "weight", floating);
        const tensor& out = op.output(y, "y", floating);
        if (!(epsilon >= 0) || !std::isfinite(epsilon)) {
            throw error(NQ_STATUS_INVALID_ARGUMENT, "epsilon is %g, expected a finite number of at least 0", static_cast<double>(epsilon));
        }
        op.require_elements(w, in.columns);
        op.require_shape(out, in.rows, in.columns);
        op.device(true).rmsnorm_forward(in, w, epsilon, out);
    });
}

nq_status nq_rotary_forward(const nq_tensor* x, uint32_t head_dim, const nq_tensor* positions, const nq_tensor* cosine,
                            const nq_tensor* sine) noexcept {
    return guarded([&] {
        operation op;
        const tensor& heads = op.output(x, "x", floating);
        const tensor& p = op.input(positions, "positions", u32);
        const tensor& c = op.input(cosine, "cosine", f32);
        const tensor& s = op.input(sine, "sine", f32);
        require_positive(head_dim, "head_dim");
        if (heads.columns % head_dim != 0) {
            throw error(NQ_STATUS_INVALID_ARGUMENT, "x has %zu columns, expected a multiple of head_dim %" PRIu32, heads.columns, head_dim);
        }
        if (c.columns > head_dim / 2) {
            throw error(NQ_STATUS_INVALID_ARGUMENT, "cosine has %zu columns, expected at most half of head_dim %" PRIu32, c.columns,
                        head_dim);
        }
        op.require_elements(p, heads.rows);
        op.require_shape(s, c.rows, c.columns);
        op.device().rotary_forward(heads, head_dim, p, c, s);
    });
}

nq_status nq_gated_silu_forward(const nq_tensor* gate, const nq_tensor* up, const nq_tensor* y) noexcept {
    return guarded([&] {
        operation op;
        const tensor& g = op.input(gate, "gate", floating);
        const tensor& u = op.input(up, "up", floating);
        const tensor& out = op.output(y, "y", floating);
        op.require_shape(u, g.rows, g.columns);
        op.require_shape(out, g.rows, g.columns);
        op.device(true).gated_silu_forward(g, u, out);
    });
}

nq_status nq_residual_add_forward(const nq_tensor* x, const nq_tensor* y) noexcept {
    return guarded([&] {
        operation op;
        const tensor& in = op.input(x, "x", floating);
        const tensor& sum = op.output(y, "y", floating);
        op.require_shape(sum, in.rows, in.columns);
        op.device().residual_add_forward(in, sum);
    });
}

nq_status nq_log_softmax_forward(const nq_tensor* logits, const nq_tensor* y) noexcept {
    return guarded([&] {
        operation op;
        const tensor& in = op.input(logits, "logits", floating);
        const tensor& out = op.output(y, "y", floating);
        op.require_shape(out, in.rows, in.columns);
        op.device(true).log_softmax_forward(in, out);
    });
}

nq_status nq_token_log_probability_forward(const nq_tensor* logits, const nq_tensor* ids, const nq_tensor* y) noexcept {
    return guarded([&] {
        operation op;
        const tensor& in = op.input(logits, "logits", floating);
        const tensor& i = op.input(ids, "ids", u32);
        const tensor& out = op.output(y, "y", f32);
        op.require_elements(i, in.rows);
        op.require_elements(out, in.rows);
        op.device().token_log_probability_forward(in, i, out);
    });
}
