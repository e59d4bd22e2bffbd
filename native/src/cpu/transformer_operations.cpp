// The operations between the linear layers: rows of a tensor, one at a time.
#include <cinttypes>

#include "cpu/matrices.h"
#include "cpu/staging.h"
#include "error.h"

namespace nq::cpu {

namespace {

// INVALID_DATA for the first index that is not below `limit`.
void require_below(const tensor& indices, size_t limit, const char* what) {
    const uint32_t* values = static_cast<const uint32_t*>(indices.data);
    for (size_t i = 0; i < indices.count(); i++) {
        if (values[i] >= limit) {
            throw error(NQ_STATUS_INVALID_DATA, "%s %zu is %" PRIu32 ", expected below %zu", what, i, values[i], limit);
        }
    }
}

}  // namespace

void cpu_backend::embedding_forward(const matrix& weights, const tensor& ids, const tensor& y) {
    const dense_matrix& table = static_cast<const dense_matrix&>(weights);
    require_below(ids, table.rows(), "token id");
    const uint32_t* rows = static_cast<const uint32_t*>(ids.data);
    f32_output output(*this, y);
    parallel(y.rows, 4 * y.columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t t = begin; t < end; t++) table.expand_row(kernels_, rows[t], output.row(t));
    });
    output.store();
}

void cpu_backend::rmsnorm_forward(const tensor& x, const tensor& weight, float epsilon, const tensor& y) {
    const f32_input input(*this, x);
    const optional_f32_input scale(*this, &weight);
    f32_output output(*this, y);
    parallel(x.rows, x.columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t t = begin; t < end; t++) kernels_.rmsnorm_row(input.row(t), scale.data(), epsilon, output.row(t), x.columns);
    });
    output.store();
}

void cpu_backend::rotary_forward(const tensor& x, uint32_t head_dim, const tensor& positions, const tensor& cosine, const tensor& sine) {
    require_below(positions, cosine.rows, "position");
    const uint32_t* position = static_cast<const uint32_t*>(positions.data);
    const size_t half = cosine.columns;
    f32_output output(*this, x);
    output.load();
    parallel(x.rows, 2 * x.columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t t = begin; t < end; t++) {
            const float* c = reinterpret_cast<const float*>(row_address(cosine, position[t]));
            const float* s = reinterpret_cast<const float*>(row_address(sine, position[t]));
            for (size_t head = 0; head < x.columns; head += head_dim) kernels_.rotary_head(output.row(t) + head, c, s, half);
        }
    });
    output.store();
}

void cpu_backend::gated_silu_forward(const tensor& gate, const tensor& up, const tensor& y) {
    const f32_input gate_input(*this, gate), up_input(*this, up);
    f32_output output(*this, y);
    parallel(y.rows, 4 * y.columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t t = begin; t < end; t++) kernels_.gated_silu(gate_input.row(t), up_input.row(t), output.row(t), y.columns);
    });
    output.store();
}

void cpu_backend::residual_add_forward(const tensor& x, const tensor& y) {
    const f32_input input(*this, x);
    f32_output output(*this, y);
    output.load();
    parallel(y.rows, y.columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t t = begin; t < end; t++) kernels_.add(input.row(t), output.row(t), y.columns);
    });
    output.store();
}

void cpu_backend::log_softmax_forward(const tensor& logits, const tensor& y) {
    const f32_input input(*this, logits);
    f32_output output(*this, y);
    parallel(y.rows, 8 * y.columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t t = begin; t < end; t++) {
            const double normalizer = kernels_.log_sum_exp(input.row(t), y.columns);
            for (size_t i = 0; i < y.columns; i++) output.row(t)[i] = static_cast<float>(input.row(t)[i] - normalizer);
        }
    });
    output.store();
}

void cpu_backend::token_log_probability_forward(const tensor& logits, const tensor& ids, const tensor& y) {
    require_below(ids, logits.columns, "token id");
    const uint32_t* id = static_cast<const uint32_t*>(ids.data);
    const f32_input input(*this, logits);
    parallel(logits.rows, 8 * logits.columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t t = begin; t < end; t++) {
            const double normalizer = kernels_.log_sum_exp(input.row(t), logits.columns);
            static_cast<float*>(y.data)[t] = static_cast<float>(input.row(t)[id[t]] - normalizer);
        }
    });
}

}  // namespace nq::cpu
