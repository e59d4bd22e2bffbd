// y = x * W^T + bias on tiles: rows of x are the A operand as they lie, 64 bytes of columns by 16 rows of W are one B tile. Two tiles of x
// by two of W at a time, over a block of eight tiles of columns:
//
//     tiles 0 1   sums of the first tile of x with panel 0, 1      4 5   W of panel 0, 1
//     tiles 2 3   sums of the second                               6 7   x, first and second
//
// Four products of 16 cycles take four loads of 1 KiB; four chains of sums cover a product's 52 cycles of latency. While a block of two
// panels is multiplied, the next one is brought to B tiles, or, where the panels are such tiles, to the cache.
//
// Columns outside, panels inside: a block's slice of x (512 bytes a row) stays in L2 while all panels of the share pass, and y is kept
// there between blocks. Eight tiles to a block, so that the B tiles in use (16 KiB), the next ones (16 KiB, at the pace of the
// multiplication) and the slice of two tiles of x (16 KiB) pass through an L1 of 48 KiB without driving out the first.
//
// The rows of x are divided into tiles of equal height, so that few products are spent on padding. Each y is the same chain of tile
// products whatever the share of panels.
//
// What is multiplied is said by three types. Rows: x.
//     static constexpr size_t parts;             numbers that add up to one x, each with its own tiles
//     size_t count, steps;                       rows, and tiles of columns
//     row_source block(size_t step) const;       all rows from a block's first tile of columns on
//     template <int c, int a, int b> static void multiply();
// Weights: W.
//     tile_source begin(const block&, char* buffer);   starts bringing a block to B tiles, in the buffer or elsewhere
//     template <int units> void advance();             the next so many of a block's 64 units
//     void finish();                                   the rest
// Epilogue: what is left to do with y when the last block is done.
//     void operator()(size_t row, size_t rows, size_t panel) const;
#pragma once

#include "cpu/amx/tile.h"
#include "cpu/avx512/vector.h"
#include "cpu/panels.h"

namespace nq::cpu::amx::NQ_TILES {
namespace {

constexpr size_t tile_bytes = 1024;
constexpr size_t tile_row_bytes = 64;
constexpr size_t block_steps = 8;
constexpr size_t block_row_bytes = block_steps * tile_row_bytes;
constexpr size_t block_panels = 2;
constexpr size_t block_units = 64;                                        // of W
constexpr size_t most_slice_bytes = 512 * 1024;                           // of x in a block
constexpr size_t buffer_bytes = block_panels * block_steps * tile_bytes;  // of a block's B tiles

struct row_tiles {
    explicit row_tiles(size_t m) : rows(m), count((m + 15) / 16), height((m + count - 1) / count) {}

    size_t rows;
    size_t count;
    size_t height;

