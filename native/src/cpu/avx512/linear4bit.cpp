// 4-bit linear layer. Few rows of x (decode): a dword lane holds eight codes of one row of W, vpermps reads the low four bits of a lane as
// the index into the codebook, and code * x is summed unscaled over a block, so that absmax costs one multiply-add per block. Weights that
// have to be rounded through a narrower type are scaled and rounded in registers; for one or two rows see rounded_rows.h, for more
// than these block_product.h.
#include "cpu/avx512/block_product.h"
#include "cpu/avx512/functions.h"
#include "cpu/avx512/panel_scales.h"
#include "cpu/avx512/rounded_rows.h"
#include "cpu/avx512/weight_rounding.h"

namespace nq::cpu::avx512 {
namespace {

constexpr size_t strip_rows = 8;
// From here on weights are worth decoding once for all rows.
template <nq_dtype type>
constexpr size_t direct_rows = type == NQ_DTYPE_F32 ? 16 : 8;
constexpr size_t strip_panels = 8;
constexpr size_t prefetch_columns = 256;  // 1 KiB ahead in each panel
constexpr size_t prefetch_bytes = 4096;

// Weight of column 8j + i, unscaled, from the vector of columns 8j .. 8j + 7.
template <int i>
inline __m512 lookup(__m512i codes, __m512 codebook) {
    constexpr int shift = i % 2 * 16 + i / 2 * 4;
    return _mm512_permutexvar_ps(shift == 0 ? codes : _mm512_srli_epi32(codes, shift), codebook);
}

// sum[row][panel][chain] += weight(column i) * x[row][k + i] for the eight columns of one vector of each panel, the weight unscaled in f32,
// or scaled and rounded.
template <nq_dtype type, bool normal, int rows, int panels, int chains, int i = 0>
[[gnu::always_inline]] inline void multiply_columns(const __m512i (&codes)[panels], __m512 codebook, const __m512 (&absmax)[panels],
                                                    const float* const (&x)[rows], size_t k, __m512 (&sum)[rows][panels][chains]) {
    if constexpr (i < 8) {
        __m512 w[panels];
#pragma GCC unroll 2
        for (int p = 0; p < panels; ++p) {
            w[p] = lookup<i>(codes[p], codebook);
            if constexpr (type != NQ_DTYPE_F32) w[p] = round_weight<type, normal>(_mm512_mul_ps(w[p], absmax[p]));
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
            const __m512 xk = _mm512_set1_ps(x[r][k + i]);
#pragma GCC unroll 2
            for (int p = 0; p < panels; ++p) sum[r][p][i % chains] = _mm512_fmadd_ps(w[p], xk, sum[r][p][i % chains]);
        }
        multiply_columns<type, normal, rows, panels, chains, i + 1>(codes, codebook, absmax, x, k, sum);
    }
}

// total[panel][row] += sum of the products of columns k .. k + 8 * vectors of `panels` panels, panel_words apart. `ahead` is what to
// prefetch meanwhile. The order of a sum depends on the number of rows alone.
template <nq_dtype type, bool normal, int rows, int vectors, int panels>
[[gnu::always_inline]] inline void multiply_weights(const uint32_t* codes, const uint32_t* ahead, size_t panel_words, __m512 codebook,
                                                    const __m512 (&absmax)[panels], const float* const (&x)[rows], size_t k,
                                                    __m512 (*total)[rows]) {
    constexpr int chains = rows == 1 ? 4 : rows <= 4 ? 2 : 1, unrolled = rows == 1 ? 4 : rows <= 4 ? 2 : 1;
    __m512 sum[rows][panels][chains];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
        for (int p = 0; p < panels; ++p)
#pragma GCC unroll 4
            for (int c = 0; c < chains; ++c) sum[r][p][c] = _mm512_setzero_ps();
#pragma GCC unroll 1
    for (size_t j = 0; j < vectors; j += unrolled, k += 8 * unrolled) {
#pragma GCC unroll 4
        for (size_t i = 0; i < unrolled; ++i) {
            __m512i packed[panels];
#pragma GCC unroll 2
            for (size_t p = 0; p < panels; ++p) {
                _mm_prefetch(reinterpret_cast<const char*>(ahead + p * panel_words + (j + i) * 16), _MM_HINT_T0);
                packed[p] = _mm512_load_si512(codes + p * panel_words + (j + i) * 16);
            }
            multiply_columns<type, normal>(packed, codebook, absmax, x, k + i * 8, sum);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
        for (int p = 0; p < panels; ++p) {
            __m512 all = sum[r][p][0];
            if constexpr (chains == 2) all = _mm512_add_ps(all, sum[r][p][1]);
            if constexpr (chains == 4) all = _mm512_add_ps(_mm512_add_ps(all, sum[r][p][1]), _mm512_add_ps(sum[r][p][2], sum[r][p][3]));
            total[p][r] = type == NQ_DTYPE_F32 ? _mm512_fmadd_ps(all, absmax[p], total[p][r]) : _mm512_add_ps(all, total[p][r]);
        }
}

template <nq_dtype type, int rows, int vectors>
[[gnu::noinline]] void multiply_any_weights(const uint32_t* codes, const uint32_t* ahead, __m512 codebook, __m512 absmax,
                                            const float* const (&x)[rows], size_t k, __m512 (*total)[rows]) {
    const __m512 scale[1] = {absmax};
    multiply_weights<type, false, rows, vectors, 1>(codes, ahead, 0, codebook, scale, x, k, total);
}

template <nq_dtype type, int rows, int vectors, int panels>
[[gnu::always_inline]] inline void multiply_turn(const normal_absmax<type>& normal, const uint32_t* codes, const uint32_t* ahead,
                                                 size_t panel_words, __m512 codebook, const __m512 (&absmax)[panels],
                                                 const float* const (&x)[rows], size_t k, __m512 (*total)[rows]) {
    if (normal.contains(absmax[0]) && normal.contains(absmax[panels - 1])) {
        multiply_weights<type, true, rows, vectors, panels>(codes, ahead, panel_words, codebook, absmax, x, k, total);
    } else {
        for (size_t p = 0; p < panels; ++p)
            multiply_any_weights<type, rows, vectors>(codes + p * panel_words, ahead + p * panel_words, codebook, absmax[p], x, k,
                                                      total + p);
    }
    keep_in_memory();
}

// Up to strip_panels panels side by side against `rows` rows of x: a memory reads several streams in turn faster than one.
template <nq_dtype type, int rows, int vectors>
void multiply_strip(const panels4bit& weights, size_t first, size_t panels, const float* x, size_t x_stride, const float* bias, float* y,
                    size_t y_stride) {
    constexpr size_t turn = vectors * 8;
    const __m512 codebook = _mm512_loadu_ps(weights.codebook);
    const normal_absmax<type> normal(codebook);
    const size_t panel_words = weights.columns * 2;
    panel_scales scales[strip_panels];
    __m512 total[strip_panels][rows];
    for (size_t p = 0; p < panels; ++p) {
        scales[p] = panel_scales(weights, first + p);
        for (int r = 0; r < rows; ++r) total[p][r] = _mm512_setzero_ps();
    }
    const float* row[rows];  // a pointer each: from one pointer, an offset would be loaded anew for every multiply-add
    for (int r = 0; r < rows; ++r) row[r] = x + static_cast<size_t>(r) * x_stride;
    const uint32_t* codes = weights.nibbles + first * panel_words;
    size_t k = 0;
    for (size_t group = 0; k < weights.columns; ++group) {
        for (const size_t end = k + weights.blocksize; k < end; k += turn, codes += turn * 2) {
            // At the end of these panels, the beginning of the next strip's.
            const size_t jump = weights.columns - k > prefetch_columns ? 0 : (panels - 1) * panel_words;
            const uint32_t* ahead = codes + prefetch_columns * 2 + jump;
            size_t p = 0;
            for (; rows > 1 && p + 2 <= panels; p += 2) {  // two that share each load of x
                const __m512 absmax[2] = {scales[p].at(group), scales[p + 1].at(group)};
                multiply_turn<type, rows, vectors, 2>(normal, codes + p * panel_words, ahead + p * panel_words, panel_words, codebook,
                                                      absmax, row, k, total + p);
            }
            for (; p < panels; ++p) {
                const __m512 absmax[1] = {scales[p].at(group)};
                multiply_turn<type, rows, vectors, 1>(normal, codes + p * panel_words, ahead + p * panel_words, panel_words, codebook,
                                                      absmax, row, k, total + p);
            }
        }
    }
    for (size_t p = 0; p < panels; ++p) {
        const size_t column = (first + p) * 16;
        const __mmask16 lanes = first_lanes(weights.rows - column);
        const __m512 added = bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(lanes, bias + column);
        for (int r = 0; r < rows; ++r)
            _mm512_mask_storeu_ps(y + static_cast<size_t>(r) * y_stride + column, lanes, _mm512_add_ps(total[p][r], added));
    }
}

// Weights in f32, or rounded through the compute type.
template <nq_dtype compute_dtype>
struct decoded_panels {
    const panels4bit& weights;
    size_t rows;
    size_t columns;
    normal_absmax<compute_dtype> normal;
    panel_scales scales_of[block_panels] = {};
    size_t panel_of[block_panels] = {SIZE_MAX, SIZE_MAX, SIZE_MAX};

    template <bool normal, int i = 0>
    static void decode(__m512i codes, __m512 codebook, __m512 absmax, float* w) {
        if constexpr (i < 8) {
            _mm512_store_ps(w + i * 16, round_weight<compute_dtype, normal>(_mm512_mul_ps(lookup<i>(codes, codebook), absmax)));
            decode<normal, i + 1>(codes, codebook, absmax, w);
        }
    }

    const float* block(size_t panel, size_t k, size_t count, float* scratch) {
        const __m512 codebook = _mm512_loadu_ps(weights.codebook);
        // Kept from one block of a panel to the next.
        panel_scales& scales = scales_of[panel % block_panels];
        if (panel != panel_of[panel % block_panels]) {
            panel_of[panel % block_panels] = panel;
            scales = panel_scales(weights, panel);
        }
        const uint32_t* codes = weights.nibbles + (panel * columns + k) * 2;
        const size_t end = k + count;
        float* w = scratch;
        while (k < end) {
            const size_t group = k / weights.blocksize;
            const size_t group_end = (group + 1) * weights.blocksize;
            const __m512 absmax = scales.at(group);
            const bool is_normal = normal.contains(absmax);
            for (const size_t stop = group_end < end ? group_end : end; k < stop; k += 8, codes += 16, w += 128) {
                _mm_prefetch(reinterpret_cast<const char*>(codes) + prefetch_bytes, _MM_HINT_T0);
                if (is_normal)
                    decode<true>(_mm512_load_si512(codes), codebook, absmax, w);
                else
                    decode<false>(_mm512_load_si512(codes), codebook, absmax, w);
            }
        }
        return scratch;
    }
};

template <nq_dtype compute_dtype>
void decoded_product(const panels4bit& weights, const float* x, size_t m, size_t x_stride, const block_output& output, size_t panel_begin,
                     size_t panel_end) {
    decoded_panels<compute_dtype> blocks = {weights, weights.rows, weights.columns,
                                            normal_absmax<compute_dtype>(_mm512_loadu_ps(weights.codebook))};
    block_product(blocks, x, m, x_stride, output, panel_begin, panel_end);
}

template <nq_dtype type, int vectors>
void direct_product(const panels4bit& weights, const float* x, size_t m, size_t x_stride, const block_output& output, size_t panel_begin,
                    size_t panel_end) {
    using kernel = void (*)(const panels4bit&, size_t, size_t, const float*, size_t, const float*, float*, size_t);
    static constexpr kernel by_rows[strip_rows] = {multiply_strip<type, 1, vectors>, multiply_strip<type, 2, vectors>,
                                                   multiply_strip<type, 3, vectors>, multiply_strip<type, 4, vectors>,
                                                   multiply_strip<type, 5, vectors>, multiply_strip<type, 6, vectors>,
                                                   multiply_strip<type, 7, vectors>, multiply_strip<type, 8, vectors>};
    for (size_t panel = panel_begin; panel < panel_end; panel += strip_panels) {
        const size_t panels = panel_end - panel < strip_panels ? panel_end - panel : strip_panels;
        size_t row = 0;
        for (size_t passes = (m + strip_rows - 1) / strip_rows; passes > 0; --passes) {  // beyond the first from the L2 cache
            const size_t rows = (m - row + passes - 1) / passes;
            by_rows[rows - 1](weights, panel, panels, x + row * x_stride, x_stride, output.bias, output.y + row * output.y_stride,
                              output.y_stride);
            row += rows;
        }
    }
}

template <nq_dtype type>
void product(const panels4bit& weights, const float* x, size_t m, size_t x_stride, const block_output& output, size_t panel_begin,
             size_t panel_end) {
    if constexpr (type != NQ_DTYPE_F32) {
        if (m <= table_rows && weights.blocksize >= table_columns)
            return table_product<type>(weights, x, m, x_stride, output.bias, output.y, output.y_stride, panel_begin, panel_end);
    }
    if (m > direct_rows<type>)
        decoded_product<type>(weights, x, m, x_stride, output, panel_begin, panel_end);
    else if (weights.blocksize == 32)
        direct_product<type, 4>(weights, x, m, x_stride, output, panel_begin, panel_end);
    else
        direct_product<type, 8>(weights, x, m, x_stride, output, panel_begin, panel_end);
}

}  // namespace

void linear4bit(const panels4bit& weights, const float* x, size_t m, size_t x_stride, const float* bias, nq_dtype compute_dtype, float* y,
                size_t y_stride, size_t panel_begin, size_t panel_end) {
    const block_output output = {bias, y, y_stride};
    if (compute_dtype == NQ_DTYPE_F16) return product<NQ_DTYPE_F16>(weights, x, m, x_stride, output, panel_begin, panel_end);
    if (compute_dtype == NQ_DTYPE_BF16) return product<NQ_DTYPE_BF16>(weights, x, m, x_stride, output, panel_begin, panel_end);
    product<NQ_DTYPE_F32>(weights, x, m, x_stride, output, panel_begin, panel_end);
}

}  // namespace nq::cpu::avx512
