// 8-bit linear layer: the panels are B tiles as they lie. Activations come offset by 128, and 128 * row_sum is taken back; sums wrap modulo
// 2^32 on the way, the result does not (|result| < 2^31 for K <= 130000). Sums wait in y, as integers, until the last columns are done.
#include "cpu/amx/block_product.h"
#include "cpu/amx/functions.h"
#include "cpu/avx512/functions.h"

namespace nq::cpu::amx::NQ_TILES {
namespace {

constexpr size_t least_rows = 4;
constexpr size_t step_columns = 64;
constexpr size_t outlier_block = 64;

struct code_rows {
    static constexpr size_t parts = 1;

    explicit code_rows(const activations8bit& activations, size_t padded_columns)
        : x(activations), count(x.rows), steps(padded_columns / step_columns) {}

    const activations8bit& x;
    size_t count;
    size_t steps;

    row_source block(size_t step) const { return {reinterpret_cast<const char*>(x.codes) + step * step_columns, x.stride, 0}; }
    template <int c, int a, int b>
    static void multiply() {
        multiply_u8s8<c, a, b>();
    }
};

// Nothing to decode: a unit is 256 bytes of the next block brought to the first-level cache.
class code_weights {
public:
    explicit code_weights(const panels8bit& weights) : weights_(weights) {}

    tile_source begin(const block& b, char*) {
        const size_t panel_bytes = 16 * weights_.padded_columns;
        const char* data = reinterpret_cast<const char*>(weights_.codes) + b.panel * panel_bytes + b.step * tile_bytes;
        unit_ = 0;
        units_ = b.steps() * tile_bytes / unit_bytes;
        for (size_t p = 0; p < b.panels(); ++p) source_[p] = data + p * panel_bytes;
        panel_ = 0;
        panels_ = b.panels();
        return {data, panel_bytes};
    }

    template <int units>
    void advance() {
        for (int i = 0; i < units; ++i) {
            if (panel_ == panels_) return;
            for (size_t line = 0; line < unit_bytes; line += 64) _mm_prefetch(source_[panel_] + unit_ * unit_bytes + line, _MM_HINT_T0);
            if (++unit_ == units_) {
                unit_ = 0;
                ++panel_;
            }
        }
    }

    void finish() {}

private:
    static constexpr size_t unit_bytes = buffer_bytes / block_units;

    const panels8bit& weights_;
    const char* source_[block_panels] = {};
    size_t panels_ = 0;
    size_t panel_ = 0;
    size_t unit_ = 0;
    size_t units_ = 0;
};

// y = sum * absmax of both / 127^2 + bias + x[:, outliers] * W[:, outliers]^T, with W = codes * absmax / 127 in f32.
struct dequantization {
    const panels8bit& weights;
    const activations8bit& x;
    const float* bias;
    float* y;
    size_t y_stride;

    void operator()(size_t first, size_t count, size_t panel) const {
        const size_t column = panel * 16;
        const __mmask16 lanes = avx512::first_lanes(weights.rows - column);
        const __m512i offset = _mm512_slli_epi32(_mm512_load_si512(weights.row_sums + column), 7);
        const __m512 absmax = _mm512_load_ps(weights.row_absmax + column);
        const __m512 added = bias == nullptr ? _mm512_set1_ps(-0.0f) : _mm512_maskz_loadu_ps(lanes, bias + column);
        for (size_t row = first; row < first + count; ++row) {
            float* to = y + row * y_stride + column;
            const __m512i sum = _mm512_sub_epi32(_mm512_maskz_loadu_epi32(lanes, to), offset);
            const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(x.row_absmax[row]), absmax);
            const __m512 product = _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale), _mm512_set1_ps(1.0f / (127.0f * 127.0f)));
            _mm512_mask_storeu_ps(to, lanes, _mm512_add_ps(product, added));
        }
        for (size_t begin = 0; begin < x.outlier_count; begin += outlier_block) add_outliers(first, count, panel, begin, lanes, absmax);
    }

private:
    void add_outliers(size_t first, size_t count, size_t panel, size_t begin, __mmask16 lanes, __m512 absmax) const {
        const size_t columns = x.outlier_count - begin < outlier_block ? x.outlier_count - begin : outlier_block;
        const int8_t* codes = weights.codes + panel * 16 * weights.padded_columns;
        alignas(64) float w[outlier_block][16];
        for (size_t i = 0; i < columns; ++i) {
            const size_t k = x.outliers[begin + i];
            const __m512i quads = _mm512_load_si512(codes + k / 4 * 64);
            const __m512i top = _mm512_sllv_epi32(quads, _mm512_set1_epi32(static_cast<int>(24 - k % 4 * 8)));
            const __m512 code = _mm512_cvtepi32_ps(_mm512_srai_epi32(top, 24));
            _mm512_store_ps(w[i], _mm512_mul_ps(_mm512_mul_ps(code, absmax), _mm512_set1_ps(1.0f / 127.0f)));
        }
        // Two rows and two chains each, against the latency of the sums.
        for (size_t row = first; row < first + count; row += 2) {
            const size_t second = row + 1 < first + count ? 1 : 0;
            const float* values = x.outlier_values + row * x.outlier_count + begin;
            const float* more = values + second * x.outlier_count;
            __m512 sum[2][2] = {{_mm512_setzero_ps(), _mm512_setzero_ps()}, {_mm512_setzero_ps(), _mm512_setzero_ps()}};
            size_t i = 0;
            for (; i + 2 <= columns; i += 2) {
                const __m512 even = _mm512_load_ps(w[i]), odd = _mm512_load_ps(w[i + 1]);
                sum[0][0] = _mm512_fmadd_ps(_mm512_set1_ps(values[i]), even, sum[0][0]);
                sum[1][0] = _mm512_fmadd_ps(_mm512_set1_ps(more[i]), even, sum[1][0]);
                sum[0][1] = _mm512_fmadd_ps(_mm512_set1_ps(values[i + 1]), odd, sum[0][1]);
                sum[1][1] = _mm512_fmadd_ps(_mm512_set1_ps(more[i + 1]), odd, sum[1][1]);
            }
            if (i < columns) {
                sum[0][0] = _mm512_fmadd_ps(_mm512_set1_ps(values[i]), _mm512_load_ps(w[i]), sum[0][0]);
                sum[1][0] = _mm512_fmadd_ps(_mm512_set1_ps(more[i]), _mm512_load_ps(w[i]), sum[1][0]);
            }
            for (size_t r = 0; r <= second; ++r) {
                float* to = y + (row + r) * y_stride + panel * 16;
                const __m512 all = _mm512_add_ps(sum[r][0], sum[r][1]);
                _mm512_mask_storeu_ps(to, lanes, _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, to), all));
            }
        }
    }
};

}  // namespace

void linear8bit(const panels8bit& weights, const activations8bit& x, const float* bias, float* y, size_t y_stride, size_t panel_begin,
                size_t panel_end) {
    if (x.rows < least_rows) return avx512::linear8bit(weights, x, bias, y, y_stride, panel_begin, panel_end);
    code_weights codes(weights);
    block_product(code_rows(x, weights.padded_columns), codes, weights.rows, {nullptr, y, y_stride}, panel_begin, panel_end,
                  dequantization{weights, x, bias, y, y_stride});
}

}  // namespace nq::cpu::amx::NQ_TILES
