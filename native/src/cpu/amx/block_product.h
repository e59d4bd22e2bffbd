// y = x * W^T + bias on tiles: rows of x are the A operand as they lie, 32 columns by 16 rows of W are one B tile. A block of 256 columns
// of two panels is brought to B tiles while the block before it is multiplied, two tiles of x by two of W at a time:
//
//     tiles 0 1   sums of the first tile of x with panel 0, 1      4 5   W of panel 0, 1
//     tiles 2 3   sums of the second                               6 7   x, first and second
//
// Four products of 16 cycles take four loads of 1 KiB; four chains of sums cover a product's 52 cycles of latency.
//
// Columns outside, panels inside: a block's slice of x (512 bytes a row) stays in L2 while all panels of the share pass, and y is kept
// there between blocks. Blocks of 256 columns, so that the B tiles in use (16 KiB), those in the making (16 KiB, at the pace of the
// multiplication) and the slice of two tiles of x (16 KiB) pass through an L1 of 48 KiB without driving out the first.
//
// The rows of x are divided into tiles of equal height, so that few products are spent on padding. Each y is the same chain of tile
// products whatever the share of panels.
#pragma once

#include "cpu/amx/tile.h"
#include "cpu/avx512/vector.h"
#include "cpu/panels.h"

namespace nq::cpu::amx::NQ_TILES {
namespace {

constexpr size_t tile_bytes = 1024;
constexpr size_t tile_columns = 32;  // bf16 elements in a row of a tile
constexpr size_t block_tiles = tile_block_columns / tile_columns;
constexpr size_t block_panels = 2;
constexpr size_t most_row_bytes = 512 * 1024;  // of a block's slice of x

// 8 columns of 16 rows of W become four rows of a B tile: the unit in which weights are brought to tiles.
constexpr size_t unit_columns = 8;

struct row_tiles {
    explicit row_tiles(size_t m) : rows(m), count((m + 15) / 16), height((m + count - 1) / count) {}

    size_t rows;
    size_t count;
    size_t height;

    size_t valid(size_t tile) const { return rows - tile * height < height ? rows - tile * height : height; }
    tile_configuration configuration() const {
        tile_configuration c;
        for (int tile = 0; tile < 8; ++tile) {
            c.row_bytes[tile] = 64;
            c.rows[tile] = tile == 4 || tile == 5 ? 16 : static_cast<uint8_t>(height);
        }
        return c;
    }
};

// Tiles of one kernel call: configured from here to the end of the scope.
class tile_scope {
public:
    explicit tile_scope(const tile_configuration& c) { configure(c); }
    tile_scope(const tile_scope&) = delete;
    tile_scope& operator=(const tile_scope&) = delete;
    ~tile_scope() { release(); }
};

// A tile of x at the first column of a block; its parts lie part_bytes apart.
struct row_source {
    const char* data;
    size_t stride;
    size_t part_bytes;
};

// Slice of x in one block, with the last tile completed by rows of zeros if it is short.
template <int parts>
class row_slice {
public:
    row_slice(const activations_bf16& x, const row_tiles& tiles) : x_(x), tiles_(tiles) { __builtin_memset(tail_, 0, sizeof tail_); }

    void begin(size_t k) {
        width_bytes_ = 2 * block_width(x_, k);
        part_bytes_ = x_.rows * width_bytes_;
        data_ = reinterpret_cast<const char*>(x_.data) + 2 * k * parts * x_.rows;
        const size_t last = tiles_.count - 1, valid = tiles_.valid(last);
        if (valid == tiles_.height) return;
        for (size_t part = 0; part < parts; ++part)
            for (size_t row = 0; row < valid; ++row)
                __builtin_memcpy(tail_[part][row], data_ + part * part_bytes_ + (last * tiles_.height + row) * width_bytes_, width_bytes_);
    }

