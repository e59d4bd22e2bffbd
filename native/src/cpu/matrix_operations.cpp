// Making matrices from host memory and writing them back. Each reads its source once, block by block, straight into its final form, so that
// loading needs little more memory than the matrix itself.
#include <cmath>
#include <cstring>

#include "cpu/matrices.h"
#include "cpu/staging.h"
#include "error.h"
#include "formats/codebooks.h"

namespace nq::cpu {

namespace {

flat_values flat(const host_weights& source) { return {source.data, source.dtype, source.rows * source.columns}; }

constexpr size_t piece = 4096;  // columns, whole blocks of any size

// Codes and absmax of a matrix whose rows are whole numbers of blocks, a panel at a time. absmax goes to `waiting` in flat order or, if
// that is null, to its place in the matrix.
class panel_quantizer {
public:
    panel_quantizer(const kernels& k, const host_weights& source, matrix4bit& weights, float* waiting)
        : k_(k), source_(source), weights_(weights), waiting_(waiting), blocksize_(weights.layout().blocksize) {}

    void quantize(size_t panel) {
        const size_t valid = std::min(panel_rows, source_.rows - panel * panel_rows);
        // Rows in one go are read faster than side by side, but absmax without a place of its own waits on the stack.
        const bool at_once = valid == panel_rows && k_.quantize_panel_4bit != nullptr;
        const size_t step = at_once && waiting_ != nullptr ? source_.columns : piece;
        for (size_t c = 0; c < source_.columns; c += step) {
            const size_t n = std::min(step, source_.columns - c);
            if (at_once)
                quantize_rows_at_once(panel, c, n);
            else
                quantize_rows(panel, valid, c, n);
        }
    }

    void check() const {
        if (bad_.found()) fail_not_finite(flat(source_), bad_.get());
    }

private:
    size_t element(size_t panel, size_t row, size_t column) const { return (panel * panel_rows + row) * source_.columns + column; }
    const char* values(size_t element) const { return static_cast<const char*>(source_.data) + element * element_size(source_.dtype); }

    void quantize_rows_at_once(size_t panel, size_t c, size_t n) {
        float statistics[panel_rows * piece / 32];
        const size_t first = element(panel, 0, c), groups = n / blocksize_;
        float* absmax = waiting_ != nullptr ? waiting_ + first / blocksize_ : statistics;
        const size_t stride = waiting_ != nullptr ? source_.columns / blocksize_ : groups;
        if (!k_.quantize_panel_4bit(values(first), source_.columns, source_.dtype, n, blocksize_, weights_.layout().quant_type,
                                    weights_.panel_codes(panel, c), absmax, stride)) {
            for (size_t r = 0; r < panel_rows; r++) find_bad(element(panel, r, c), n);
        }
        if (waiting_ != nullptr) return;
        for (size_t r = 0; r < panel_rows; r++) place_absmax(element(panel, r, c), absmax + r * stride, groups);
    }

    void quantize_rows(size_t panel, size_t valid, size_t c, size_t n) {
        uint8_t packed[panel_rows * (piece / 2 + 64)];  // 64: else the rows share the same sets of the first-level cache
        float statistics[piece / 32];
        const size_t stride = n / 2 + 64;
        for (size_t r = 0; r < valid; r++) {
            const size_t first = element(panel, r, c);
            float* absmax = waiting_ != nullptr ? waiting_ + first / blocksize_ : statistics;
            if (!k_.quantize_4bit(values(first), source_.dtype, n, blocksize_, weights_.layout().quant_type, packed + r * stride, absmax))
                find_bad(first, n);
            if (waiting_ == nullptr) place_absmax(first, absmax, n / blocksize_);
        }
        k_.interleave_codes_4bit(packed, stride, valid, n / 8, weights_.panel_codes(panel, c));
    }

    void place_absmax(size_t first, const float* absmax, size_t count) {
        float* in_place = weights_.absmax() + weights_.absmax_index(first / blocksize_);
        for (size_t i = 0; i < count; i++) in_place[i * panel_rows] = absmax[i];
    }

    void find_bad(size_t first, size_t n) {
        const size_t index = index_of_not_finite(k_, flat(source_), first, n);
        if (index < n) bad_.offer(first + index);
    }

    const kernels& k_;
    const host_weights& source_;
    matrix4bit& weights_;
    float* const waiting_;
    const uint32_t blocksize_;
    first_index bad_;
};

void quantize_panels(cpu_backend& device, const host_weights& source, matrix4bit& weights, float* waiting) {
    panel_quantizer quantizer(device.kernel(), source, weights, waiting);
    device.parallel(panel_count(source.rows), 4 * panel_rows * source.columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t panel = begin; panel < end; panel++) quantizer.quantize(panel);
    });
    quantizer.check();
}

// The absmax codes of all blocks, in flat order, to their places.
void store_absmax_codes(cpu_backend& device, matrix4bit& weights, const uint8_t* codes) {
    const auto& layout = weights.layout();
    device.parallel(panel_count(layout.rows), panel_rows * (layout.columns / layout.blocksize), [&](size_t begin, size_t end, uint32_t) {
        for (size_t panel = begin; panel < end; panel++) weights.store_absmax_codes(panel, codes);
    });
}

