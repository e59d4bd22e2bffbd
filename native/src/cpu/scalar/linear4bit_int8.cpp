// The 4-bit layer with int8 activations.
#include <algorithm>

#include "cpu/scalar/panels4bit.h"
#include "cpu/scalar/scalar.h"
#include "formats/quantizers.h"

namespace nq::cpu::scalar {

// Position of column k in the order of activations4bit.
static size_t position_of(size_t k) {
    constexpr uint8_t positions[8] = {0, 2, 4, 6, 1, 3, 5, 7};
    return k / 8 * 8 + positions[k % 8];
}

void quantize_activation_blocks(const float* x, size_t columns, uint32_t block, size_t row, size_t rows, int8_t* codes, float* scales,
                                int32_t* offsets) {
    for (size_t b = 0; b < columns / block; b++) {
        int8_t in_order[64];
        const float absmax = int8_row_absmax(x + b * block, block, 0, nullptr);
        int8_quantize_row(x + b * block, block, absmax, 0, nullptr, in_order);
        int32_t sum = 0;
        for (size_t i = 0; i < block; i++) {
            codes[(b * rows + row) * block + position_of(i)] = in_order[i];
            sum += in_order[i];
        }
        scales[b * rows + row] = absmax * formats::one_over_127_squared;
        offsets[b * rows + row] = -127 * sum;
    }
}

void linear4bit_int8(const panels4bit& weights, const activations4bit& x, const float* bias, float* y, size_t y_stride, size_t panel_begin,
                     size_t panel_end) {
    int8_t codebook[16];
    formats::int8_codebook(weights.codebook, codebook);
    for (size_t panel = panel_begin; panel < panel_end; panel++) {
        const uint32_t* nibbles = weights.nibbles + panel * (weights.columns / 8) * panel_rows;
        const size_t first = panel * panel_rows;
        const size_t valid = std::min(panel_rows, weights.rows - first);
        for (size_t row = 0; row < x.rows; row++) {
            for (size_t lane = 0; lane < valid; lane++) {
                double total = bias != nullptr ? bias[first + lane] : 0.0f;
                for (size_t b = 0; b < weights.columns / x.block; b++) {
                    const int8_t* codes = x.codes + (b * x.rows + row) * x.block;
                    int32_t sum = 0;
                    for (size_t i = 0; i < x.block; i++) {
                        const uint32_t code = nibbles[(b * x.block + i) / 8 * panel_rows + lane] >> nibble_shift(i) & 15;
                        sum += codebook[code] * codes[position_of(i)];
                    }
                    const float absmax = absmax_of(weights, panel, lane, b * x.block / weights.blocksize);
                    total += static_cast<double>(sum) * (absmax * x.scales[b * x.rows + row]);
                }
                y[row * y_stride + first + lane] = static_cast<float>(total);
            }
        }
    }
}

}  // namespace nq::cpu::scalar
