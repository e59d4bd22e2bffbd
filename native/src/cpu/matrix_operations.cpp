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

// Codes and absmax of a matrix whose rows are whole numbers of blocks; absmax_out(block) receives each absmax.
template <class Absmax>
void quantize_panels(cpu_backend& device, const host_weights& source, matrix4bit& weights, const Absmax& absmax_out) {
    const kernels& k = device.kernel();
    const uint32_t blocksize = weights.layout().blocksize;
    const size_t groups = source.columns / blocksize;
    first_index bad;
    device.parallel(panel_count(source.rows), 4 * panel_rows * source.columns, [&](size_t begin, size_t end, uint32_t) {
        float values[4096];
        uint8_t codes[4096];
        for (size_t row = begin * panel_rows; row < std::min(end * panel_rows, source.rows); row++) {
            for (size_t group = 0; group < groups; group++) {
                const size_t block = row * groups + group;
                const float largest = load_block(k, flat(source), block * blocksize, blocksize, values);
                if (!std::isfinite(largest)) {
                    bad.offer(block * blocksize + index_of_not_finite(values, blocksize));
                    continue;
                }
                absmax_out(block, largest);
                k.quantize_4bit_block(values, blocksize, largest, weights.layout().quant_type, codes);
                weights.store_codes(row, group * blocksize, blocksize, codes);
            }
        }
    });
    if (bad.found()) fail_not_finite(flat(source), bad.get());
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
    std::optional<allocation> plain;
    if (nested) plain.emplace(account_, weights->blocks() * sizeof(float));
    float* waiting = nested ? plain->as<float>() : nullptr;
    if (weights->in_panels()) {
        float* in_place = weights->absmax();
        quantize_panels(*this, source, *weights,
                        [&](size_t block, float absmax) { (nested ? waiting[block] : in_place[weights->absmax_index(block)]) = absmax; });
    } else {
        quantize_flat_4bit(*this, flat(source), type, blocksize, weights->flat_packed(), nested ? waiting : weights->absmax());
    }
    if (!nested) return weights;

    const flat_values absmax{waiting, NQ_DTYPE_F32, weights->blocks()};
    const float offset = mean_of(absmax);
    const allocation codes(account_, weights->blocks());
    std::memcpy(weights->nested_map(), formats::dynamic_map_signed, sizeof formats::dynamic_map_signed);
    quantize_flat_8bit(*this, absmax, offset, weights->nested_map(), nested_blocksize, codes.as<uint8_t>(), weights->nested_absmax());
    weights->set_nested_offset(offset);
    for (size_t block = 0; block < weights->blocks(); block++) {
        weights->absmax_codes()[weights->absmax_index(block)] = codes.as<uint8_t>()[block];
    }
    return weights;
}

std::shared_ptr<matrix> cpu_backend::import_4bit(const nq_matrix4bit_storage& storage) {
    auto weights = std::make_shared<matrix4bit>(*this, matrix4bit::format{storage.rows, storage.columns, storage.quant_type, storage.dtype,
                                                                          storage.blocksize, storage.nested_blocksize});
    if (weights->in_panels()) {
        parallel(panel_count(storage.rows), panel_rows * storage.columns, [&](size_t begin, size_t end, uint32_t) {
            for (size_t row = begin * panel_rows; row < std::min<size_t>(end * panel_rows, storage.rows); row++) {
                weights->store_packed(row, 0, storage.columns, storage.packed + row * storage.columns / 2);
            }
        });
    } else {
        std::memcpy(weights->flat_packed(), storage.packed, (weights->count() + 1) / 2);
    }
    for (size_t block = 0; block < weights->blocks(); block++) {
        const size_t index = weights->absmax_index(block);
        if (storage.nested_blocksize == 0) {
            weights->absmax()[index] = storage.absmax[block];
        } else {
            weights->absmax_codes()[index] = storage.absmax_codes[block];
        }
    }
    if (storage.nested_blocksize != 0) {
        std::memcpy(weights->nested_map(), storage.nested_map, 256 * sizeof(float));
        std::memcpy(weights->nested_absmax(), storage.nested_absmax, weights->nested_blocks() * sizeof(float));
        weights->set_nested_offset(storage.nested_offset);
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
    const size_t columns = source.columns;
    const auto value_scratch = scratch_.take_array<float>(threads_ * columns);
    const auto code_scratch = scratch_.take_array<int8_t>(threads_ * columns);
    first_index bad;
    parallel(source.rows, 4 * columns, [&](size_t begin, size_t end, uint32_t worker) {
        float* values = value_scratch.as<float>() + worker * columns;
        int8_t* codes = code_scratch.as<int8_t>() + worker * columns;
        for (size_t row = begin; row < end; row++) {
            if (!std::isfinite(load_block(kernels_, flat(source), row * columns, columns, values))) {
                bad.offer(row * columns + index_of_not_finite(values, columns));
                continue;
            }
            round_to_f16_saturating(kernels_, values, columns, values);
            const float absmax = kernels_.int8_row_absmax(values, columns, 0, nullptr);
            kernels_.int8_quantize_row(values, columns, absmax, 0, nullptr, codes);
            weights->store_row(row, codes, absmax);
        }
    });
    if (bad.found()) fail_not_finite(flat(source), bad.get());
    return weights;
}

std::shared_ptr<matrix> cpu_backend::import_8bit(size_t rows, size_t columns, nq_dtype dtype, const int8_t* codes,
                                                 const float* row_absmax) {
    auto weights = std::make_shared<matrix8bit>(*this, rows, columns, dtype);
    parallel(rows, columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t row = begin; row < end; row++) weights->store_row(row, codes + row * columns, row_absmax[row]);
    });
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