// Fills a matrix piece by piece. row_absmax(row) comes first, then codes(row, first, n, out) for its pieces. `cost`: elementary steps per
// element.
template <class RowAbsmax, class Codes>
void fill_panels(cpu_backend& device, matrix8bit& weights, size_t cost, const RowAbsmax& row_absmax, const Codes& codes) {
    constexpr size_t columns_at_once = 512;
    const size_t columns = weights.columns(), padded = weights.padded_columns();
    device.parallel(panel_count(weights.rows()), cost * panel_rows * padded, [&](size_t begin, size_t end, uint32_t) {
        int8_t rows[panel_rows * columns_at_once];
        for (size_t panel = begin; panel < end; panel++) {
            const size_t row = panel * panel_rows, valid = std::min(panel_rows, weights.rows() - row);
            for (size_t r = 0; r < valid; r++) weights.set_row_absmax(row + r, row_absmax(row + r));
            for (size_t c = 0; c < padded; c += columns_at_once) {
                const size_t n = std::min(columns_at_once, padded - c), there = std::min(n, columns - c);
                for (size_t r = 0; r < valid; r++) {
                    codes(row + r, c, there, rows + r * n);
                    std::memset(rows + r * n + there, 0, n - there);
                }
                weights.store_codes(device.kernel(), panel, c, n, rows);
            }
        }
    });
}

const matrix4bit& as_4bit(const matrix& weights) { return static_cast<const matrix4bit&>(weights); }
const matrix8bit& as_8bit(const matrix& weights) { return static_cast<const matrix8bit&>(weights); }

}  // namespace

std::shared_ptr<matrix> cpu_backend::create_dense(const host_weights& source, nq_dtype dtype) {
    auto weights = std::make_shared<dense_matrix>(*this, source.rows, source.columns, dtype);
    parallel(panel_count(source.rows), panel_rows * source.columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t panel = begin; panel < end; panel++) weights->fill_panel(kernels_, source, panel);
    });
    return weights;
}

std::shared_ptr<matrix> cpu_backend::quantize_matrix_4bit(const host_weights& source, nq_quant_type type, uint32_t blocksize, bool nested) {
    const uint32_t nested_blocksize = nested ? 256 : 0;
    auto weights = std::make_shared<matrix4bit>(
        *this, matrix4bit::format{source.rows, source.columns, type, source.dtype, blocksize, nested_blocksize});
    // Double quantization needs every absmax before the first code: they wait in flat order.
    scratch_pool::lease plain;
    if (nested) plain = scratch_.take_array<float>(weights->blocks());
    float* waiting = nested ? plain.as<float>() : nullptr;
    if (weights->in_panels()) {
        quantize_panels(*this, source, *weights, waiting);
    } else {
        quantize_flat_4bit(*this, flat(source), type, blocksize, weights->flat_packed(), nested ? waiting : weights->absmax());
    }
    if (!nested) return weights;

    const flat_values absmax{waiting, NQ_DTYPE_F32, weights->blocks()};
    const float offset = mean_of(*this, absmax);
    std::memcpy(weights->nested_map(), formats::dynamic_map_signed, sizeof formats::dynamic_map_signed);
    weights->set_nested_offset(offset);
    const auto take_codes = [&](uint8_t* codes) {
        quantize_flat_8bit(*this, absmax, offset, weights->nested_map(), nested_blocksize, codes, weights->nested_absmax());
    };
    if (!weights->in_panels()) {
        take_codes(weights->absmax_codes());
    } else {
        const auto codes = scratch_.take_array<uint8_t>(weights->blocks());
        take_codes(codes.as<uint8_t>());
        store_absmax_codes(*this, *weights, codes.as<uint8_t>());
    }
    return weights;
}

std::shared_ptr<matrix> cpu_backend::import_4bit(const nq_matrix4bit_storage& storage) {
    auto weights = std::make_shared<matrix4bit>(*this, matrix4bit::format{storage.rows, storage.columns, storage.quant_type, storage.dtype,
                                                                          storage.blocksize, storage.nested_blocksize});
    const bool nested = storage.nested_blocksize != 0;
    if (weights->in_panels()) {
        const size_t stride = storage.columns / 2;
        parallel(panel_count(storage.rows), panel_rows * storage.columns, [&](size_t begin, size_t end, uint32_t) {
            for (size_t panel = begin; panel < end; panel++) {
                const size_t row = panel * panel_rows, valid = std::min(panel_rows, storage.rows - row);
                kernels_.interleave_codes_4bit(storage.packed + row * stride, stride, valid, storage.columns / 8,
                                               weights->panel_codes(panel, 0));
            }
        });
        if (nested) store_absmax_codes(*this, *weights, storage.absmax_codes);
    } else {
        std::memcpy(weights->flat_packed(), storage.packed, (weights->count() + 1) / 2);
        if (nested) std::memcpy(weights->absmax_codes(), storage.absmax_codes, weights->blocks());
    }
    if (nested) {
        std::memcpy(weights->nested_map(), storage.nested_map, 256 * sizeof(float));
        std::memcpy(weights->nested_absmax(), storage.nested_absmax, weights->nested_blocks() * sizeof(float));
        weights->set_nested_offset(storage.nested_offset);
    } else {
        for (size_t block = 0; block < weights->blocks(); block++) weights->absmax()[weights->absmax_index(block)] = storage.absmax[block];
    }
    return weights;
}

