// Matrix products over panels (see panels.h for the layouts).
#include <algorithm>

#include "cpu/scalar/panels4bit.h"
#include "cpu/scalar/scalar.h"
#include "formats/half.h"
#include "formats/quantizers.h"

namespace nq::cpu::scalar {

namespace {

float dense_weight(const void* data, nq_dtype dtype, size_t index) {
    switch (dtype) {
        case NQ_DTYPE_F16:
            return formats::f32_from_f16(static_cast<const uint16_t*>(data)[index]);
        case NQ_DTYPE_BF16:
            return formats::f32_from_bf16(static_cast<const uint16_t*>(data)[index]);
        default:
            return static_cast<const float*>(data)[index];
    }
}

constexpr size_t tile_columns = 32;  // divides every blocksize, so that a tile has one absmax per row

// values[i][lane] = weight (lane of the panel, column first + i)
void expand_tile(const panels4bit& weights, nq_dtype compute_dtype, size_t panel, size_t first, float* values) {
    const uint32_t* nibbles = weights.nibbles + panel * (weights.columns / 8) * panel_rows;
    const size_t valid = std::min(panel_rows, weights.rows - panel * panel_rows);
    for (size_t lane = 0; lane < panel_rows; lane++) {
        const float absmax = lane < valid ? absmax_of(weights, panel, lane, first / weights.blocksize) : 0.0f;
        for (size_t i = 0; i < tile_columns; i++) {
            const size_t k = first + i;
            const uint32_t code = nibbles[k / 8 * panel_rows + lane] >> nibble_shift(k) & 15;
            values[i * panel_rows + lane] = weights.codebook[code] * absmax;
        }
    }
    round_through(values, compute_dtype, values, tile_columns * panel_rows);
}

}  // namespace

void linear(const dense_panels& weights, const float* x, size_t m, size_t x_stride, const float* bias, float* y, size_t y_stride,
            size_t panel_begin, size_t panel_end) {
    for (size_t panel = panel_begin; panel < panel_end; panel++) {
        const size_t first = panel * panel_rows;
        const size_t valid = std::min(panel_rows, weights.rows - first);
        for (size_t row = 0; row < m; row++) {
            double sums[panel_rows] = {};
            for (size_t k = 0; k < weights.columns; k++) {
                const double xk = x[row * x_stride + k];
                for (size_t lane = 0; lane < panel_rows; lane++) {
                    sums[lane] += xk * dense_weight(weights.data, weights.dtype, (panel * weights.columns + k) * panel_rows + lane);
                }
            }
            for (size_t lane = 0; lane < valid; lane++) {
                y[row * y_stride + first + lane] = static_cast<float>(sums[lane] + (bias != nullptr ? bias[first + lane] : 0.0f));
            }
        }
    }
}

void linear4bit(const panels4bit& weights, const float* x, size_t m, size_t x_stride, const float* bias, nq_dtype compute_dtype, float* y,
                size_t y_stride, size_t panel_begin, size_t panel_end) {
    constexpr size_t most_rows = 8;  // rows of x that share one expansion of the weights
    float values[tile_columns * panel_rows];
    for (size_t panel = panel_begin; panel < panel_end; panel++) {
        const size_t first = panel * panel_rows;
        const size_t valid = std::min(panel_rows, weights.rows - first);
        for (size_t row = 0; row < m; row += most_rows) {
            const size_t rows = std::min(most_rows, m - row);
            double sums[most_rows][panel_rows] = {};
            for (size_t k = 0; k < weights.columns; k += tile_columns) {
                expand_tile(weights, compute_dtype, panel, k, values);
                for (size_t r = 0; r < rows; r++) {
                    const float* xr = x + (row + r) * x_stride + k;
                    for (size_t i = 0; i < tile_columns; i++) {
                        const double xk = xr[i];
                        for (size_t lane = 0; lane < panel_rows; lane++) sums[r][lane] += xk * values[i * panel_rows + lane];
                    }
                }
            }
            for (size_t r = 0; r < rows; r++) {
                for (size_t lane = 0; lane < valid; lane++) {
                    y[(row + r) * y_stride + first + lane] =
                        static_cast<float>(sums[r][lane] + (bias != nullptr ? bias[first + lane] : 0.0f));
                }
            }
        }
    }
}

void linear8bit(const panels8bit& weights, const activations8bit& x, const float* bias, float* y, size_t y_stride, size_t panel_begin,
                size_t panel_end) {
    for (size_t panel = panel_begin; panel < panel_end; panel++) {
        const int8_t* codes = weights.codes + panel * weights.padded_columns * panel_rows;
        const size_t first = panel * panel_rows;
        const size_t valid = std::min(panel_rows, weights.rows - first);
        for (size_t row = 0; row < x.rows; row++) {
            const uint8_t* xc = x.codes + row * x.stride;
            const float* xr = x.outlier_values + row * x.outlier_count;
            for (size_t lane = 0; lane < valid; lane++) {
                int32_t acc = 0;
                for (size_t k = 0; k < weights.padded_columns; k++) acc += (xc[k] - 128) * codes[(k / 4 * panel_rows + lane) * 4 + k % 4];
                double outliers = 0;
                for (size_t i = 0; i < x.outlier_count; i++) {
                    const size_t k = x.outliers[i];
                    const float code = codes[(k / 4 * panel_rows + lane) * 4 + k % 4];
                    outliers += static_cast<double>(xr[i]) * (code * weights.row_absmax[first + lane] * formats::one_over_127);
                }
                const float scale = x.row_absmax[row] * weights.row_absmax[first + lane];
                float result = static_cast<float>(acc) * scale * formats::one_over_127_squared;
                if (bias != nullptr) result += bias[first + lane];
                if (x.outlier_count > 0) result += static_cast<float>(outliers);
                y[row * y_stride + first + lane] = result;
            }
        }
    }
}

float dot(const float* x, const float* y, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += static_cast<double>(x[i]) * y[i];
    return static_cast<float>(sum);
}

int32_t dot_int8(const int8_t* a, const int8_t* b, size_t n) {
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

}  // namespace nq::cpu::scalar
