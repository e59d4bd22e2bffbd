// 4-bit linear layer in f32 on bf16 tiles. x and the codebook are each the exact sum of three bf16 numbers, high + middle + low; of their
// nine products the six above 2^-24 are made:
//
//     first chain of sums    high * high      middle * middle    high * low
//     second chain           high * middle    middle * high      low * high
//
// The codes are looked up unscaled: a word lane of a vector shifted by 4i begins with the code of column 2i or 2i + 1, so that one permute
// of 16-bit entries makes a row of a B tile. The sums of a group of columns are multiplied by its absmax and added up in f32.
#include "cpu/amx/block_product.h"
#include "cpu/amx/functions.h"
#include "cpu/avx512/functions.h"
#include "cpu/avx512/panel_scales.h"

namespace nq::cpu::amx::NQ_TILES {
namespace {

constexpr size_t parts = 3;
using rows_of_x = bf16_rows<parts>;

tile_configuration exact_configuration(const row_tiles& tiles) {
    tile_configuration c = tiles.configuration();
    c.rows[6] = 16;  // 0 to 3 sums, 4 to 6 parts of W, 7 a part of x
    return c;
}

// A block of one panel: its B tiles by part, and the absmax of its groups.
class exact_block {
public:
    explicit exact_block(const panels4bit& weights) : weights_(weights) {
        __m512 rest = _mm512_loadu_ps(weights.codebook);
        for (size_t part = 0; part < parts; ++part) {
            const __m512i rounded = avx512::round_bf16(rest);
            rest = _mm512_sub_ps(rest, _mm512_castsi512_ps(_mm512_slli_epi32(rounded, 16)));
            const __m256i table = _mm512_cvtepi32_epi16(rounded);
            // Twice: the permute reads five bits of an index, the fifth is of the next code.
            tables_[part] = _mm512_inserti64x4(_mm512_castsi256_si512(table), table, 1);
        }
        group_steps_ = weights.blocksize < tile_block_columns ? weights.blocksize / 32 : block_steps;
    }

    void decode(size_t panel, size_t step, size_t steps) {
        const size_t k = step * 32;
        const uint32_t* codes = weights_.nibbles + (panel * weights_.columns + k) * 2;
        for (size_t unit = 0; unit < steps * 4; ++unit, codes += 16) {
            _mm_prefetch(reinterpret_cast<const char*>(codes + weights_.columns * 2), _MM_HINT_T0);  // of the next panel
            __m512i indices = _mm512_load_si512(codes);
#pragma GCC unroll 4
            for (size_t pair = 0; pair < 4; ++pair) {
#pragma GCC unroll 3
                for (size_t part = 0; part < parts; ++part)
                    _mm512_store_si512(tiles_[part][unit / 4] + (unit % 4 * 4 + pair) * tile_row_bytes,
                                       _mm512_permutexvar_epi16(indices, tables_[part]));
                indices = _mm512_srli_epi16(indices, 4);
            }
        }
        avx512::panel_scales scales(weights_, panel);
        for (size_t group = 0; group * group_steps_ < steps; ++group)
            _mm512_store_ps(absmax_[group], scales.at(k / weights_.blocksize + group));
    }

    size_t group_steps() const { return group_steps_; }
    void load_tiles(size_t step) const {
        NQ_TILES::load<4>(tiles_[0][step], tile_row_bytes);
        NQ_TILES::load<5>(tiles_[1][step], tile_row_bytes);
        NQ_TILES::load<6>(tiles_[2][step], tile_row_bytes);
    }
    __m512 absmax(size_t group) const { return _mm512_load_ps(absmax_[group]); }

private:
    const panels4bit& weights_;
    __m512i tables_[parts];
    size_t group_steps_;
    alignas(64) char tiles_[parts][block_steps][tile_bytes];
    alignas(64) float absmax_[block_steps][16];
};

// The six products of one step with a tile of x; `sums` is the first of its two chains.
template <int sums>
void multiply_parts(const row_source& x, size_t step) {
    const char* at = x.data + step * tile_row_bytes;
    load<7>(at, x.stride);
    multiply_bf16<sums, 7, 4>();
    multiply_bf16<sums + 1, 7, 5>();
    multiply_bf16<sums, 7, 6>();
    load<7>(at + x.part_bytes, x.stride);
    multiply_bf16<sums + 1, 7, 4>();
    multiply_bf16<sums, 7, 5>();
    load<7>(at + 2 * x.part_bytes, x.stride);
    multiply_bf16<sums + 1, 7, 4>();
}

// total[row] += absmax * both chains, for the rows of one tile.
void add_scaled(const float (&chains)[2][16][16], __m512 absmax, size_t height, float (&total)[16][16]) {
    for (size_t row = 0; row < height; ++row) {
        const __m512 sum = _mm512_add_ps(_mm512_load_ps(chains[0][row]), _mm512_load_ps(chains[1][row]));
        _mm512_store_ps(total[row], _mm512_fmadd_ps(sum, absmax, _mm512_load_ps(total[row])));
    }
}

// y of one tile of x and one panel, between blocks.
struct tile_output {
    const block_output& output;
    const row_tiles& tiles;
    size_t tile;
    size_t column;
    __mmask16 lanes;

