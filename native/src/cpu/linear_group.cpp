// Several linear layers of one x: x is made ready once, and one parallel region computes the panels of all layers, each with the epilogue
// of its rows while they are in cache. The kernels are those of the single layers, called on the same panels, so the bits are the same.
#include <array>
#include <optional>

#include "cpu/activation_tables.h"
#include "cpu/linear4bit_int8.h"
#include "cpu/matrices.h"
#include "cpu/quantized_activations.h"
#include "cpu/staging.h"
#include "cpu/tile_activations.h"

namespace nq::cpu {

namespace {

// What x becomes for the layers of a group: each form is made when it is first asked for.
class group_input {
public:
    group_input(cpu_backend& device, const tensor& x) : device_(device), x_(x) {}

    const f32_input& as_f32(nq_dtype through) {
        std::optional<f32_input>& form = f32_[through];
        if (!form) form.emplace(device_, x_, through);
        return *form;
    }
    const activations8bit& quantized(float threshold) {
        for (auto& [form, made_for] : rows_) {
            if (form && made_for != threshold) continue;
            if (!form) form.emplace(device_, x_, made_for = threshold);
            return form->view();
        }
        __builtin_unreachable();  // as many places as layers
    }
    const activations4bit& blocks(uint32_t block) {
        for (std::optional<activation_blocks>& form : blocks_) {
            if (form && form->view().block != block) continue;
            if (!form) form.emplace(device_, as_f32(NQ_DTYPE_F32), x_.rows, x_.columns, block);
            return form->view();
        }
        __builtin_unreachable();
    }

    const tables4bit& tables(const panels4bit& weights) {
        for (auto& [form, codebook] : tables_) {
            if (form && (codebook != weights.codebook || form->view().block != table_block_columns(weights.blocksize))) continue;
            if (!form) form.emplace(device_, weights, as_f32(NQ_DTYPE_F32).data());
            codebook = weights.codebook;
            return form->view();
        }
        __builtin_unreachable();
    }

    const activations_bf16& tiles(nq_dtype through, size_t parts) {
        for (tile_form& place : tiles_) {
            if (place.form && (place.through != through || place.parts != parts)) continue;
            if (!place.form) {
                place.through = through;
                place.parts = parts;
                place.form.emplace(device_, as_f32(through), x_.rows, x_.columns, parts);
            }
            return place.form->view();
        }
        __builtin_unreachable();
    }

private:
    struct tile_form {
        std::optional<tile_activations> form;
        nq_dtype through = NQ_DTYPE_F32;
        size_t parts = 0;
    };
    struct table_form {
        std::optional<activation_tables> form;
        const float* codebook = nullptr;
    };
    struct quantized_form {
        std::optional<quantized_activations> form;
        float threshold = 0;
    };