    size_t valid(size_t tile) const { return rows - tile * height < height ? rows - tile * height : height; }
    tile_configuration configuration() const {
        tile_configuration c;
        for (int tile = 0; tile < 8; ++tile) {
            c.row_bytes[tile] = tile_row_bytes;
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

// A share of panels, in the order in which its blocks are multiplied: all panels of a block of columns, then the next columns.
struct block {
    size_t panel_begin, panel_end, all_steps;
    size_t panel, step = 0;

    block(size_t begin, size_t end, size_t steps_of_x) : panel_begin(begin), panel_end(end), all_steps(steps_of_x), panel(begin) {}

    bool ended() const { return step >= all_steps; }
    bool last() const { return step + block_steps >= all_steps; }
    size_t panels() const { return panel_end - panel < block_panels ? panel_end - panel : block_panels; }
    size_t steps() const { return all_steps - step < block_steps ? all_steps - step : block_steps; }
    void advance() {
        panel += block_panels;
        if (panel >= panel_end) next_columns();
    }
    void next_columns() {
        panel = panel_begin;
        step += block_steps;
    }
};

// Rows of x from the first tile of columns of a block on; its parts lie part_bytes apart.
struct row_source {
    const char* data;
    size_t stride;
    size_t part_bytes;
};

// B tiles of a block: those of one panel one after the other, the panels panel_bytes apart.
struct tile_source {
    const char* data;
    size_t panel_bytes;
};

// The slice of x in a block, with the last tile completed by rows of zeros if it is short.
template <class Rows>
class row_slice {
public:
    row_slice(const Rows& x, const row_tiles& tiles) : x_(x), tiles_(tiles) { __builtin_memset(tail_, 0, sizeof tail_); }

    void begin(const block& b) {
        source_ = x_.block(b.step);
        const size_t last = tiles_.count - 1, valid = tiles_.valid(last);
        if (valid == tiles_.height) return;
        for (size_t part = 0; part < Rows::parts; ++part)
            for (size_t row = 0; row < valid; ++row)
                __builtin_memcpy(tail_[part][row], source_.data + part * source_.part_bytes + (last * tiles_.height + row) * source_.stride,
                                 b.steps() * tile_row_bytes);
    }

    row_source tile(size_t t) const {
        if (tiles_.valid(t) < tiles_.height) return {tail_[0][0], sizeof tail_[0][0], sizeof tail_[0]};
        return {source_.data + t * tiles_.height * source_.stride, source_.stride, source_.part_bytes};
    }

private:
    const Rows& x_;
    const row_tiles& tiles_;
    row_source source_{};
    alignas(64) char tail_[Rows::parts][16][block_row_bytes];
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

// One or two tiles of x by one or two panels over a block. `next` brings the next block on by `pace` units after each step.
template <class Rows, int rows, int panels, int pace, class Weights>
void multiply_tiles(const row_source (&x)[2], const tile_source& w, size_t steps, Weights& next) {
    for (size_t step = 0; step < steps; ++step) {
        load<4>(w.data + step * tile_bytes, tile_row_bytes);
        if constexpr (panels == 2) load<5>(w.data + w.panel_bytes + step * tile_bytes, tile_row_bytes);
#pragma GCC unroll 3
        for (size_t part = 0; part < Rows::parts; ++part) {
            load<6>(x[0].data + part * x[0].part_bytes + step * tile_row_bytes, x[0].stride);
            Rows::template multiply<0, 6, 4>();
            if constexpr (panels == 2) Rows::template multiply<1, 6, 5>();
            if constexpr (rows == 2) {
                load<7>(x[1].data + part * x[1].part_bytes + step * tile_row_bytes, x[1].stride);
                Rows::template multiply<2, 7, 4>();
                if constexpr (panels == 2) Rows::template multiply<3, 7, 5>();
            }
        }
        next.template advance<pace>();
    }
}

// A share of panels with the tiles tile_begin <= t < tile_end of x.
template <class Rows, int pace, class Weights, class Epilogue>
class share_product {
public:
    share_product(const Rows& x, const row_tiles& tiles, Weights& weights, size_t weight_rows, const block_output& output,
                  const Epilogue& epilogue)
        : tiles_(tiles),
          weights_(weights),
          weight_rows_(weight_rows),
          output_(output),
          epilogue_(epilogue),
          slice_(x, tiles),
          steps_(x.steps) {}

    void run(size_t tile_begin, size_t tile_end, size_t panel_begin, size_t panel_end) {
        int current = 0;
        block next(panel_begin, panel_end, steps_);
        tile_source source[2];
        source[0] = weights_.begin(next, buffers_[0]);
        for (block b = next; !b.ended(); b.advance(), current ^= 1) {
            weights_.finish();
            next.advance();
            if (!next.ended()) source[current ^ 1] = weights_.begin(next, buffers_[current ^ 1]);
            if (b.panel == panel_begin) slice_.begin(b);
            if (b.step == 0) load_bias(b.panel);
            for (size_t tile = tile_begin; tile < tile_end; tile += 2) {
                const bool pair = tile + 2 <= tile_end;
                if (b.panels() == 2)
                    pair ? multiply<2, 2>(b, tile, source[current]) : multiply<1, 2>(b, tile, source[current]);
                else
                    pair ? multiply<2, 1>(b, tile, source[current]) : multiply<1, 1>(b, tile, source[current]);
            }
        }
    }

private:
    // Sums begin with the bias, or zeros.
    void load_bias(size_t panel) {
        for (size_t p = 0; p < block_panels; ++p) {
            const size_t column = (panel + p) * 16;
            const __mmask16 lanes = avx512::first_lanes(weight_rows_ > column ? weight_rows_ - column : 0);
            _mm512_store_ps(start_ + p * 16,
                            output_.bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(lanes, output_.bias + column));
        }
    }

    template <int rows, int panels>
    void multiply(const block& b, size_t tile, const tile_source& w) {
        const row_source x[2] = {slice_.tile(tile), slice_.tile(tile + rows - 1)};
        const size_t column = b.panel * 16, columns = weight_rows_ - column, right = columns > 16 ? columns - 16 : 0;
        const bool first = b.step == 0;
        sum_tile s00(output_, tiles_, tile, column, columns), s01(output_, tiles_, tile, column + 16, right);
        sum_tile s10(output_, tiles_, tile + rows - 1, column, columns), s11(output_, tiles_, tile + rows - 1, column + 16, right);
        s00.template load_sums<0>(first, start_);
        if constexpr (panels == 2) s01.template load_sums<1>(first, start_ + 16);
        if constexpr (rows == 2) s10.template load_sums<2>(first, start_);
        if constexpr (rows == 2 && panels == 2) s11.template load_sums<3>(first, start_ + 16);
        multiply_tiles<Rows, rows, panels, pace>(x, w, b.steps(), weights_);
        s00.template store_sums<0>();
        if constexpr (panels == 2) s01.template store_sums<1>();
        if constexpr (rows == 2) s10.template store_sums<2>();
        if constexpr (rows == 2 && panels == 2) s11.template store_sums<3>();
        if (!b.last()) return;
        const size_t row = tile * tiles_.height, end = (tile + rows - 1) * tiles_.height + tiles_.valid(tile + rows - 1);
        for (size_t p = 0; p < panels; ++p) epilogue_(row, end - row, b.panel + p);
    }

    const row_tiles& tiles_;
    Weights& weights_;
    size_t weight_rows_;
    const block_output& output_;
    const Epilogue& epilogue_;
    row_slice<Rows> slice_;
    size_t steps_;
    alignas(64) char buffers_[2][buffer_bytes];
    alignas(64) float start_[block_panels * 16];
};

// y for panel_begin <= panel < panel_end.
template <class Rows, class Weights, class Epilogue>
void block_product(const Rows& x, Weights& weights, size_t weight_rows, const block_output& output, size_t panel_begin, size_t panel_end,
                   const Epilogue& epilogue) {
    const row_tiles tiles(x.count);
    const tile_scope configured(tiles.configuration());
    const auto run = [&]<int pace>(size_t begin, size_t end) {
        share_product<Rows, pace, Weights, Epilogue>(x, tiles, weights, weight_rows, output, epilogue)
            .run(begin, end, panel_begin, panel_end);
    };
    constexpr size_t most_tiles = most_slice_bytes / (block_row_bytes * 16 * Rows::parts);
    for (size_t begin = 0; begin < tiles.count; begin += most_tiles) {
        const size_t end = tiles.count - begin < most_tiles ? tiles.count : begin + most_tiles;
        const size_t steps = (end - begin + 1) / 2 * block_steps;  // in which the next block's units are to be brought on
        if (steps >= block_units)
            run.template operator()<1>(begin, end);
        else if (2 * steps >= block_units)
            run.template operator()<2>(begin, end);
        else if (4 * steps >= block_units)
            run.template operator()<4>(begin, end);
        else
            run.template operator()<8>(begin, end);
    }
}

// x in bf16 parts.
template <size_t part_count>
struct bf16_rows {
    static constexpr size_t parts = part_count;

    explicit bf16_rows(const activations_bf16& activations) : x(activations), count(x.rows), steps(x.columns / 32) {}

    const activations_bf16& x;
    size_t count;
    size_t steps;

    row_source block(size_t step) const {
        const size_t k = step * 32, width = block_width(x, k);
        return {reinterpret_cast<const char*>(x.data + k * parts * x.rows), 2 * width, 2 * width * x.rows};
    }
    template <int c, int a, int b>
    static void multiply() {
        multiply_bf16<c, a, b>();
    }
};
static_assert(tile_block_columns * sizeof(uint16_t) == block_row_bytes);

struct no_epilogue {
    void operator()(size_t, size_t, size_t) const {}
};

}  // namespace
}  // namespace nq::cpu::amx::NQ_TILES