    float* row(size_t r) const { return output.y + (tile * tiles.height + r) * output.y_stride + column; }
    void load_total(bool first, float (&total)[16][16]) const {
        const __m512 bias = output.bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(lanes, output.bias + column);
        for (size_t r = 0; r < tiles.height; ++r)
            _mm512_store_ps(total[r], first || r >= tiles.valid(tile) ? bias : _mm512_maskz_loadu_ps(lanes, row(r)));
    }
    void store_total(const float (&total)[16][16]) const {
        for (size_t r = 0; r < tiles.valid(tile); ++r) _mm512_mask_storeu_ps(row(r), lanes, _mm512_load_ps(total[r]));
    }
};

// A tile of x by a panel, over a block.
struct exact_product {
    const exact_block* w;
    row_source x;
    tile_output y;
};

// Two of them at a time, of the same panel (W is loaded once) or of two, for four chains in all; or one.
template <int count, bool same_panel>
void multiply_exact(const exact_product (&products)[2], const block& b) {
    alignas(64) float total[2][16][16], chains[2][2][16][16];
    const exact_block& w = *products[0].w;
    const size_t height = products[0].y.tiles.height;
    for (int i = 0; i < count; ++i) products[i].y.load_total(b.step == 0, total[i]);
    for (size_t first = 0, group = 0; first < b.steps(); first += w.group_steps(), ++group) {
        const size_t end = b.steps() - first < w.group_steps() ? b.steps() : first + w.group_steps();
        zero<0>();
        zero<1>();
        if constexpr (count == 2) zero<2>();
        if constexpr (count == 2) zero<3>();
        for (size_t step = first; step < end; ++step) {
            w.load_tiles(step);
            multiply_parts<0>(products[0].x, step);
            if constexpr (!same_panel) products[1].w->load_tiles(step);
            if constexpr (count == 2) multiply_parts<2>(products[1].x, step);
        }
        store<0>(chains[0][0], tile_row_bytes);
        store<1>(chains[0][1], tile_row_bytes);
        if constexpr (count == 2) store<2>(chains[1][0], tile_row_bytes);
        if constexpr (count == 2) store<3>(chains[1][1], tile_row_bytes);
        for (int i = 0; i < count; ++i) add_scaled(chains[i], products[i].w->absmax(group), height, total[i]);
    }
    for (int i = 0; i < count; ++i) products[i].y.store_total(total[i]);
}

}  // namespace

void linear4bit_exact(const panels4bit& weights, const activations_bf16& activations, const float* bias, float* y, size_t y_stride,
                      size_t panel_begin, size_t panel_end) {
    const rows_of_x x(activations);
    const row_tiles tiles(x.count);
    const tile_scope configured(exact_configuration(tiles));
    const block_output output = {bias, y, y_stride};
    row_slice<rows_of_x> slice(x, tiles);
    exact_block w[2] = {exact_block(weights), exact_block(weights)};
    const auto product = [&](size_t i, size_t panel, size_t tile) -> exact_product {
        return {&w[i], slice.tile(tile), {output, tiles, tile, panel * 16, avx512::first_lanes(weights.rows - panel * 16)}};
    };
    constexpr size_t most_tiles = most_slice_bytes / (block_row_bytes * 16 * parts);
    for (size_t tile_begin = 0; tile_begin < tiles.count; tile_begin += most_tiles) {
        const size_t tile_end = tiles.count - tile_begin < most_tiles ? tiles.count : tile_begin + most_tiles;
        for (block b(panel_begin, panel_end, x.steps); !b.ended(); b.next_columns()) {
            slice.begin(b);
            for (size_t panel = panel_begin; panel < panel_end; ++panel) {
                w[0].decode(panel, b.step, b.steps());
                if (tile_end - tile_begin == 1 && panel + 1 < panel_end) {
                    w[1].decode(panel + 1, b.step, b.steps());
                    multiply_exact<2, false>({product(0, panel, tile_begin), product(1, panel + 1, tile_begin)}, b);
                    ++panel;
                    continue;
                }
                for (size_t tile = tile_begin; tile < tile_end; tile += 2) {
                    if (tile + 2 <= tile_end)
                        multiply_exact<2, true>({product(0, panel, tile), product(0, panel, tile + 1)}, b);
                    else
                        multiply_exact<1, true>({product(0, panel, tile), product(0, panel, tile)}, b);
                }
            }
        }
    }
    for (size_t row = 0; row < x.count; ++row) {
        if (activations.irregular[row] == 0) continue;
        avx512::linear4bit(weights, activations.x + row * activations.x_stride, 1, activations.x_stride, bias, NQ_DTYPE_F32,
                           y + row * y_stride, y_stride, panel_begin, panel_end);
    }
}

}  // namespace nq::cpu::amx::NQ_TILES