    cpu_backend& device_;
    const tensor& x_;
    std::array<std::optional<f32_input>, 3> f32_;  // by type rounded through: f32, f16, bf16
    std::array<tile_form, most_group_layers> tiles_;
    std::array<quantized_form, most_group_layers> rows_;
    std::array<std::optional<activation_blocks>, most_group_layers> blocks_;
    std::array<table_form, most_group_layers> tables_;
};

// One layer with everything its kernel reads and writes.
class prepared_layer {
public:
    prepared_layer(cpu_backend& device, const linear_layer& layer, group_input& input, const tensor& x, nq_epilogue epilogue)
        : k_(device.kernel()), y_(*layer.y), epilogue_(epilogue), m_(x.rows) {
        const bool direct = y_.dtype == NQ_DTYPE_F32 && epilogue != NQ_EPILOGUE_ADD;
        if (!direct) scratch_ = device.scratch().take_array<float>(y_.count());
        result_ = direct ? static_cast<float*>(y_.data) : scratch_.as<float>();
        stride_ = direct ? y_.row_stride : y_.columns;
        kind_ = layer.weights->info().kind;
        if (kind_ == NQ_MATRIX_4BIT && layer.compute_dtype != NQ_DTYPE_I8) through_ = layer.compute_dtype;
        if (kind_ == NQ_MATRIX_4BIT && !static_cast<const matrix4bit&>(*layer.weights).in_panels()) {
            // Expanded row by row, in a region of its own.
            done_ = true;
            const tensor result = {result_, m_, y_.columns, stride_, NQ_DTYPE_F32};
            device.linear4bit_forward(*layer.weights, x, layer.bias, layer.compute_dtype, result);
            return;
        }
        bias_.emplace(device, layer.bias, through_);
        const size_t products = panel_rows * x.columns * m_;
        if (kind_ == NQ_MATRIX_DENSE) {
            dense_ = static_cast<const dense_matrix&>(*layer.weights).panels();
            x_ = &input.as_f32(NQ_DTYPE_F32);
            if (k_.tiles != nullptr) use_tiles(input, k_.tiles->linear_parts(dense_, m_));
            cost_ = products / 4;
        } else if (kind_ == NQ_MATRIX_8BIT) {
            eight_ = static_cast<const matrix8bit&>(*layer.weights).panels();
            rows_ = &input.quantized(layer.threshold);
            cost_ = products / 8;
        } else {
            four_ = static_cast<const matrix4bit&>(*layer.weights).panels();
            if (layer.compute_dtype == NQ_DTYPE_I8) {
                blocks_ = &input.blocks(int8_block_columns(four_.blocksize));
            } else {
                x_ = &input.as_f32(through_);
                if (k_.tiles != nullptr) use_tiles(input, k_.tiles->linear4bit_parts(four_, through_, m_));
                if (tiles_ == nullptr && activation_tables::worthwhile(device, four_, m_, through_)) tables_ = &input.tables(four_);
            }
            cost_ = blocks_ != nullptr ? products / 8 : products / 4;
        }
    }

    size_t panels() const noexcept { return panel_count(y_.columns); }
    size_t cost() const noexcept { return cost_; }

    // The layer's result in f32, rounded as the layer alone would have it in f32.
    void multiply(size_t begin, size_t end) const {
        if (done_) return;
        if (tiles_ != nullptr && kind_ == NQ_MATRIX_DENSE)
            k_.tiles->linear(dense_, *tiles_, bias_->data(), result_, stride_, begin, end);
        else if (tiles_ != nullptr)
            k_.tiles->linear4bit(four_, *tiles_, bias_->data(), through_, result_, stride_, begin, end);
        else if (kind_ == NQ_MATRIX_DENSE)
            k_.linear(dense_, x_->data(), m_, x_->stride(), bias_->data(), result_, stride_, begin, end);
        else if (kind_ == NQ_MATRIX_8BIT)
            k_.linear8bit(eight_, *rows_, bias_->data(), result_, stride_, begin, end);
        else if (blocks_ != nullptr)
            k_.linear4bit_int8(four_, *blocks_, bias_->data(), result_, stride_, begin, end);
        else if (tables_ != nullptr)
            k_.linear4bit_tables(four_, *tables_, bias_->data(), result_, begin, end);
        else
            k_.linear4bit(four_, x_->data(), m_, x_->stride(), bias_->data(), through_, result_, stride_, begin, end);
        if (through_ == NQ_DTYPE_F32) return;
        for (size_t r = 0; r < m_; r++) {
            float* result = row(r, begin);
            k_.round_through(result, through_, result, columns(begin, end));
        }
    }

    // result = silu(result) * up
    void gate(const prepared_layer& up, size_t begin, size_t end) const {
        for (size_t r = 0; r < m_; r++) k_.gated_silu(row(r, begin), up.row(r, begin), row(r, begin), columns(begin, end));
    }