    row_source tile(size_t t) const {
        if (tiles_.valid(t) < tiles_.height) return {tail_[0][0], sizeof tail_[0][0], sizeof tail_[0]};
        return {data_ + t * tiles_.height * width_bytes_, width_bytes_, part_bytes_};
    }

private:
    const activations_bf16& x_;
    const row_tiles& tiles_;
    const char* data_ = nullptr;
    size_t width_bytes_ = 0;
    size_t part_bytes_ = 0;
    alignas(64) char tail_[parts][16][2 * tile_block_columns];
};

struct block_output {
    const float* bias;
    float* y;
    size_t y_stride;
};

// Where the sums of one tile are kept between blocks: in y itself, or, if y has not all of the tile's rows and columns, by way of memory
// here.
class sum_tile {
public:
    sum_tile(const block_output& output, const row_tiles& tiles, size_t tile, size_t column, size_t columns)
        : y_(output.y + tile * tiles.height * output.y_stride + column),
          stride_(output.y_stride),
          rows_(tiles.valid(tile)),
          lanes_(avx512::first_lanes(columns)),
          direct_(rows_ == tiles.height && columns >= 16) {}

    template <int tile>
    void load_sums(bool first, const float* start) {
        if (first) return load<tile>(start, 0);
        if (direct_) return load<tile>(y_, stride_ * sizeof(float));
        for (size_t row = 0; row < rows_; ++row) _mm512_store_ps(padded_[row], _mm512_maskz_loadu_ps(lanes_, y_ + row * stride_));
        for (size_t row = rows_; row < 16; ++row) _mm512_store_ps(padded_[row], _mm512_setzero_ps());
        load<tile>(padded_, sizeof padded_[0]);
    }

    template <int tile>
    void store_sums() {
        if (direct_) return store<tile>(y_, stride_ * sizeof(float));
        store<tile>(padded_, sizeof padded_[0]);
        for (size_t row = 0; row < rows_; ++row) _mm512_mask_storeu_ps(y_ + row * stride_, lanes_, _mm512_load_ps(padded_[row]));
    }

private:
    float* y_;
    size_t stride_;
    size_t rows_;
    __mmask16 lanes_;
    bool direct_;
    alignas(64) float padded_[16][16];
};

// One or two tiles of x by one or two panels over a block. `next` brings the next block to tiles, `pace` units after each step.
template <int parts, int rows, int panels, int pace, class Next>
void multiply_tiles(const row_source (&x)[2], const char* weights, size_t steps, Next& next) {
    constexpr size_t panel_bytes = block_tiles * tile_bytes;
    for (size_t step = 0; step < steps; ++step) {
        load<4>(weights + step * tile_bytes, 64);
        if constexpr (panels == 2) load<5>(weights + panel_bytes + step * tile_bytes, 64);
#pragma GCC unroll 3
        for (size_t part = 0; part < parts; ++part) {
            load<6>(x[0].data + part * x[0].part_bytes + step * 64, x[0].stride);
            multiply_bf16<0, 6, 4>();
            if constexpr (panels == 2) multiply_bf16<1, 6, 5>();
            if constexpr (rows == 2) {
                load<7>(x[1].data + part * x[1].part_bytes + step * 64, x[1].stride);
                multiply_bf16<2, 7, 4>();
                if constexpr (panels == 2) multiply_bf16<3, 7, 5>();
            }
        }
        next.template advance<pace>();
    }
}

// The same with the sums taken from and brought back to y. `start` is the bias of the panels, or zeros.
template <int parts, int rows, int panels, int pace, class Next>
void multiply_block(const row_slice<parts>& slice, const row_tiles& tiles, size_t tile, const char* weights, size_t steps,
                    const block_output& output, size_t column, size_t columns, bool first, const float (&start)[32], Next& next) {
    const row_source x[2] = {slice.tile(tile), slice.tile(rows == 2 ? tile + 1 : tile)};
    const size_t right = columns > 16 ? columns - 16 : 0;
    sum_tile s00(output, tiles, tile, column, columns), s01(output, tiles, tile, column + 16, right);
    sum_tile s10(output, tiles, tile + rows - 1, column, columns), s11(output, tiles, tile + rows - 1, column + 16, right);
    s00.template load_sums<0>(first, start);
    if constexpr (panels == 2) s01.template load_sums<1>(first, start + 16);
    if constexpr (rows == 2) s10.template load_sums<2>(first, start);
    if constexpr (rows == 2 && panels == 2) s11.template load_sums<3>(first, start + 16);
    multiply_tiles<parts, rows, panels, pace>(x, weights, steps, next);
    s00.template store_sums<0>();
    if constexpr (panels == 2) s01.template store_sums<1>();
    if constexpr (rows == 2) s10.template store_sums<2>();
    if constexpr (rows == 2 && panels == 2) s11.template store_sums<3>();
}

// A share of panels, in the order in which its blocks are multiplied: all panels of a block of columns, then the next columns.
struct block_order {
    size_t panel_begin, panel_end, columns;