void cpu_backend::export_4bit(const matrix& weights, nq_matrix4bit_storage& storage) {
    const matrix4bit& w = as_4bit(weights);
    const size_t rows = w.layout().rows, columns = w.layout().columns;
    if (w.in_panels()) {
        parallel(rows, columns, [&](size_t begin, size_t end, uint32_t) {
            for (size_t row = begin; row < end; row++) w.load_packed(row, 0, columns, storage.packed + row * columns / 2);
        });
    } else {
        std::memcpy(storage.packed, w.flat_packed(), (w.count() + 1) / 2);
    }
    const bool plain = w.layout().nested_blocksize == 0;
    for (size_t block = 0; block < w.blocks(); block++) {
        const size_t index = w.absmax_index(block);
        if (plain) {
            storage.absmax[block] = w.absmax()[index];
        } else {
            storage.absmax_codes[block] = w.absmax_codes()[index];
        }
    }
    if (!plain) {
        std::memcpy(storage.nested_map, w.nested_map(), 256 * sizeof(float));
        std::memcpy(storage.nested_absmax, w.nested_absmax(), w.nested_blocks() * sizeof(float));
    }
    storage.nested_offset = w.nested_offset();
}

std::shared_ptr<matrix> cpu_backend::quantize_matrix_8bit(const host_weights& source) {
    auto weights = std::make_shared<matrix8bit>(*this, source.rows, source.columns, source.dtype);
    const flat_values values = flat(source);
    const size_t columns = source.columns;
    first_index bad;
    const auto row_absmax = [&](size_t row) {
        float part[1024], most = 0;
        for (size_t c = 0; c < columns; c += std::size(part)) {
            const size_t n = std::min(std::size(part), columns - c);
            const float largest = load_block(kernels_, values, row * columns + c, n, part);
            if (!std::isfinite(largest)) {
                bad.offer(row * columns + c + index_of_not_finite(part, n));
                return 0.0f;
            }
            most = std::max(most, largest);
        }
        round_to_f16_saturating(kernels_, &most, 1);  // rounding keeps the order
        return most;
    };
    fill_panels(*this, *weights, 4, row_absmax, [&](size_t row, size_t first, size_t n, int8_t* codes) {
        float part[512];
        kernels_.convert_to_f32(static_cast<const char*>(source.data) + (row * columns + first) * element_size(source.dtype), source.dtype,
                                part, n);
        round_to_f16_saturating(kernels_, part, n);
        kernels_.int8_quantize_row(part, n, weights->row_absmax(row), 0, nullptr, codes);
    });
    if (bad.found()) fail_not_finite(values, bad.get());
    return weights;
}

std::shared_ptr<matrix> cpu_backend::import_8bit(size_t rows, size_t columns, nq_dtype dtype, const int8_t* codes,
                                                 const float* row_absmax) {
    auto weights = std::make_shared<matrix8bit>(*this, rows, columns, dtype);
    fill_panels(
        *this, *weights, 1, [&](size_t row) { return row_absmax[row]; },
        [&](size_t row, size_t first, size_t n, int8_t* out) { std::memcpy(out, codes + row * columns + first, n); });
    return weights;
}

void cpu_backend::export_8bit(const matrix& weights, int8_t* codes, float* row_absmax) {
    const matrix8bit& w = as_8bit(weights);
    parallel(w.rows(), w.columns(), [&](size_t begin, size_t end, uint32_t) {
        for (size_t row = begin; row < end; row++) {
            w.load_row(row, codes + row * w.columns());
            row_absmax[row] = w.row_absmax(row);
        }
    });
}

void cpu_backend::dequantize_matrix(const matrix& weights, const tensor& output) {
    const nq_matrix_kind kind = weights.info().kind;
    const auto scratch = scratch_.take_array<float>(threads_ * output.columns);
    parallel(output.rows, output.columns, [&](size_t begin, size_t end, uint32_t worker) {
        float* values = scratch.as<float>() + worker * output.columns;
        for (size_t row = begin; row < end; row++) {
            switch (kind) {
                case NQ_MATRIX_DENSE:
                    static_cast<const dense_matrix&>(weights).expand_row(kernels_, row, values);
                    break;
                case NQ_MATRIX_4BIT:
                    as_4bit(weights).expand_row(row, values);
                    break;
                case NQ_MATRIX_8BIT:
                    as_8bit(weights).expand_row(row, values);
                    break;
            }
            kernels_.convert_from_f32(values, row_address(output, row), output.dtype, output.columns);
        }
    });
}

}  // namespace nq::cpu
