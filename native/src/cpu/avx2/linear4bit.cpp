// 4-bit linear layer in f32 (see codebook.h for the lookup). Few rows of x: code * x is summed unscaled over a block, so that absmax costs
// one multiply-add per block. More rows, or weights that must be rounded through a narrower type first: see block_product.h.
#include "cpu/avx2/block_product.h"
#include "cpu/avx2/codebook.h"
#include "cpu/avx2/functions.h"
#include "cpu/avx2/panel_scales.h"

namespace nq::cpu::avx2 {
namespace {

constexpr size_t direct_rows = 3;
constexpr size_t prefetch_bytes = 4096;

// One panel against `rows` rows of x.
template <int rows>
void multiply_panel(const panels4bit& weights, size_t panel, const float* x, size_t x_stride, const block_output& output) {
    constexpr size_t most_vectors = 16;  // of one chain of sums: keeps the rounding error of large blocks small
    const codebook_halves codebook = load_codebook(weights.codebook);
    const size_t group_vectors = weights.blocksize / 8;
    const size_t groups = weights.columns / weights.blocksize;
    const uint32_t* codes = weights.nibbles + panel * weights.columns * 2;
    panel_scales scales(weights, panel);
    const float* row[rows];  // a pointer each: from one pointer, an offset would be loaded anew for every multiply-add
    size_t k = 0;
    __m256 total[rows][2];
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
        row[r] = x + static_cast<size_t>(r) * x_stride;
        total[r][0] = total[r][1] = _mm256_setzero_ps();
    }
    for (size_t group = 0; group < groups; ++group) {
        __m256 absmax[2];
        scales.load(group, absmax);
        for (size_t first = 0; first < group_vectors; first += most_vectors) {
            const size_t count = group_vectors - first < most_vectors ? group_vectors - first : most_vectors;
            __m256 sum[rows][2];
#pragma GCC unroll 4
            for (int r = 0; r < rows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
            for (size_t j = 0; j < count; ++j, codes += 16, k += 8) {
                _mm_prefetch(reinterpret_cast<const char*>(codes) + prefetch_bytes, _MM_HINT_T0);
                const __m256i low = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes));
                const __m256i high = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes + 8));
                multiply_columns(low, high, codebook, row, k, sum);
            }
#pragma GCC unroll 4
            for (int r = 0; r < rows; ++r) {
                total[r][0] = _mm256_fmadd_ps(sum[r][0], absmax[0], total[r][0]);
                total[r][1] = _mm256_fmadd_ps(sum[r][1], absmax[1], total[r][1]);
            }
        }
    }
    const size_t column = panel * 16;
    const size_t left = weights.rows - column;
    const block_target target = {output.y + column, output.y_stride, output.bias == nullptr ? nullptr : output.bias + column,
                                 left < 16 ? left : 16, true};
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
        float* y = target.y + static_cast<size_t>(r) * target.y_stride;
        add_half(target, y, 0, total[r][0]);
        add_half(target, y, 1, total[r][1]);
    }
}

// Weights in f32, or rounded through the compute type.
template <nq_dtype compute_dtype>
struct decoded_panels {
    const panels4bit& weights;
    size_t rows;
    size_t columns;

    // Eight columns of eight rows to w[column][0 .. 8).
    template <int i = 0>
    static void decode(__m256i codes, const codebook_halves& codebook, __m256 absmax, float* w) {
        if constexpr (i < 8) {
            __m256 value = _mm256_mul_ps(lookup<i>(codes, codebook), absmax);
            if (compute_dtype == NQ_DTYPE_BF16) value = through_bf16(value);
            if (compute_dtype == NQ_DTYPE_F16) value = through_f16(value);
            _mm256_store_ps(w + i * 16, value);
            decode<i + 1>(codes, codebook, absmax, w);
        }
    }

    const float* block(size_t panel, size_t k, size_t count, float* scratch) const {
        const codebook_halves codebook = load_codebook(weights.codebook);
        panel_scales scales(weights, panel);
        const uint32_t* codes = weights.nibbles + (panel * columns + k) * 2;
        const size_t end = k + count;
        float* w = scratch;
        while (k < end) {
            __m256 absmax[2];
            const size_t group = k / weights.blocksize;
            const size_t group_end = (group + 1) * weights.blocksize;
            scales.load(group, absmax);
            for (const size_t stop = group_end < end ? group_end : end; k < stop; k += 8, codes += 16, w += 128) {
                _mm_prefetch(reinterpret_cast<const char*>(codes) + prefetch_bytes, _MM_HINT_T0);
                decode(_mm256_load_si256(reinterpret_cast<const __m256i*>(codes)), codebook, absmax[0], w);
                decode(_mm256_load_si256(reinterpret_cast<const __m256i*>(codes + 8)), codebook, absmax[1], w + 8);
            }
        }
        return scratch;
    }
};

template <nq_dtype compute_dtype>
void decoded_product(const panels4bit& weights, const float* x, size_t m, size_t x_stride, const block_output& output, size_t panel_begin,
                     size_t panel_end) {
    const decoded_panels<compute_dtype> blocks = {weights, weights.rows, weights.columns};
    block_product(blocks, x, m, x_stride, output, panel_begin, panel_end);
}

}  // namespace

void linear4bit(const panels4bit& weights, const float* x, size_t m, size_t x_stride, const float* bias, nq_dtype compute_dtype, float* y,
                size_t y_stride, size_t panel_begin, size_t panel_end) {
    const block_output output = {bias, y, y_stride};
    if (compute_dtype == NQ_DTYPE_F16) return decoded_product<NQ_DTYPE_F16>(weights, x, m, x_stride, output, panel_begin, panel_end);
    if (compute_dtype == NQ_DTYPE_BF16) return decoded_product<NQ_DTYPE_BF16>(weights, x, m, x_stride, output, panel_begin, panel_end);
    if (m > direct_rows) return decoded_product<NQ_DTYPE_F32>(weights, x, m, x_stride, output, panel_begin, panel_end);
    using kernel = void (*)(const panels4bit&, size_t, const float*, size_t, const block_output&);
    static constexpr kernel by_rows[direct_rows] = {multiply_panel<1>, multiply_panel<2>, multiply_panel<3>};
    for (size_t panel = panel_begin; panel < panel_end; ++panel) by_rows[m - 1](weights, panel, x, x_stride, output);
}

}  // namespace nq::cpu::avx2