    size_t panel;
    size_t k = 0;

    block_order(size_t begin, size_t end, size_t padded_columns)
        : panel_begin(begin), panel_end(end), columns(padded_columns), panel(begin) {}

    bool ended() const { return k >= columns; }
    size_t panels() const { return panel_end - panel < block_panels ? panel_end - panel : block_panels; }
    size_t width() const { return columns - k < tile_block_columns ? columns - k : tile_block_columns; }
    void advance() {
        panel += block_panels;
        if (panel < panel_end) return;
        panel = panel_begin;
        k += tile_block_columns;
    }
};

// A Weights type brings blocks to tiles:
//     void begin(size_t panel, size_t panels, size_t k, size_t width, char* tiles);   a block: [panel][step] tiles, block_tiles steps apart
//     template <int units> void advance();                                              the next so many units of it, if there are any
//     void finish();                                                                    the rest
template <int parts, int pace, class Weights>
void multiply_share(Weights& weights, size_t weight_rows, const activations_bf16& x, const row_tiles& tiles, size_t tile_begin,
                    size_t tile_end, const block_output& output, size_t panel_begin, size_t panel_end) {
    alignas(64) char buffers[2][block_panels * block_tiles * tile_bytes];
    alignas(64) float start[32];
    row_slice<parts> slice(x, tiles);
    int current = 0;
    block_order next(panel_begin, panel_end, x.columns);
    weights.begin(next.panel, next.panels(), next.k, next.width(), buffers[current]);
    for (block_order block = next; !block.ended(); block.advance(), current ^= 1) {
        weights.finish();
        next.advance();
        if (!next.ended()) weights.begin(next.panel, next.panels(), next.k, next.width(), buffers[current ^ 1]);
        if (block.panel == panel_begin) slice.begin(block.k);
        const size_t column = block.panel * 16, columns = weight_rows - column, steps = block.width() / tile_columns;
        const bool first = block.k == 0;
        if (first) {
            for (size_t half = 0; half < 2; ++half) {
                const __mmask16 lanes = avx512::first_lanes(columns > 16 * half ? columns - 16 * half : 0);
                const __m512 bias =
                    output.bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(lanes, output.bias + column + 16 * half);
                _mm512_store_ps(start + 16 * half, bias);
            }
        }
        const char* w = buffers[current];
        size_t tile = tile_begin;
        for (; tile + 2 <= tile_end; tile += 2) {
            if (block.panels() == 2)
                multiply_block<parts, 2, 2, pace>(slice, tiles, tile, w, steps, output, column, columns, first, start, weights);
            else
                multiply_block<parts, 2, 1, pace>(slice, tiles, tile, w, steps, output, column, columns, first, start, weights);
        }
        if (tile < tile_end) {
            if (block.panels() == 2)
                multiply_block<parts, 1, 2, pace>(slice, tiles, tile, w, steps, output, column, columns, first, start, weights);
            else
                multiply_block<parts, 1, 1, pace>(slice, tiles, tile, w, steps, output, column, columns, first, start, weights);
        }
    }
}

template <int parts, class Weights>
void block_product(Weights& weights, size_t weight_rows, const activations_bf16& x, const block_output& output, size_t panel_begin,
                   size_t panel_end) {
    const row_tiles tiles(x.rows);
    const tile_scope configured(tiles.configuration());
    constexpr size_t most_tiles = most_row_bytes / (2 * tile_block_columns * 16 * parts);
    for (size_t begin = 0; begin < tiles.count;) {
        const size_t end = tiles.count - begin < most_tiles ? tiles.count : begin + most_tiles;
        // A block has 64 units and 8 steps for each two tiles of x.
        constexpr auto share = [](size_t n) { return (n + 1) / 2; };
        const auto product = share(end - begin) >= 8   ? multiply_share<parts, 1, Weights>
                             : share(end - begin) >= 4 ? multiply_share<parts, 2, Weights>
                             : share(end - begin) >= 2 ? multiply_share<parts, 4, Weights>
                                                       : multiply_share<parts, 8, Weights>;
        product(weights, weight_rows, x, tiles, begin, end, output, panel_begin, panel_end);
        begin = end;
    }
}

}  // namespace
}  // namespace nq::cpu::amx::NQ_TILES
