// Linear layers. Work is split by panels of 16 output rows and never along a sum, so the number of threads does not show in the result.
#include "cpu/activation_tables.h"
#include "cpu/linear4bit_int8.h"
#include "cpu/matrices.h"
#include "cpu/quantized_activations.h"
#include "cpu/staging.h"
#include "cpu/tile_activations.h"
#include "formats/quantizers.h"

namespace nq::cpu {

namespace {

// Matrices whose blocks run over row ends: a row at a time is expanded and multiplied with every row of x.
void linear4bit_flat(cpu_backend& device, const matrix4bit& weights, const f32_input& x, size_t m, const float* bias,
                     nq_dtype compute_dtype, f32_output& y) {
    const kernels& k = device.kernel();
    const size_t rows = weights.layout().rows, columns = weights.layout().columns;
    const auto scratch = device.scratch().take_array<float>(device.thread_count() * columns);
    device.parallel(rows, columns * (m + 4), [&](size_t begin, size_t end, uint32_t worker) {
        float* values = scratch.as<float>() + worker * columns;
        for (size_t n = begin; n < end; n++) {
            weights.expand_row(n, values);
            k.round_through(values, compute_dtype, values, columns);
            for (size_t r = 0; r < m; r++) y.row(r)[n] = k.dot(x.row(r), values, columns) + (bias != nullptr ? bias[n] : 0.0f);
        }
    });
}

}  // namespace

void cpu_backend::linear_forward(const matrix& weights, const tensor& x, const tensor* bias, const tensor& y) {
    const dense_panels panels = static_cast<const dense_matrix&>(weights).panels();
    const f32_input input(*this, x);
    const optional_f32_input bias_input(*this, bias);
    f32_output output(*this, y);
    const auto multiply = [&](const auto& kernel) {
        parallel_panels(panel_count(panels.rows), x.rows, panel_rows * panels.columns * x.rows / 4,
                        [&](size_t begin, size_t end, uint32_t) { kernel(begin, end); });
    };
    if (const size_t parts = kernels_.tiles != nullptr ? kernels_.tiles->linear_parts(panels, x.rows) : 0; parts > 0) {
        const tile_activations activations(*this, input, x.rows, x.columns, parts);
        multiply([&](size_t begin, size_t end) {
            kernels_.tiles->linear(panels, activations.view(), bias_input.data(), output.data(), output.stride(), begin, end);
        });
    } else {
        multiply([&](size_t begin, size_t end) {
            kernels_.linear(panels, input.data(), x.rows, input.stride(), bias_input.data(), output.data(), output.stride(), begin, end);
        });
    }
    output.store();
}

void cpu_backend::linear4bit_forward(const matrix& weights, const tensor& x, const tensor* bias, nq_dtype compute_dtype, const tensor& y) {
    const matrix4bit& w = static_cast<const matrix4bit&>(weights);
    if (compute_dtype == NQ_DTYPE_I8) return linear4bit_int8_forward(*this, w, x, bias, y);
    const f32_input input(*this, x, compute_dtype);
    const optional_f32_input bias_input(*this, bias, compute_dtype);
    f32_output output(*this, y);
    if (w.in_panels()) {
        const panels4bit panels = w.panels();
        const auto multiply = [&](const auto& kernel) {
            parallel_panels(panel_count(panels.rows), x.rows, panel_rows * panels.columns * x.rows / 4,
                            [&](size_t begin, size_t end, uint32_t) { kernel(begin, end); });
        };
        if (const size_t parts = kernels_.tiles != nullptr ? kernels_.tiles->linear4bit_parts(panels, compute_dtype, x.rows) : 0;
            parts > 0) {
            const tile_activations activations(*this, input, x.rows, x.columns, parts);
            multiply([&](size_t begin, size_t end) {
                kernels_.tiles->linear4bit(panels, activations.view(), bias_input.data(), compute_dtype, output.data(), output.stride(),
                                           begin, end);
            });
        } else if (activation_tables::worthwhile(*this, panels, x.rows, compute_dtype)) {
            const activation_tables tables(*this, panels, input.data());
            multiply([&](size_t begin, size_t end) {
                kernels_.linear4bit_tables(panels, tables.view(), bias_input.data(), output.data(), begin, end);
            });
        } else {
            multiply([&](size_t begin, size_t end) {
                kernels_.linear4bit(panels, input.data(), x.rows, input.stride(), bias_input.data(), compute_dtype, output.data(),
                                    output.stride(), begin, end);
            });
        }
    } else {
        linear4bit_flat(*this, w, input, x.rows, bias_input.data(), compute_dtype, output);
    }
    output.store(compute_dtype);
}

void cpu_backend::linear8bit_forward(const matrix& weights, const tensor& x, const tensor* bias, float threshold, const tensor& y) {
    const panels8bit panels = static_cast<const matrix8bit&>(weights).panels();
    const optional_f32_input bias_input(*this, bias);
    f32_output output(*this, y);
    const quantized_activations activations(*this, x, threshold);
    parallel_panels(panel_count(panels.rows), x.rows, panel_rows * panels.columns * x.rows / 8, [&](size_t begin, size_t end, uint32_t) {
        kernels_.linear8bit(panels, activations.view(), bias_input.data(), output.data(), output.stride(), begin, end);
    });
    output.store();
}

void cpu_backend::int8_matmul(const tensor& a, const tensor& b, const tensor& y) {
    parallel(b.rows, a.columns * a.rows / 8, [&](size_t begin, size_t end, uint32_t) {
        for (size_t n = begin; n < end; n++) {
            const int8_t* column = reinterpret_cast<const int8_t*>(row_address(b, n));
            for (size_t m = 0; m < a.rows; m++) {
                reinterpret_cast<int32_t*>(row_address(y, m))[n] =
                    kernels_.dot_int8(reinterpret_cast<const int8_t*>(row_address(a, m)), column, a.columns);
            }
        }
    });
}

void cpu_backend::int8_matmul_dequantize(const tensor& acc, const tensor& row_absmax, const tensor& column_absmax, const tensor* bias,
                                         const tensor& y) {
    const optional_f32_input bias_input(*this, bias);
    f32_output output(*this, y);
    const float* rows = static_cast<const float*>(row_absmax.data);
    const float* columns = static_cast<const float*>(column_absmax.data);
    parallel(acc.rows, acc.columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t m = begin; m < end; m++) {
            const int32_t* sums = reinterpret_cast<const int32_t*>(row_address(acc, m));
            for (size_t n = 0; n < acc.columns; n++) {
                const float product = static_cast<float>(sums[n]) * (rows[m] * columns[n]) * formats::one_over_127_squared;
                output.row(m)[n] = bias != nullptr ? product + bias_input.data()[n] : product;
            }
        }
    });
    output.store();
}

}  // namespace nq::cpu
