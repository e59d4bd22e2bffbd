#include "cpu/quantized_activations.h"

#include <cstring>

#include "cpu/staging.h"
#include "formats/half.h"

namespace nq::cpu {

namespace {

// Bytes from one row of codes to the next: an odd number of cache lines, so that the rows of a block lie in different sets of the first
// level, whatever K is.
size_t code_stride(size_t columns) { return ((columns + 63) / 64 | 1) * 64; }

float through_f16(float value) { return formats::f32_from_f16(formats::f16_from_f32_saturating(value)); }

// Columns whose flag is set, in order; returns their number. Eight clear flags are one comparison.
size_t list_columns(const uint8_t* flags, size_t columns, uint32_t* list) {
    size_t count = 0;
    for (size_t c = 0; c < columns;) {
        uint64_t eight = 0;
        std::memcpy(&eight, flags + c, std::min<size_t>(columns - c, 8));
        const size_t end = std::min(columns, c + 8);
        if (eight == 0) c = end;
        for (; c < end; c++) {
            if (flags[c] != 0) list[count++] = static_cast<uint32_t>(c);
        }
    }
    return count;
}

}  // namespace

quantized_activations::quantized_activations(cpu_backend& device, const tensor& x, float threshold)
    : codes_(device.scratch().take_array<uint8_t>(x.rows * code_stride(x.columns))),
      row_absmax_(device.scratch().take_array<float>(x.rows)),
      view_{codes_.as<uint8_t>(), code_stride(x.columns), row_absmax_.as<float>(), nullptr, nullptr, 0, x.rows} {
    const kernels& k = device.kernel();
    const size_t columns = x.columns;
    const bool with_outliers = threshold > 0;
    const uint32_t workers = x.rows > 1 ? device.thread_count() : 1;
    scratch_pool::lease value_scratch, flag_scratch;
    if (x.dtype != NQ_DTYPE_F32) value_scratch = device.scratch().take_array<float>(workers * columns);
    // Outlier columns, one byte each: a set per worker, joined in the first; threads must not write the same byte.
    uint8_t* flags = nullptr;
    if (with_outliers) {
        flag_scratch = device.scratch().take_array<uint8_t>(workers * columns);
        flags = flag_scratch.as<uint8_t>();
        std::memset(flags, 0, workers * columns);
    }
    // Rounding to f16 keeps order: it is enough to move the threshold and to round the largest value.
    const float limit = with_outliers ? formats::least_rounding_to(threshold) : 0.0f;
    uint8_t* codes = codes_.as<uint8_t>();
    // One pass over x. A row is quantized before the outlier columns of later rows are known; those are cleared below.
    device.parallel(x.rows, 2 * columns, [&](size_t begin, size_t end, uint32_t worker) {
        uint8_t* own_flags = with_outliers ? flags + worker * columns : nullptr;
        for (size_t r = begin; r < end; r++) {
            const float* values = reinterpret_cast<const float*>(row_address(x, r));
            if (x.dtype != NQ_DTYPE_F32) {
                float* widened = value_scratch.as<float>() + worker * columns;
                k.convert_to_f32(row_address(x, r), x.dtype, widened, columns);
                values = widened;
            }
            const float absmax = through_f16(k.int8_row_absmax(values, columns, limit, own_flags));
            k.quantize_activations(values, columns, absmax, own_flags, codes + r * view_.stride);
            row_absmax_.as<float>()[r] = absmax;
        }
    });
    if (!with_outliers) return;
    for (uint32_t worker = 1; worker < workers; worker++) {
        for (size_t c = 0; c < columns; c++) flags[c] |= flags[worker * columns + c];
    }
    outliers_ = device.scratch().take_array<uint32_t>(columns);
    const uint32_t* outliers = outliers_.as<uint32_t>();
    const size_t count = list_columns(flags, columns, outliers_.as<uint32_t>());
    if (count == 0) return;
    outlier_values_ = device.scratch().take_array<float>(x.rows * count);
    view_.outliers = outliers;
    view_.outlier_count = count;
    view_.outlier_values = outlier_values_.as<float>();
    device.parallel(x.rows, 8 * count, [&](size_t begin, size_t end, uint32_t) {
        for (size_t r = begin; r < end; r++) {
            float* values = outlier_values_.as<float>() + r * count;
            uint8_t* row_codes = codes + r * view_.stride;
            const char* row = row_address(x, r);
            for (size_t i = 0; i < count; i++) row_codes[outliers[i]] = 128;
            if (x.dtype == NQ_DTYPE_F32) {
                for (size_t i = 0; i < count; i++) values[i] = reinterpret_cast<const float*>(row)[outliers[i]];
            } else {
                for (size_t i = 0; i < count; i++) k.convert_to_f32(row + outliers[i] * element_size(x.dtype), x.dtype, values + i, 1);
            }
        }
    });
}

}  // namespace nq::cpu
