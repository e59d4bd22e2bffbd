// 4-bit linear layer in bf16: weights are the dequantized ones rounded to bf16 to the bit, sums are f32.
#include "cpu/amx/block_product.h"
#include "cpu/amx/functions.h"
#include "cpu/avx512/panel_scales.h"

namespace nq::cpu::amx::NQ_TILES {
namespace {

constexpr size_t least_rows = 4;
constexpr size_t least_rows_exact = 8;  // six products to each of bf16
constexpr size_t units_per_tile = block_units / (block_panels * block_steps);
constexpr size_t unit_columns = 32 / units_per_tile;  // 8: one vector of codes, four rows of a tile
constexpr size_t unit_bytes = tile_bytes / units_per_tile;

// Codes to tiles: of a pair of columns (2i, 2i + 1) of 16 rows, two lookups, two products, two roundings, joined to one row of a tile.
class coded_weights {
public:
    explicit coded_weights(const panels4bit& weights)
        : weights_(weights),
          codebook_(_mm512_loadu_ps(weights.codebook)),
          group_shift_(static_cast<unsigned>(__builtin_ctz(weights.blocksize / unit_columns))) {}

    tile_source begin(const block& b, char* buffer) {
        const size_t k = b.step * 32, width = b.steps() * 32;
        const size_t first_group = k / weights_.blocksize;
        const size_t groups = (width - 1) / weights_.blocksize + 1;
        for (size_t p = 0; p < b.panels(); ++p) {
            avx512::panel_scales scales(weights_, b.panel + p);
            for (size_t group = 0; group < groups; ++group) {
                // A NaN must survive the rounding of its bits.
                const __m512 absmax = scales.at(first_group + group);
                const __mmask16 nan = _mm512_cmp_ps_mask(absmax, absmax, _CMP_UNORD_Q);
                _mm512_store_ps(absmax_[p][group], _mm512_mask_mov_ps(absmax, nan, _mm512_set1_ps(__builtin_nanf(""))));
            }
            codes_[p] = weights_.nibbles + ((b.panel + p) * weights_.columns + k) * 2;
        }
        tiles_ = buffer;
        panels_ = b.panels();
        panel_ = 0;
        unit_ = 0;
        units_ = b.steps() * units_per_tile;
        return {buffer, block_steps * tile_bytes};
    }

    template <int units>
    void advance() {
        for (int i = 0; i < units; ++i) {
            if (panel_ == panels_) return;
            decode_unit();
        }
    }

    void finish() {
        while (panel_ < panels_) decode_unit();
    }

private:
    // f32 bits with the upper half rounded to nearest even by the lower.
    static __m512i round_upper_half(__m512 x) {
        const __m512i bits = _mm512_castps_si512(x);
        const __mmask16 odd = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x10000));
        const __m512i sum = _mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff));
        return _mm512_mask_sub_epi32(sum, odd, sum, _mm512_set1_epi32(-1));
    }

    template <int pair>
    static void decode_pair(__m512i codes, __m512 codebook, __m512 absmax, char* row) {
        const __m512i even_codes = pair == 0 ? codes : _mm512_srli_epi32(codes, 4 * pair);
        const __m512i odd_codes = _mm512_srli_epi32(codes, 16 + 4 * pair);
        const __m512i even = round_upper_half(_mm512_mul_ps(_mm512_permutexvar_ps(even_codes, codebook), absmax));
        const __m512i odd = round_upper_half(_mm512_mul_ps(_mm512_permutexvar_ps(odd_codes, codebook), absmax));
        _mm512_store_si512(row + 64 * pair, _mm512_mask_blend_epi16(0xaaaaaaaau, _mm512_srli_epi32(even, 16), odd));
    }

    // 8 columns: one vector of codes, four rows of a tile.
    void decode_unit() {
        const uint32_t* source = codes_[panel_] + unit_ * 16;
        _mm_prefetch(reinterpret_cast<const char*>(source + block_panels * weights_.columns * 2), _MM_HINT_T0);  // the next panels' codes
        const __m512i codes = _mm512_load_si512(source);
        const __m512 absmax = _mm512_load_ps(absmax_[panel_][unit_ >> group_shift_]);
        char* rows = tiles_ + panel_ * block_steps * tile_bytes + unit_ * unit_bytes;
        decode_pair<0>(codes, codebook_, absmax, rows);
        decode_pair<1>(codes, codebook_, absmax, rows);
        decode_pair<2>(codes, codebook_, absmax, rows);
        decode_pair<3>(codes, codebook_, absmax, rows);
        if (++unit_ == units_) {
            unit_ = 0;
            ++panel_;
        }
    }

    const panels4bit& weights_;
    const __m512 codebook_;
    const unsigned group_shift_;  // units to groups of one absmax; sizes are powers of two, 32 at least
    const uint32_t* codes_[block_panels] = {};
    char* tiles_ = nullptr;
    size_t panels_ = 0;
    size_t panel_ = 0;
    size_t unit_ = 0;
    size_t units_ = 0;
    alignas(64) float absmax_[block_panels][tile_block_columns / 32][16];  // blocks of weights have 32 columns at least
};

}  // namespace

size_t linear4bit_parts(const panels4bit&, nq_dtype compute_dtype, size_t m) {
    if (compute_dtype == NQ_DTYPE_F32 && m >= least_rows_exact) return 3;
    return compute_dtype == NQ_DTYPE_BF16 && m >= least_rows ? 1 : 0;
}

void linear4bit(const panels4bit& weights, const activations_bf16& x, const float* bias, nq_dtype compute_dtype, float* y, size_t y_stride,
                size_t panel_begin, size_t panel_end) {
    if (compute_dtype == NQ_DTYPE_F32) return linear4bit_exact(weights, x, bias, y, y_stride, panel_begin, panel_end);
    coded_weights decoded(weights);
    block_product(bf16_rows<1>(x), decoded, weights.rows, {bias, y, y_stride}, panel_begin, panel_end, no_epilogue{});
}

}  // namespace nq::cpu::amx::NQ_TILES
