// 4-bit linear layer. A codebook of 16 f32 does not fit one 256-bit permute, so a lookup is two permutes of 8 entries, chosen between by
// the code's top bit: about three times the work of the AVX-512 lookup, which makes decode arithmetic-bound here.
#include "cpu/avx2/block_product.h"
#include "cpu/avx2/functions.h"

namespace nq::cpu::avx2 {
namespace {

constexpr size_t direct_rows = 3;

// absmax of the 16 rows of a panel for one group.
void load_scales(const panels4bit& weights, size_t panel, size_t group, float* scales) {
    const size_t groups = weights.columns / weights.blocksize;
    const size_t first = (panel * groups + group) * 16;
    if (weights.absmax != nullptr) {
        memcpy(scales, weights.absmax + first, 16 * sizeof(float));
        return;
    }
    const size_t left = weights.rows - panel * 16;
    const size_t rows = left < 16 ? left : 16;
    for (size_t lane = 0; lane < rows; ++lane) {
        const size_t block = ((panel * 16 + lane) * groups + group) / weights.nested_blocksize;
        const float product = weights.nested_map[weights.absmax_codes[first + lane]] * weights.nested_absmax[block];
        scales[lane] = product + weights.nested_offset;
    }
    for (size_t lane = rows; lane < 16; ++lane) scales[lane] = 0.0f;
}

struct codebook_halves {
    __m256 low;
    __m256 high;
};

// Weight of column 8j + i, unscaled, of 8 rows, from their dwords of columns 8j .. 8j + 7.
template <int i>
inline __m256 lookup(__m256i codes, const codebook_halves& codebook) {
    constexpr int shift = i % 2 * 16 + i / 2 * 4;
    const __m256i index = _mm256_srli_epi32(codes, shift);  // a permute reads the low three bits
    const __m256 top = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28 - shift));
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(codebook.low, index), _mm256_permutevar8x32_ps(codebook.high, index), top);
}

// sum[row][half] += weight(column i) * x[row][i] for the eight columns of one vector.
template <int rows, int i = 0>
inline void multiply_columns(__m256i low, __m256i high, const codebook_halves& codebook, const float* x, size_t x_stride,
                             __m256 (&sum)[rows][2]) {
    if constexpr (i < 8) {
        const __m256 w0 = lookup<i>(low, codebook);
        const __m256 w1 = lookup<i>(high, codebook);
        for (int r = 0; r < rows; ++r) {
            const __m256 xk = _mm256_set1_ps(x[static_cast<size_t>(r) * x_stride + i]);
            sum[r][0] = _mm256_fmadd_ps(w0, xk, sum[r][0]);
            sum[r][1] = _mm256_fmadd_ps(w1, xk, sum[r][1]);
        }
        multiply_columns<rows, i + 1>(low, high, codebook, x, x_stride, sum);
    }
}

template <int rows>
void direct_product(const panels4bit& weights, const float* x, size_t x_stride, const block_output& output, size_t panel_begin,
                    size_t panel_end) {
    constexpr size_t most_vectors = 16;  // of one chain of sums: keeps the rounding error of large blocks small
    const codebook_halves codebook = {_mm256_loadu_ps(weights.codebook), _mm256_loadu_ps(weights.codebook + 8)};
    const size_t group_vectors = weights.blocksize / 8;
    const size_t groups = weights.columns / weights.blocksize;
    for (size_t panel = panel_begin; panel < panel_end; ++panel) {
        const uint32_t* codes = weights.nibbles + panel * weights.columns * 2;
        const float* xk = x;
        __m256 total[rows][2];
        for (int r = 0; r < rows; ++r) total[r][0] = total[r][1] = _mm256_setzero_ps();
        for (size_t group = 0; group < groups; ++group) {
            alignas(32) float absmax[16];
            load_scales(weights, panel, group, absmax);
            for (size_t first = 0; first < group_vectors; first += most_vectors) {
                const size_t count = group_vectors - first < most_vectors ? group_vectors - first : most_vectors;
                __m256 sum[rows][2];
                for (int r = 0; r < rows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
                for (size_t j = 0; j < count; ++j, codes += 16, xk += 8) {
                    const __m256i low = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes));
                    const __m256i high = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes + 8));
                    multiply_columns(low, high, codebook, xk, x_stride, sum);
                }
                for (int r = 0; r < rows; ++r) {
                    total[r][0] = _mm256_fmadd_ps(sum[r][0], _mm256_load_ps(absmax), total[r][0]);
                    total[r][1] = _mm256_fmadd_ps(sum[r][1], _mm256_load_ps(absmax + 8), total[r][1]);
                }
            }
        }
        const size_t column = panel * 16;
        const size_t left = weights.rows - column;
        const block_target target = {output.y + column, output.y_stride, output.bias == nullptr ? nullptr : output.bias + column,
                                     left < 16 ? left : 16, true};
        for (int r = 0; r < rows; ++r) {
            float* y = target.y + static_cast<size_t>(r) * target.y_stride;
            add_half(target, y, 0, total[r][0]);
            add_half(target, y, 1, total[r][1]);
        }
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
        const codebook_halves codebook = {_mm256_loadu_ps(weights.codebook), _mm256_loadu_ps(weights.codebook + 8)};
        const uint32_t* codes = weights.nibbles + (panel * columns + k) * 2;
        const size_t end = k + count;
        float* w = scratch;
        while (k < end) {
            alignas(32) float absmax[16];
            const size_t group = k / weights.blocksize;
            const size_t group_end = (group + 1) * weights.blocksize;
            load_scales(weights, panel, group, absmax);
            for (const size_t stop = group_end < end ? group_end : end; k < stop; k += 8, codes += 16, w += 128) {
                decode(_mm256_load_si256(reinterpret_cast<const __m256i*>(codes)), codebook, _mm256_load_ps(absmax), w);
                decode(_mm256_load_si256(reinterpret_cast<const __m256i*>(codes + 8)), codebook, _mm256_load_ps(absmax + 8), w + 8);
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
    using kernel = void (*)(const panels4bit&, const float*, size_t, const block_output&, size_t, size_t);
    static constexpr kernel by_rows[direct_rows] = {direct_product<1>, direct_product<2>, direct_product<3>};
    by_rows[m - 1](weights, x, x_stride, output, panel_begin, panel_end);
}

}  // namespace nq::cpu::avx2