    // y = result, or y + result, in the type of y.
    void store(size_t begin, size_t end) const {
        const size_t n = columns(begin, end);
        for (size_t r = 0; r < m_; r++) {
            float* result = row(r, begin);
            char* y = row_address(y_, r) + begin * panel_rows * element_size(y_.dtype);
            if (epilogue_ != NQ_EPILOGUE_ADD) {
                if (y_.dtype != NQ_DTYPE_F32) k_.convert_from_f32(result, y, y_.dtype, n);
            } else if (y_.dtype == NQ_DTYPE_F32) {
                k_.add(result, reinterpret_cast<float*>(y), n);
            } else {
                add_converted(result, y, n);
            }
        }
    }

private:
    // parts 0: the vector kernel is the better one.
    void use_tiles(group_input& input, size_t parts) {
        if (parts > 0) tiles_ = &input.tiles(through_, parts);
    }

    float* row(size_t r, size_t panel) const noexcept { return result_ + r * stride_ + panel * panel_rows; }
    size_t columns(size_t begin, size_t end) const noexcept { return std::min(end * panel_rows, y_.columns) - begin * panel_rows; }

    void add_converted(const float* result, char* y, size_t n) const {
        float sum[256];
        for (size_t i = 0; i < n; i += std::size(sum)) {
            const size_t count = std::min(n - i, std::size(sum));
            char* part = y + i * element_size(y_.dtype);
            k_.convert_to_f32(part, y_.dtype, sum, count);
            k_.add(result + i, sum, count);
            k_.convert_from_f32(sum, part, y_.dtype, count);
        }
    }

    const kernels& k_;
    const tensor& y_;
    const nq_epilogue epilogue_;
    const size_t m_;
    scratch_pool::lease scratch_;
    float* result_;
    size_t stride_;
    nq_matrix_kind kind_;
    nq_dtype through_ = NQ_DTYPE_F32;
    bool done_ = false;
    size_t cost_ = 0;
    std::optional<optional_f32_input> bias_;
    dense_panels dense_{};
    panels4bit four_{};
    panels8bit eight_{};
    const f32_input* x_ = nullptr;
    const activations_bf16* tiles_ = nullptr;
    const activations8bit* rows_ = nullptr;
    const activations4bit* blocks_ = nullptr;
    const tables4bit* tables_ = nullptr;
};

}  // namespace

void cpu_backend::linear_group_forward(const linear_layer* layers, size_t count, const tensor& x, nq_epilogue epilogue) {
    group_input input(*this, x);
    std::array<std::optional<prepared_layer>, most_group_layers> prepared;
    size_t panels = 0, cost = 0;
    for (size_t i = 0; i < count; i++) {
        prepared[i].emplace(*this, layers[i], input, x, epilogue);
        panels += prepared[i]->panels();
        cost = std::max(cost, prepared[i]->cost());
    }
    if (epilogue == NQ_EPILOGUE_GATED_SILU) {
        const prepared_layer &gate = *prepared[0], &up = *prepared[1];
        parallel_panels(gate.panels(), x.rows, 2 * cost, [&](size_t begin, size_t end, uint32_t) {
            up.multiply(begin, end);
            gate.multiply(begin, end);
            gate.gate(up, begin, end);
            up.store(begin, end);
            gate.store(begin, end);
        });
        return;
    }
    // The strips of all layers one after the other.
    const size_t strip = strip_panels(panels, x.rows);
    const auto strips = [&](const prepared_layer& layer) { return (layer.panels() - 1) / strip + 1; };
    size_t total = 0;
    for (size_t i = 0; i < count; i++) total += strips(*prepared[i]);
    parallel(total, strip * cost, [&](size_t begin, size_t end, uint32_t) {
        size_t first = 0;
        for (size_t i = 0; i < count && first < end; i++) {
            const prepared_layer& layer = *prepared[i];
            const size_t from = std::max(begin, first) - first, to = std::min(end - first, strips(layer));
            if (from < to) {
                const size_t panel_begin = from * strip, panel_end = std::min(to * strip, layer.panels());
                layer.multiply(panel_begin, panel_end);
                layer.store(panel_begin, panel_end);
            }
            first += strips(layer);
        }
    });
}

}  // namespace nq::cpu
