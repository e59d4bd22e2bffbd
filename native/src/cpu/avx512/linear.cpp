// Dense linear layer: f32, f16 or bf16 panels widened to f32, f32 sums.
#include "cpu/avx512/block_product.h"
#include "cpu/avx512/functions.h"

namespace nq::cpu::avx512 {

namespace {

struct f32_weight {
    using type = float;
    static __m512 load(const float* p) { return _mm512_loadu_ps(p); }
};
struct f16_weight {
    using type = uint16_t;
    static __m512 load(const uint16_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
};
struct bf16_weight {
    using type = uint16_t;
    static __m512 load(const uint16_t* p) { return load_bf16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
};

constexpr size_t direct_rows = 8;               // at most so many rows of x are multiplied with weights straight from their panels
constexpr size_t strip_panels = 16;             // side by side
constexpr size_t turn_columns = 16;             // of one panel, then of the next
constexpr size_t prefetch_bytes = 1024;         // ahead in each of several panels
constexpr size_t stream_prefetch_bytes = 2048;  // in a stream of its own

template <class Weight>
struct panel_blocks {
    const typename Weight::type* data;
    size_t rows;
    size_t columns;

    const float* block(size_t panel, size_t k, size_t count, float* scratch) const {
        const typename Weight::type* source = data + (panel * columns + k) * 16;
        for (size_t i = 0; i < count; ++i) {
            _mm_prefetch(reinterpret_cast<const char*>(source + i * 16) + stream_prefetch_bytes, _MM_HINT_T0);
            _mm512_store_ps(scratch + i * 16, Weight::load(source + i * 16));
        }
        return scratch;
    }
};

template <>
const float* panel_blocks<f32_weight>::block(size_t panel, size_t k, size_t, float*) const {
    return data + (panel * columns + k) * 16;
}

// sum[panel][row] += the products of `count` columns of `panels` panels, panel_values apart. `ahead` is what to prefetch meanwhile.
template <class Weight, int rows, int panels>
void multiply_turn(const typename Weight::type* w, const typename Weight::type* ahead, size_t panel_values, const float* const* x, size_t k,
                   size_t count, __m512 (*total)[rows]) {
    constexpr size_t line_columns = 64 / (16 * sizeof(*w));
    __m512 sum[panels][rows];
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p)
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) sum[p][r] = total[p][r];
    const float* row[rows];  // a pointer each: from one pointer, an offset would be loaded anew for every multiply-add
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) row[r] = x[r] + k;
    const auto multiply_column = [&](size_t i) __attribute__((always_inline)) {
        __m512 weight[panels];
#pragma GCC unroll 4
        for (size_t p = 0; p < panels; ++p) weight[p] = Weight::load(w + p * panel_values + i * 16);
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
            const __m512 xk = _mm512_set1_ps(row[r][i]);
#pragma GCC unroll 4
            for (int p = 0; p < panels; ++p) sum[p][r] = _mm512_fmadd_ps(weight[p], xk, sum[p][r]);
        }
    };
    size_t i = 0;
#pragma GCC unroll 1
    for (; i + line_columns <= count; i += line_columns) {
#pragma GCC unroll 4
        for (size_t p = 0; p < panels; ++p) _mm_prefetch(reinterpret_cast<const char*>(ahead + p * panel_values + i * 16), _MM_HINT_T0);
#pragma GCC unroll 2
        for (size_t c = 0; c < line_columns; ++c) multiply_column(i + c);
    }
    if (i < count) multiply_column(i);
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p)
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) total[p][r] = sum[p][r];
}

