// Making 4-bit matrices and writing them back, a slice at a time: loading needs little more device memory than the matrix itself.
#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "cuda/block_quantization.h"
#include "cuda/dense_matrix.h"
#include "cuda/device/fragments4bit.h"
#include "cuda/fail.h"
#include "cuda/kernels/matrix4bit.h"
#include "cuda/linear_layers.h"
#include "cuda/matrix4bit.h"
#include "formats/codebooks.h"

namespace nq::cuda {

namespace {

using namespace fragments4bit;

constexpr size_t slice_bytes = 4 << 20;

launch_shape thread_each(size_t count) {
    return {.grid_x = static_cast<unsigned>((count + matrix4bit_threads - 1) / matrix4bit_threads), .threads = matrix4bit_threads};
}

// Rows of a slice of about `slice_bytes`: whole tiles.
size_t slice_rows(size_t row_bytes) { return std::max<size_t>(slice_bytes / row_bytes / tile_rows, 1) * tile_rows; }

// `packed`, on the device: rows from `first` on, a multiple of 64, in the exchange format.
void pack_codes(cuda_backend& device, const matrix4bit& m, const uint8_t* packed, size_t first, size_t rows) {
    const size_t columns = m.layout().columns, lanes = row_tiles(rows) * (columns / tile_columns) * (tile_bytes / lane_bytes);
    device.device().launch(pack4bit_kernel, thread_each(lanes), {packed, m.codes() + code_byte(first, 0, columns), rows, columns});
}

// The same of absmax or their codes.
void place_absmax(cuda_backend& device, const matrix4bit& m, const void* flat, size_t first, size_t rows) {
    const size_t groups = m.layout().columns / m.layout().blocksize;
    const uint32_t size = m.nested() ? 1 : sizeof(float);
    device.device().launch(place_absmax_kernel, thread_each(row_tiles(rows) * tile_rows * groups),
                           {flat, static_cast<char*>(m.absmax()) + absmax_index(first, 0, groups) * size, rows, groups, size});
}

// The exchange format from host memory.
void import_codes(cuda_backend& device, const matrix4bit& m, const uint8_t* packed) {
    if (!m.in_fragments()) return device.write(m.codes(), packed, (m.count() + 1) / 2);
    const size_t rows = m.layout().rows, row_bytes = m.layout().columns / 2, step = std::min(slice_rows(row_bytes), rows);
    const device_block staging = device.scratch(step * row_bytes);
    for (size_t first = 0; first < rows; first += step) {
        const size_t n = std::min(step, rows - first);
        device.write(staging.address(), packed + first * row_bytes, n * row_bytes);
        pack_codes(device, m, staging.as<uint8_t>(), first, n);
    }
}

void import_absmax(cuda_backend& device, const matrix4bit& m, const void* absmax) {
    const size_t size = m.nested() ? 1 : sizeof(float);
    if (!m.in_fragments()) return device.write(m.absmax(), absmax, m.blocks() * size);
    const size_t rows = m.layout().rows, row_bytes = m.layout().columns / m.layout().blocksize * size;
    const size_t step = std::min(slice_rows(row_bytes), rows);
    const device_block staging = device.scratch(step * row_bytes);
    for (size_t first = 0; first < rows; first += step) {
        const size_t n = std::min(step, rows - first);
        device.write(staging.address(), static_cast<const char*>(absmax) + first * row_bytes, n * row_bytes);
        place_absmax(device, m, staging.address(), first, n);
    }
}

// Elements of a matrix in host memory from `first` on, quantized on the device: codes to `packed`, absmax to `absmax`.
void quantize_slice(cuda_backend& device, const host_weights& source, size_t first, size_t count, void* staging, const matrix4bit& m,
                    uint8_t* packed, float* absmax) {
    const size_t size = element_size(source.dtype);
    device.write(staging, static_cast<const char*>(source.data) + first * size, count * size);
    const flat_values values{staging, source.dtype, count};
    const first_bad_block bad(device);
    enqueue_quantize_4bit(device, values, m.layout().quant_type, m.layout().blocksize, packed, absmax, bad);
    bad.check(values, m.layout().blocksize, first);
}

// All absmax in flat order to their codes in the matrix.
void nest_absmax(cuda_backend& device, matrix4bit& m, const float* absmax) {
    device.write(m.nested_map(), formats::dynamic_map_signed, 256 * sizeof(float));
    const device_block flat_codes = device.scratch(m.in_fragments() ? m.blocks() : 1), offset = device.scratch(sizeof(float));
    auto* const codes = m.in_fragments() ? flat_codes.as<uint8_t>() : static_cast<uint8_t*>(m.absmax());
    quantize_absmax_values(device, absmax, m.blocks(), m.nested_map(), m.layout().nested_blocksize, codes, m.nested_absmax(),
                           offset.as<float>());
    float value;
    device.read(&value, offset.address(), sizeof value);
    m.set_nested_offset(value);
    if (m.in_fragments()) place_absmax(device, m, codes, 0, m.layout().rows);
}

}  // namespace

std::shared_ptr<matrix> cuda_backend::quantize_matrix_4bit(const host_weights& source, nq_quant_type type, uint32_t blocksize,
                                                           bool nested) {
    auto result = std::make_shared<matrix4bit>(
        *this, matrix4bit::format{source.rows, source.columns, type, source.dtype, blocksize, nested ? 256u : 0u});
    matrix4bit& m = *result;
    const size_t size = element_size(source.dtype), count = m.count(), columns = source.columns;
    // Slices of whole blocks: whole tiles of rows, or any number of the largest blocks.
    const size_t step = std::min(count, m.in_fragments() ? slice_rows(columns * size) * columns : slice_bytes / size);
    const device_block staging = scratch(step * size), packed = scratch((step + 1) / 2);
    // Double quantization needs every absmax before the first code: they wait in flat order.
    const device_block absmax = scratch((nested ? m.blocks() : (step - 1) / blocksize + 1) * sizeof(float));
    for (size_t first = 0; first < count; first += step) {
        const size_t n = std::min(step, count - first);
        float* const flat_absmax = nested ? absmax.as<float>() + first / blocksize : absmax.as<float>();
        if (m.in_fragments()) {
            quantize_slice(*this, source, first, n, staging.address(), m, packed.as<uint8_t>(), flat_absmax);
            pack_codes(*this, m, packed.as<uint8_t>(), first / columns, n / columns);
            if (!nested) place_absmax(*this, m, flat_absmax, first / columns, n / columns);
        } else {
            float* const in_place = static_cast<float*>(m.absmax()) + first / blocksize;
            quantize_slice(*this, source, first, n, staging.address(), m, m.codes() + first / 2, nested ? flat_absmax : in_place);
        }
    }
    if (nested) nest_absmax(*this, m, absmax.as<float>());
    return result;
}

std::shared_ptr<matrix> cuda_backend::import_4bit(const nq_matrix4bit_storage& storage) {
    if (storage.nested_blocksize != 0 && !std::has_single_bit(storage.nested_blocksize)) {
        fail(NQ_STATUS_UNSUPPORTED, "nested_blocksize is %u, expected a power of two on CUDA (checkpoints have 256)",
             storage.nested_blocksize);
    }
    auto result = std::make_shared<matrix4bit>(*this, matrix4bit::format{storage.rows, storage.columns, storage.quant_type, storage.dtype,
                                                                         storage.blocksize, storage.nested_blocksize});
    matrix4bit& m = *result;
    import_codes(*this, m, storage.packed);
    import_absmax(*this, m, m.nested() ? static_cast<const void*>(storage.absmax_codes) : storage.absmax);
    if (m.nested()) {
        write(m.nested_map(), storage.nested_map, 256 * sizeof(float));
        write(m.nested_absmax(), storage.nested_absmax, m.nested_blocks() * sizeof(float));
        m.set_nested_offset(storage.nested_offset);
    }
    return result;
}

void cuda_backend::export_4bit(const matrix& weights, nq_matrix4bit_storage& storage) {
    const matrix4bit& m = as_4bit(weights);
    const size_t rows = m.layout().rows, columns = m.layout().columns;
    char* const absmax = m.nested() ? reinterpret_cast<char*>(storage.absmax_codes) : reinterpret_cast<char*>(storage.absmax);
    if (m.in_fragments()) {
        const size_t pairs = columns / 2, groups = columns / m.layout().blocksize, size = m.nested() ? 1 : sizeof(float);
        std::vector<uint8_t> tiles(pairs * tile_rows);
        for (size_t first = 0; first < rows; first += tile_rows) {
            read(tiles.data(), m.codes() + code_byte(first, 0, columns), tiles.size());
            for (size_t row = 0; row < std::min<size_t>(tile_rows, rows - first); row++) {
                uint8_t* const out = storage.packed + (first + row) * pairs;
                for (size_t pair = 0; pair < pairs; pair++) out[pair] = tiles[code_byte(row, pair, columns)];
            }
        }
        std::vector<char> placed(m.absmax_bytes());
        read(placed.data(), m.absmax(), placed.size());
        for (size_t row = 0; row < rows; row++) {
            for (size_t group = 0; group < groups; group++) {
                std::memcpy(absmax + (row * groups + group) * size, placed.data() + absmax_index(row, group, groups) * size, size);
            }
        }
    } else {
        read(storage.packed, m.codes(), (m.count() + 1) / 2);
        read(absmax, m.absmax(), m.absmax_bytes());
    }
    if (m.nested()) {
        read(storage.nested_map, m.nested_map(), 256 * sizeof(float));
        read(storage.nested_absmax, m.nested_absmax(), m.nested_blocks() * sizeof(float));
    }
    storage.nested_offset = m.nested_offset();
}

void dequantize_matrix4bit(cuda_backend& device, const matrix& weights, const tensor& output) {
    constexpr size_t most_grid_y = 65535;
    const matrix4bit& m = as_4bit(weights);
    launch_shape shape = thread_each(output.columns);
    shape.grid_y = static_cast<unsigned>(std::min(output.rows, most_grid_y));
    device.device().launch(dequantize_matrix4bit_kernel, shape, {m.weights(), !m.in_fragments(), view_of(output)});
}

}  // namespace nq::cuda
