// 4-bit linear layer. Few rows of x (decode): a dword lane holds eight codes of one row of W, vpermps reads the low four bits of a lane as
// the index into the codebook, and code * x is summed unscaled over a block, so that absmax costs one multiply-add per block. More rows,
// or weights that must be rounded through a narrower type first: see block_product.h.
#include "cpu/avx512/block_product.h"
#include "cpu/avx512/functions.h"
#include "cpu/avx512/panel_scales.h"

namespace nq::cpu::avx512 {
namespace {

constexpr size_t direct_rows = 4;
constexpr size_t prefetch_bytes = 4096;

// Weight of column 8j + i, unscaled, from the vector of columns 8j .. 8j + 7.
template <int i>
inline __m512 lookup(__m512i codes, __m512 codebook) {
    constexpr int shift = i % 2 * 16 + i / 2 * 4;
    return _mm512_permutexvar_ps(shift == 0 ? codes : _mm512_srli_epi32(codes, shift), codebook);
}

// sum[row][chain] += weight(column i) * x[row][k + i] for the eight columns of one vector.
template <int rows, int chains, int i = 0>
inline void multiply_columns(__m512i codes, __m512 codebook, const float* const (&x)[rows], size_t k, __m512 (&sum)[rows][chains]) {
    if constexpr (i < 8) {
        const __m512 w = lookup<i>(codes, codebook);
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r) sum[r][i % chains] = _mm512_fmadd_ps(w, _mm512_set1_ps(x[r][k + i]), sum[r][i % chains]);
        multiply_columns<rows, chains, i + 1>(codes, codebook, x, k, sum);
    }
}

// One panel against `rows` rows of x.
template <int rows>
void multiply_panel(const panels4bit& weights, size_t panel, const float* x, size_t x_stride, const float* bias, float* y,
                    size_t y_stride) {
    constexpr int chains = rows <= 2 ? 4 : 2;
    constexpr size_t most_vectors = 32;  // of one run of sums: keeps the rounding error of large blocks small
    const __m512 codebook = _mm512_loadu_ps(weights.codebook);
    const size_t group_vectors = weights.blocksize / 8;
    const size_t groups = weights.columns / weights.blocksize;
    const uint32_t* codes = weights.nibbles + panel * weights.columns * 2;
    panel_scales scales(weights, panel);
    const float* row[rows];  // a pointer each: from one pointer, an offset would be loaded anew for every multiply-add
    size_t k = 0;
    __m512 total[rows];
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
        row[r] = x + static_cast<size_t>(r) * x_stride;
        total[r] = _mm512_setzero_ps();
    }
    __m512 next_absmax = scales.at(0);  // looked up a group ahead, so that nothing waits for it
    for (size_t group = 0; group < groups; ++group) {
        const __m512 absmax = next_absmax;
        if (group + 1 < groups) next_absmax = scales.at(group + 1);
        for (size_t first = 0; first < group_vectors; first += most_vectors) {
            const size_t count = group_vectors - first < most_vectors ? group_vectors - first : most_vectors;
            __m512 sum[rows][chains];
#pragma GCC unroll 4
            for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
                for (int c = 0; c < chains; ++c) sum[r][c] = _mm512_setzero_ps();
#pragma GCC unroll 4  // 10 % faster than a vector at a time
            for (size_t j = 0; j < count; ++j, codes += 16, k += 8) {
                _mm_prefetch(reinterpret_cast<const char*>(codes) + prefetch_bytes, _MM_HINT_T0);
                multiply_columns(_mm512_load_si512(codes), codebook, row, k, sum);
            }
#pragma GCC unroll 4
            for (int r = 0; r < rows; ++r) {
                const __m512 even = chains == 4 ? _mm512_add_ps(sum[r][0], sum[r][chains - 2]) : sum[r][0];
                const __m512 odd = chains == 4 ? _mm512_add_ps(sum[r][1], sum[r][chains - 1]) : sum[r][1];
                total[r] = _mm512_fmadd_ps(_mm512_add_ps(even, odd), absmax, total[r]);
            }
        }
    }
    const __mmask16 lanes = first_lanes(weights.rows - panel * 16);
    const __m512 added = bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(lanes, bias + panel * 16);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r)
        _mm512_mask_storeu_ps(y + static_cast<size_t>(r) * y_stride + panel * 16, lanes, _mm512_add_ps(total[r], added));
}

// Weights in f32, or rounded through the compute type.
template <nq_dtype compute_dtype>
struct decoded_panels {
    const panels4bit& weights;
    size_t rows;
    size_t columns;

    template <int i = 0>
    static void decode(__m512i codes, __m512 codebook, __m512 absmax, float* w) {
        if constexpr (i < 8) {
            __m512 value = _mm512_mul_ps(lookup<i>(codes, codebook), absmax);
            if (compute_dtype == NQ_DTYPE_BF16) value = through_bf16(value);
            if (compute_dtype == NQ_DTYPE_F16) value = through_f16(value);
            _mm512_store_ps(w + i * 16, value);
            decode<i + 1>(codes, codebook, absmax, w);
        }
    }

    const float* block(size_t panel, size_t k, size_t count, float* scratch) const {
        const __m512 codebook = _mm512_loadu_ps(weights.codebook);
        panel_scales scales(weights, panel);
        const uint32_t* codes = weights.nibbles + (panel * columns + k) * 2;
        const size_t end = k + count;
        float* w = scratch;
        while (k < end) {
            const size_t group = k / weights.blocksize;
            const size_t group_end = (group + 1) * weights.blocksize;
            const __m512 absmax = scales.at(group);
            for (const size_t stop = group_end < end ? group_end : end; k < stop; k += 8, codes += 16, w += 128) {
                _mm_prefetch(reinterpret_cast<const char*>(codes) + prefetch_bytes, _MM_HINT_T0);
                decode(_mm512_load_si512(codes), codebook, absmax, w);
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
    using kernel = void (*)(const panels4bit&, size_t, const float*, size_t, const float*, float*, size_t);
    static constexpr kernel by_rows[direct_rows] = {multiply_panel<1>, multiply_panel<2>, multiply_panel<3>, multiply_panel<4>};
    for (size_t panel = panel_begin; panel < panel_end; ++panel) by_rows[m - 1](weights, panel, x, x_stride, bias, y, y_stride);
}

}  // namespace nq::cpu::avx512