// Few rows of x are bound by memory, which is read faster in several streams: up to strip_panels panels advance side by side. The sums are
// those of block_product: of blocks of block_columns, each a chain of its own.
template <class Weight, int rows>
void multiply_strip(const dense_panels& weights, size_t first, size_t panels, const float* x, size_t x_stride, const block_output& output) {
    constexpr int group = rows <= 4 ? 4 : 2;  // panels that share each load of x
    const size_t columns = weights.columns, panel_values = columns * 16;
    constexpr size_t prefetch_values = prefetch_bytes / sizeof(typename Weight::type);
    const auto* w = static_cast<const typename Weight::type*>(weights.data) + first * panel_values;
    __m512 total[strip_panels][rows], sum[strip_panels][rows];
    const float* row[rows];
    for (int r = 0; r < rows; ++r) row[r] = x + static_cast<size_t>(r) * x_stride;
    for (size_t p = 0; p < panels; ++p) {
        const size_t column = (first + p) * 16;
        const __m512 bias =
            output.bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(first_lanes(weights.rows - column), output.bias + column);
        for (int r = 0; r < rows; ++r) total[p][r] = bias;
    }
    for (size_t block = 0; block < columns; block += block_columns) {
        const size_t end = columns - block < block_columns ? columns : block + block_columns;
        for (size_t p = 0; p < panels; ++p)
            for (int r = 0; r < rows; ++r) sum[p][r] = _mm512_setzero_ps();
        for (size_t k = block; k < end; k += turn_columns, w += turn_columns * 16) {
            const size_t count = end - k < turn_columns ? end - k : turn_columns;
            // At the end of these panels, the beginning of the next strip's.
            const auto* ahead = w + prefetch_values + ((columns - k) * 16 > prefetch_values ? 0 : (panels - 1) * panel_values);
            size_t p = 0;
            for (; p + group <= panels; p += group)
                multiply_turn<Weight, rows, group>(w + p * panel_values, ahead + p * panel_values, panel_values, row, k, count, sum + p);
            for (; p < panels; ++p)
                multiply_turn<Weight, rows, 1>(w + p * panel_values, ahead + p * panel_values, panel_values, row, k, count, sum + p);
        }
        for (size_t p = 0; p < panels; ++p)
            for (int r = 0; r < rows; ++r) total[p][r] = _mm512_add_ps(total[p][r], sum[p][r]);
    }
    for (size_t p = 0; p < panels; ++p) {
        const size_t column = (first + p) * 16;
        for (int r = 0; r < rows; ++r)
            _mm512_mask_storeu_ps(output.y + static_cast<size_t>(r) * output.y_stride + column, first_lanes(weights.rows - column),
                                  total[p][r]);
    }
}

template <class Weight>
void product(const dense_panels& weights, const float* x, size_t m, size_t x_stride, const float* bias, float* y, size_t y_stride,
             size_t panel_begin, size_t panel_end) {
    const block_output output = {bias, y, y_stride};
    if (m > direct_rows) {
        panel_blocks<Weight> blocks = {static_cast<const typename Weight::type*>(weights.data), weights.rows, weights.columns};
        return block_product(blocks, x, m, x_stride, output, panel_begin, panel_end);
    }
    using kernel = void (*)(const dense_panels&, size_t, size_t, const float*, size_t, const block_output&);
    static constexpr kernel by_rows[direct_rows] = {multiply_strip<Weight, 1>, multiply_strip<Weight, 2>, multiply_strip<Weight, 3>,
                                                    multiply_strip<Weight, 4>, multiply_strip<Weight, 5>, multiply_strip<Weight, 6>,
                                                    multiply_strip<Weight, 7>, multiply_strip<Weight, 8>};
    for (size_t panel = panel_begin; panel < panel_end; panel += strip_panels)
        by_rows[m - 1](weights, panel, panel_end - panel < strip_panels ? panel_end - panel : strip_panels, x, x_stride, output);
}

}  // namespace

void linear(const dense_panels& weights, const float* x, size_t m, size_t x_stride, const float* bias, float* y, size_t y_stride,
            size_t panel_begin, size_t panel_end) {
    if (weights.dtype == NQ_DTYPE_F16)
        product<f16_weight>(weights, x, m, x_stride, bias, y, y_stride, panel_begin, panel_end);
    else if (weights.dtype == NQ_DTYPE_BF16)
        product<bf16_weight>(weights, x, m, x_stride, bias, y, y_stride, panel_begin, panel_end);
    else
        product<f32_weight>(weights, x, m, x_stride, bias, y, y_stride, panel_begin, panel_end);
}

float dot(const float* x, const float* y, size_t n) {
    __m512 sum[4];
    for (int i = 0; i < 4; ++i) sum[i] = _mm512_setzero_ps();
    size_t k = 0;
    for (; k + 64 <= n; k += 64)
        for (size_t i = 0; i < 4; ++i) sum[i] = _mm512_fmadd_ps(_mm512_loadu_ps(x + k + 16 * i), _mm512_loadu_ps(y + k + 16 * i), sum[i]);
    for (; k < n; k += 16) {
        const __mmask16 lanes = first_lanes(n - k);
        sum[0] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, x + k), _mm512_maskz_loadu_ps(lanes, y + k), sum[0]);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
}

int32_t dot_int8(const int8_t* a, const int8_t* b, size_t n) {
    __m512i sum = _mm512_setzero_si512();
    for (size_t k = 0; k < n; k += 32) {
        const __mmask32 lanes = n - k >= 32 ? 0xffffffffu : (1u << (n - k)) - 1u;
        const __m512i wide_a = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(lanes, a + k));
        const __m512i wide_b = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(lanes, b + k));
        sum = _mm512_add_epi32(sum, _mm512_madd_epi16(wide_a, wide_b));
    }
    return _mm512_reduce_add_epi32(sum);
}

}  // namespace nq::cpu::avx512
