// Dense linear layer with bf16 weights, exact for f32 activations: x in three bf16 parts, three products of bf16 with f32 sums.
#include "cpu/amx/block_product.h"
#include "cpu/amx/functions.h"
#include "cpu/avx512/functions.h"

namespace nq::cpu::amx::NQ_TILES {
namespace {

constexpr size_t least_rows = 4;
constexpr size_t units_per_tile = block_units / (block_panels * block_steps);
constexpr size_t unit_columns = 32 / units_per_tile;  // 8: four vectors of W, four rows of a tile
constexpr size_t unit_bytes = tile_bytes / units_per_tile;

// Columns of 16 bf16 to tiles: each two columns interleaved by one permute.
class bf16_weights {
public:
    explicit bf16_weights(const dense_panels& weights)
        : data_(static_cast<const uint16_t*>(weights.data)), columns_(weights.columns), interleave_(interleave_pairs()) {}

    tile_source begin(const block& b, char* buffer) {
        const size_t k = b.step * 32;
        for (size_t p = 0; p < b.panels(); ++p) source_[p] = data_ + ((b.panel + p) * columns_ + k) * 16;
        left_ = columns_ - k;
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
            arrange_unit();
        }
    }

    void finish() {
        while (panel_ < panels_) arrange_unit();
    }

private:
    static __m512i interleave_pairs() {
        alignas(64) uint16_t index[32];
        for (int lane = 0; lane < 32; ++lane) index[lane] = static_cast<uint16_t>(lane % 2 * 16 + lane / 2);
        return _mm512_load_si512(index);
    }

    // 8 columns: 256 bytes, four rows of a tile; zeros beyond the last column.
    void arrange_unit() {
        const size_t first = unit_ * unit_columns;
        const uint16_t* source = source_[panel_] + first * 16;
        char* rows = tiles_ + panel_ * block_steps * tile_bytes + unit_ * unit_bytes;
#pragma GCC unroll 4
        for (size_t pair = 0; pair < 4; ++pair) {
            const size_t column = first + 2 * pair;
            const __mmask32 lanes = left_ >= column + 2 ? 0xffffffffu : left_ > column ? 0xffffu : 0u;
            _mm_prefetch(reinterpret_cast<const char*>(source + 32 * pair + block_panels * columns_ * 16), _MM_HINT_T0);
            const __m512i columns = _mm512_maskz_loadu_epi16(lanes, source + 32 * pair);
            _mm512_store_si512(rows + 64 * pair, _mm512_permutexvar_epi16(interleave_, columns));
        }
        if (++unit_ == units_) {
            unit_ = 0;
            ++panel_;
        }
    }

    const uint16_t* data_;
    size_t columns_;
    const __m512i interleave_;
    const uint16_t* source_[block_panels] = {};
    size_t left_ = 0;  // columns of W from the block's first on
    char* tiles_ = nullptr;
    size_t panels_ = 0;
    size_t panel_ = 0;
    size_t unit_ = 0;
    size_t units_ = 0;
};

}  // namespace

size_t linear_parts(const dense_panels& weights, size_t m) { return weights.dtype == NQ_DTYPE_BF16 && m >= least_rows ? 3 : 0; }

void linear(const dense_panels& weights, const activations_bf16& x, const float* bias, float* y, size_t y_stride, size_t panel_begin,
            size_t panel_end) {
    bf16_weights arranged(weights);
    block_product(bf16_rows<3>(x), arranged, weights.rows, {bias, y, y_stride}, panel_begin, panel_end, no_epilogue{});
    for (size_t row = 0; row < x.rows; ++row) {
        if (x.irregular[row] == 0) continue;
        avx512::linear(weights, x.x + row * x.x_stride, 1, x.x_stride, bias, y + row * y_stride, y_stride, panel_begin, panel_end);
    }
}

}  // namespace nq::cpu::amx::NQ_TILES
