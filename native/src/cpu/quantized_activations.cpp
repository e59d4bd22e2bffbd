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

// Rows of x as f32, one at a time into memory of the worker that asks.
class f32_rows {
public:
    f32_rows(cpu_backend& device, const tensor& x) : kernels_(device.kernel()), x_(x) {
        if (x.dtype != NQ_DTYPE_F32) scratch_ = device.scratch().take_array<float>(device.thread_count() * x.columns);
    }

    const float* row(size_t r, uint32_t worker) const {
        if (x_.dtype == NQ_DTYPE_F32) return reinterpret_cast<const float*>(row_address(x_, r));
        float* values = scratch_.as<float>() + worker * x_.columns;
        kernels_.convert_to_f32(row_address(x_, r), x_.dtype, values, x_.columns);
        return values;
    }

private:
    const kernels& kernels_;
    const tensor& x_;
    scratch_pool::lease scratch_;
};

}  // namespace

quantized_activations::quantized_activations(cpu_backend& device, const tensor& x, float threshold)
    : codes_(device.scratch().take_array<uint8_t>(x.rows * code_stride(x.columns))),
      row_absmax_(device.scratch().take_array<float>(x.rows)),
      view_{codes_.as<uint8_t>(), code_stride(x.columns), row_absmax_.as<float>(), nullptr, nullptr, 0, x.rows} {
    const kernels& k = device.kernel();
    const size_t columns = x.columns;
    const f32_rows rows(device, x);
    // Outlier columns, one byte each: a set per worker, joined in the first; threads must not write the same byte.
    const uint32_t workers = x.rows > 1 ? device.thread_count() : 1;
    scratch_pool::lease flag_scratch;
    uint8_t* flags = nullptr;
    if (threshold > 0) {
        flag_scratch = device.scratch().take_array<uint8_t>(workers * columns);
        flags = flag_scratch.as<uint8_t>();
        std::memset(flags, 0, workers * columns);
    }
    // Rounding to f16 keeps order: it is enough to move the threshold and to round the largest value.
    const float limit = threshold > 0 ? formats::least_rounding_to(threshold) : 0.0f;
    float* absmax = row_absmax_.as<float>();
    device.parallel(x.rows, columns, [&](size_t begin, size_t end, uint32_t worker) {
        for (size_t r = begin; r < end; r++) {
            uint8_t* own_flags = flags != nullptr ? flags + worker * columns : nullptr;
            absmax[r] = through_f16(k.int8_row_absmax(rows.row(r, worker), columns, limit, own_flags));
        }
    });
    if (threshold > 0) {
        for (uint32_t worker = 1; worker < workers; worker++) {
            for (size_t c = 0; c < columns; c++) flags[c] |= flags[worker * columns + c];
        }
        size_t count = 0;
        for (size_t c = 0; c < columns; c++) count += flags[c];
        view_.outlier_count = count;
        if (count > 0) {
            outliers_ = device.scratch().take_array<uint32_t>(count);
            outlier_values_ = device.scratch().take_array<float>(x.rows * count);
            uint32_t* outlier = outliers_.as<uint32_t>();
            for (size_t c = 0; c < columns; c++) {
                if (flags[c] != 0) *outlier++ = static_cast<uint32_t>(c);
            }
        }
        view_.outliers = count > 0 ? outliers_.as<uint32_t>() : nullptr;
        view_.outlier_values = count > 0 ? outlier_values_.as<float>() : nullptr;
    }
    device.parallel(x.rows, columns, [&](size_t begin, size_t end, uint32_t worker) {
        for (size_t r = begin; r < end; r++) {
            const float* values = rows.row(r, worker);
            k.quantize_activations(values, columns, absmax[r], view_.outlier_count > 0 ? flags : nullptr,
                                   codes_.as<uint8_t>() + r * view_.stride);
            for (size_t i = 0; i < view_.outlier_count; i++) {
                outlier_values_.as<float>()[r * view_.outlier_count + i] = values[view_.outliers[i]];
            }
        }
    });
}

}  // namespace nq::cpu
