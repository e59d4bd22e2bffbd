// The 4-bit layer with int8 activations. A block of a panel is looked up once (vpshufb), into the L1 cache, and multiplied with every row
// of x: |x| by the weights with the sign of x, since vpmaddubsw takes one unsigned operand, and 2 * 127 * 127 does not saturate its sums.
#include "cpu/avx2/block_product.h"
#include "cpu/avx2/functions.h"
#include "cpu/avx2/panel_scales.h"

namespace nq::cpu::avx2 {
namespace {

constexpr size_t prefetch_bytes = 4096;
constexpr int tile_rows = 4;
constexpr size_t most_sums = 48;  // rows of x whose f32 sums of a panel stay in the L1 cache

// Of 32-bit lanes, unlike __m256i: GCC 12 keeps an array of sums in registers only if nothing reads it as another type.
using int32x8 = int __attribute__((vector_size(32)));

// Weights of 8 columns of 8 rows, from their dwords, as four consecutive bytes of x's order in each lane.
class byte_lookup {
public:
    explicit byte_lookup(const float* codebook) {
        const __m256i low = entries(codebook), high = entries(codebook + 8);
        const __m256i halves = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
        const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(halves, halves), 0x08);
        table_ = _mm256_broadcastsi128_si256(_mm256_castsi256_si128(bytes));
    }
    __m256i low(__m256i codes) const { return _mm256_shuffle_epi8(table_, _mm256_and_si256(codes, _mm256_set1_epi8(15))); }
    __m256i high(__m256i codes) const { return low(_mm256_srli_epi16(codes, 4)); }

private:
    static __m256i entries(const float* codebook) {
        return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(codebook), _mm256_set1_ps(127.0f)));
    }
    __m256i table_;
};

struct panel_block {
    alignas(32) int8_t weights[64 * 16];  // [quad of columns][16 rows][4]
    __m256 absmax[2];
};

// `rows` rows of x, at codes and scales of the first, against a block of `quads` quads of columns.
template <int rows>
void multiply_rows(const panel_block& block, size_t quads, const int8_t* codes, const float* scales, __m256 (*total)[2]) {
    int32x8 sum[rows][2] = {};
    const __m256i ones = _mm256_set1_epi16(1);
    const size_t stride = quads * 4;
#pragma GCC unroll 2
    for (size_t quad = 0; quad < quads; ++quad) {
        const __m256i low = _mm256_load_si256(reinterpret_cast<const __m256i*>(block.weights + quad * 64));
        const __m256i high = _mm256_load_si256(reinterpret_cast<const __m256i*>(block.weights + quad * 64 + 32));
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r) {
            int four;
            memcpy(&four, codes + static_cast<size_t>(r) * stride + quad * 4, sizeof four);
            const __m256i x = _mm256_set1_epi32(four), magnitude = _mm256_abs_epi8(x);
            const __m256i p0 = _mm256_madd_epi16(_mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(low, x)), ones);
            const __m256i p1 = _mm256_madd_epi16(_mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(high, x)), ones);
            sum[r][0] += reinterpret_cast<int32x8>(p0);
            sum[r][1] += reinterpret_cast<int32x8>(p1);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
        const __m256 scale = _mm256_set1_ps(scales[r]);
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
            const __m256 product = _mm256_cvtepi32_ps(reinterpret_cast<__m256i>(sum[r][half]));
            total[r][half] = _mm256_fmadd_ps(product, _mm256_mul_ps(block.absmax[half], scale), total[r][half]);
        }
    }
}

// Rows first .. first + count of x, at most most_sums, against one panel.
void multiply_panel(const panels4bit& weights, const activations4bit& x, size_t first, size_t count, size_t panel,
                    const block_output& output) {
    using kernel = void (*)(const panel_block&, size_t, const int8_t*, const float*, __m256(*)[2]);
    static constexpr kernel by_rows[tile_rows] = {multiply_rows<1>, multiply_rows<2>, multiply_rows<3>, multiply_rows<4>};
    __m256 total[most_sums][2];
    for (size_t r = 0; r < count; ++r) total[r][0] = total[r][1] = _mm256_setzero_ps();
    panel_block block;
    const byte_lookup lookup(weights.codebook);
    panel_scales scales(weights, panel);
    const size_t blocks = weights.columns / x.block, group_blocks = weights.blocksize / x.block;
    const uint32_t* codes = weights.nibbles + panel * weights.columns * 2;
    size_t group = 0;
    for (size_t b = 0, next = 0; b < blocks; ++b) {
        if (b == next) {
            scales.load(group++, block.absmax);
            next += group_blocks;
        }
        for (size_t j = 0; j < x.block / 8; ++j, codes += 16) {
            _mm_prefetch(reinterpret_cast<const char*>(codes) + prefetch_bytes, _MM_HINT_T0);
            const __m256i packed0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes));
            const __m256i packed1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes + 8));
            __m256i* quads = reinterpret_cast<__m256i*>(block.weights + j * 128);
            _mm256_store_si256(quads, lookup.low(packed0));
            _mm256_store_si256(quads + 1, lookup.low(packed1));
            _mm256_store_si256(quads + 2, lookup.high(packed0));
            _mm256_store_si256(quads + 3, lookup.high(packed1));
        }
        for (size_t r = 0; r < count; r += tile_rows) {
            const size_t rows = count - r < tile_rows ? count - r : tile_rows, at = b * x.rows + first + r;
            by_rows[rows - 1](block, x.block / 4, x.codes + at * x.block, x.scales + at, total + r);
        }
    }
    const size_t column = panel * 16, left = weights.rows - column;
    const block_target target = {output.y + first * output.y_stride + column, output.y_stride,
                                 output.bias == nullptr ? nullptr : output.bias + column, left < 16 ? left : 16, true};
    for (size_t r = 0; r < count; ++r) {
        add_half(target, target.y + r * target.y_stride, 0, total[r][0]);
        add_half(target, target.y + r * target.y_stride, 1, total[r][1]);
    }
}

}  // namespace

void quantize_activation_blocks(const float* x, size_t columns, uint32_t block, size_t row, size_t rows, int8_t* codes, float* scales,
                                int32_t* offsets) {
    // Places of 0 .. 7 in the order of activations4bit, in each 16 bytes twice.
    const __m256i order = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15));
    for (size_t b = 0; b < columns / block; ++b) {
        alignas(32) int8_t in_order[64];
        const float absmax = int8_row_absmax(x + b * block, block, 0, nullptr);
        int8_quantize_row(x + b * block, block, absmax, 0, nullptr, in_order);
        __m256i sums = _mm256_setzero_si256();
        for (size_t i = 0; i < block; i += 32) {
            const __m256i bytes = _mm256_load_si256(reinterpret_cast<const __m256i*>(in_order + i));
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + (b * rows + row) * block + i), _mm256_shuffle_epi8(bytes, order));
            const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
            sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
        }
        alignas(32) int32_t lanes[8];
        _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sums);
        int32_t sum = 0;
        for (const int32_t lane : lanes) sum += lane;
        scales[b * rows + row] = absmax * 0x1.040c2p-14f;
        offsets[b * rows + row] = -127 * sum;
    }
}

void linear4bit_int8(const panels4bit& weights, const activations4bit& x, const float* bias, float* y, size_t y_stride, size_t panel_begin,
                     size_t panel_end) {
    const block_output output = {bias, y, y_stride};
    size_t first = 0;
    for (size_t chunks = (x.rows + most_sums - 1) / most_sums; chunks > 0; --chunks) {
        const size_t count = (x.rows - first + chunks - 1) / chunks;
        for (size_t panel = panel_begin; panel < panel_end; ++panel) multiply_panel(weights, x, first, count, panel, output);
        first += count;
    }
}

}  // namespace nq::cpu::avx2
