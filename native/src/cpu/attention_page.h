// attention_page over the vectors of one instruction set, described by a type S as in avx512/attention.cpp. Each page is two products,
// [rows][k] by [k][columns], a tile of rows by S::tile_vectors vectors of columns at a time in registers, with an online softmax between.
//
// Up to direct_rows rows (decode) multiply straight from the page: memory is what they wait for, so every line they read prefetches one of
// the next page. More rows (prefill) share one expansion of the page to f32.
#pragma once

#include "cpu/kv_page.h"

namespace nq::cpu {

// The next page, prefetched while this one is read. Memory delivers four streams of 4 KiB, each a quarter of a page of bf16, faster than
// one; shorter ones (int8) not. A step of a product moves on by the bytes that it reads, which are known at compile time: counting lines as
// they are read, with a branch for each, takes as long as the arithmetic.
struct next_lines {
    const char* position;
    size_t quarter;
    const char* end;

    next_lines(const void* page, size_t bytes)
        : position(static_cast<const char*>(page)), quarter(bytes / 256 * 64), end(position + 4 * quarter) {}

    template <class S, size_t streams, size_t bytes>
    [[gnu::always_inline]] void prefetch() {
        if constexpr (streams == 4 && bytes % 256 == 0) {
            for (size_t done = 0; done < bytes; done += 256, position += 64)
                for (size_t stream = 0; stream < 4; ++stream) S::prefetch(position + stream * quarter);
        } else if constexpr (streams == 4 && bytes % 64 == 0) {
            for (size_t done = 0; done < bytes; done += 64) {
                S::prefetch(position);
                position += quarter;
                if (position >= end) position -= 4 * quarter - 64;
            }
        } else {
            S::prefetch(position);
            position += bytes;
        }
    }
};

// The right-hand side of a product as it lies in a page: `steps` rows of k together, from `at(k, column)` on. load(p, step): one vector of
// row `step`. streams: in how many the next page is prefetched meanwhile.
template <class S>
struct f32_operand {
    const float* data;
    size_t columns;
    next_lines* next;
    using element = float;
    static constexpr size_t steps = 1;
    static constexpr size_t streams = 4;

    const float* at(size_t k, size_t column) const { return data + k * columns + column; }
    static typename S::vector load(const float* p, size_t) { return S::load(p); }
};

// An f32 operand in the cache already.
template <class S>
struct expanded_operand : f32_operand<S> {
    static constexpr size_t streams = 0;
};

template <class S>
struct int8_operand {
    const int8_t* data;
    size_t columns;
    next_lines* next;
    using element = int8_t;
    static constexpr size_t steps = 1;
    static constexpr size_t streams = 1;

    const int8_t* at(size_t k, size_t column) const { return data + k * columns + column; }
    static typename S::vector load(const int8_t* p, size_t) { return S::load_int8(p); }
};

// Rows k and k + 1 (k even) lie together.
template <class S>
struct bf16_operand {
    const uint16_t* data;
    size_t columns;
    next_lines* next;
    using element = uint16_t;
    static constexpr size_t steps = 2;
    static constexpr size_t streams = 4;

    const uint16_t* at(size_t k, size_t column) const { return data + (k / 2 * columns + column) * 2; }
    static typename S::vector load(const uint16_t* p, size_t step) { return step == 0 ? S::load_even(p) : S::load_odd(p); }
};

// The left-hand side and the result of a tile. Without factors out = product, else out[r] = factors[r] * out[r] + product.
struct tile_rows {
    const float* a;
    size_t a_stride;
    float* out;
    size_t out_stride;
    const float* factors;
};

template <class S>
struct page_attention {
    using vector = typename S::vector;
    static constexpr size_t direct_rows = 12;
    static constexpr int most_tile_rows = 6;

    // Everything about a page that its row tiles share.
    struct softmax_input {
        const attention_rows& rows;
        size_t position;            // of the page
        const float* key_scales;    // [64] or null
        const float* value_scales;  // [64] or null
    };

    // --- products

    // One step of a product. Unrolled by name, as in block_product.h: GCC 12 would keep the sums in memory.
    template <int rows, int vectors>
    [[gnu::always_inline]] static inline void multiply_step(vector (&sum)[rows][vectors], const vector (&b)[vectors], const float* a,
                                                            size_t a_stride) {
#pragma GCC unroll 6
        for (int r = 0; r < rows; ++r) {
            const vector x = S::set1(a[static_cast<size_t>(r) * a_stride]);
#pragma GCC unroll 4
            for (int j = 0; j < vectors; ++j) sum[r][j] = S::multiply_add(b[j], x, sum[r][j]);
        }
    }

    // Row k of b, `step` of those that lie together at p.
    template <int rows, int vectors, class B>
    [[gnu::always_inline]] static inline void multiply_row(vector (&sum)[rows][vectors], const typename B::element* p, size_t step,
                                                           const float* a, size_t a_stride) {
        vector v[vectors];
#pragma GCC unroll 4
        for (int j = 0; j < vectors; ++j) v[j] = B::load(p + static_cast<size_t>(j) * S::lanes * B::steps, step);
        multiply_step(sum, v, a, a_stride);
    }

    // Rows k_begin <= k < k_end of b, `vectors` vectors of columns from `column` on.
    template <int rows, int vectors, class B>
    static void multiply_tile(const B& b, size_t column, size_t k_begin, size_t k_end, const tile_rows& t) {
        constexpr size_t step_bytes = static_cast<size_t>(vectors) * S::lanes * B::steps * sizeof(typename B::element);
        vector sum[rows][vectors];
#pragma GCC unroll 6
        for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
            for (int j = 0; j < vectors; ++j) sum[r][j] = S::zero();
        size_t k = k_begin;
        if (B::steps == 2 && k % 2 != 0 && k < k_end) {
            multiply_row<rows, vectors, B>(sum, b.at(k, column), 1, t.a + k, t.a_stride);
            ++k;
        }
        const typename B::element* p = b.at(k, column);
        const float* a = t.a + k;
        next_lines next = B::streams != 0 ? *b.next : next_lines(nullptr, 0);
#pragma GCC unroll 1
        for (; k + B::steps <= k_end; k += B::steps, p += b.columns * B::steps, a += B::steps) {
            if constexpr (B::streams != 0) next.template prefetch<S, B::streams, step_bytes>();
#pragma GCC unroll 2
            for (size_t step = 0; step < B::steps; ++step) multiply_row<rows, vectors, B>(sum, p, step, a + step, t.a_stride);
        }
        if constexpr (B::streams != 0) *b.next = next;
        if (k < k_end) multiply_row<rows, vectors, B>(sum, p, 0, a, t.a_stride);
#pragma GCC unroll 6
        for (int r = 0; r < rows; ++r) {
            float* out = t.out + static_cast<size_t>(r) * t.out_stride + column;
#pragma GCC unroll 4
            for (int j = 0; j < vectors; ++j) {
                float* place = out + static_cast<size_t>(j) * S::lanes;
                if (t.factors == nullptr)
                    S::store(place, sum[r][j]);
                else
                    S::store(place, S::multiply_add(S::set1(t.factors[r]), S::load(place), sum[r][j]));
            }
        }
    }

    // Columns [column_begin, column_end), multiples of 16, in tiles as wide as they fit.
    template <int rows, class B>
    static void multiply(const B& b, size_t column_begin, size_t column_end, size_t k_begin, size_t k_end, const tile_rows& t) {
        size_t column = column_begin;
        for (; column + S::tile_vectors * S::lanes <= column_end; column += S::tile_vectors * S::lanes)
            multiply_tile<rows, S::tile_vectors>(b, column, k_begin, k_end, t);
        if constexpr (S::tile_vectors * S::lanes == 64) {
            if (column + 32 <= column_end) {
                multiply_tile<rows, S::tile_vectors / 2>(b, column, k_begin, k_end, t);
                column += 32;
            }
            if (column < column_end) multiply_tile<rows, S::tile_vectors / 4>(b, column, k_begin, k_end, t);
        }
    }

    // --- softmax

    // Scales a row of scores at [low, high), makes those outside [begin, end) -infinity, and returns the largest.
    template <bool masked>
    static vector scale_scores(const softmax_input& in, size_t low, size_t high, size_t begin, size_t end, float* scores) {
        const vector none = S::set1(-__builtin_inff()), scale = S::set1(in.rows.scale);
        vector most = none;
        for (size_t p = low; p < high; p += S::lanes) {
            vector s = S::multiply(S::load(scores + p), scale);
            if (in.key_scales != nullptr) s = S::multiply(s, S::load(in.key_scales + p));
            if constexpr (masked) s = S::between(p, begin, end, s, none);
            S::store(scores + p, s);
            most = S::greater(s, most);  // `most` where s is NaN: its weight will be NaN whatever the largest is
        }
        return most;
    }

    // Turns the scores into weights e^(score - shift), 0 outside [begin, end), and returns their sum.
    template <bool masked>
    static vector exponentiate(const softmax_input& in, size_t low, size_t high, size_t begin, size_t end, float shift, float* scores) {
        vector sum = S::zero();
        for (size_t p = low; p < high; p += S::lanes) {
            vector w = S::exp(S::subtract(S::load(scores + p), S::set1(shift)));
            if constexpr (masked) w = S::between(p, begin, end, w, S::zero());
            sum = S::add(sum, w);
            if (in.value_scales != nullptr) {
                w = S::multiply(w, S::load(in.value_scales + p));
                if constexpr (masked) w = S::between(p, begin, end, w, S::zero());
            }
            S::store(scores + p, w);
        }
        return sum;
    }

    // Turns the scores (without scale) of `count` rows from `row` on into weights, and leaves what to multiply their acc by. Row by row,
    // but in two rounds: what one row waits for, the others fill.
    static void weigh(const softmax_input& in, size_t row, size_t count, size_t low, size_t high, float* scores, float* factors) {
        const attention_rows& rows = in.rows;
        float shifts[most_tile_rows];
        alignas(64) float drops[16] = {};
        for (size_t r = 0; r < count; ++r) {
            const size_t begin = within(rows.first[row + r], in.position), end = within(rows.last[row + r], in.position);
            float* s = scores + r * page_positions;
            const bool masked = begin > low || end < high;
            const vector most =
                masked ? scale_scores<true>(in, low, high, begin, end, s) : scale_scores<false>(in, low, high, begin, end, s);
            const float before = rows.largest[row + r], here = S::largest_lane(most), largest = here > before ? here : before;
            // Nothing but -infinity so far: any finite shift gives weights 0.
            shifts[r] = largest == -__builtin_inff() ? 0.0f : largest;
            drops[r] = before == largest ? 0.0f : before - shifts[r];
            rows.largest[row + r] = largest;
        }
        for (size_t r = 0; r < most_tile_rows; r += S::lanes) S::store(factors + r, S::exp(S::load(drops + r)));
        for (size_t r = 0; r < count; ++r) {
            const size_t begin = within(rows.first[row + r], in.position), end = within(rows.last[row + r], in.position);
            float* s = scores + r * page_positions;
            const bool masked = begin > low || end < high;
            const vector sum = masked ? exponentiate<true>(in, low, high, begin, end, shifts[r], s)
                                      : exponentiate<false>(in, low, high, begin, end, shifts[r], s);
            rows.sum[row + r] = factors[r] * rows.sum[row + r] + S::sum_lanes(sum);
        }
    }

    static size_t within(size_t position, size_t page) {
        return position <= page ? 0 : position - page < page_positions ? position - page : page_positions;
    }

    // --- one page

    // `rows` query rows from `row` on.
    template <int rows, class B>
    static void attend_tile(const B& keys, const B& values, size_t head_dim, const softmax_input& in, size_t row) {
        const attention_rows& all = in.rows;
        const size_t begin = within(all.first[row], in.position), end = within(all.last[row + rows - 1], in.position);
        if (begin >= end) return;
        alignas(64) float weights[most_tile_rows * page_positions];
        alignas(64) float factors[16];
        const size_t low = begin / 16 * 16, high = (end + 15) / 16 * 16;
        multiply<rows>(keys, low, high, 0, head_dim, {all.q + row * all.stride, all.stride, weights, page_positions, nullptr});
        weigh(in, row, rows, low, high, weights, factors);
        multiply<rows>(values, 0, all.stride, begin, end, {weights, page_positions, all.acc + row * all.stride, all.stride, factors});
    }

    // All rows, in tiles of nearly equal height, at most `height`.
    template <class B>
    static void attend(const B& keys, const B& values, size_t head_dim, const softmax_input& in, size_t height) {
        using kernel = void (*)(const B&, const B&, size_t, const softmax_input&, size_t);
        static constexpr kernel by_rows[most_tile_rows] = {attend_tile<1, B>, attend_tile<2, B>, attend_tile<3, B>,
                                                           attend_tile<4, B>, attend_tile<5, B>, attend_tile<6, B>};
        size_t row = 0;
        for (size_t left = in.rows.count, tiles = (left + height - 1) / height; tiles > 0; --tiles) {
            const size_t count = (left + tiles - 1) / tiles;
            by_rows[count - 1](keys, values, head_dim, in, row);
            if constexpr (B::streams != 0) *keys.next = {keys.data, keys.next->quarter * 4};  // once is enough
            row += count;
            left -= count;
        }
    }

    // Rows [begin, end) of b as [end][columns] f32, the columns' vectors multiplied by scales (of rows or of columns) if there are any.
    template <class B>
    static void expand(const B& b, size_t begin, size_t end, const float* row_scales, const float* column_scales, float* out) {
        for (size_t k = begin; k < end; ++k) {
            const vector scale = S::set1(row_scales == nullptr ? 1.0f : row_scales[k]);
            for (size_t column = 0; column < b.columns; column += S::lanes) {
                vector v = B::load(b.at(k, column), k % B::steps);
                if (row_scales != nullptr) v = S::multiply(v, scale);
                if (column_scales != nullptr) v = S::multiply(v, S::load(column_scales + column));
                S::store(out + k * b.columns + column, v);
            }
        }
    }

    static bool all_finite(const float* values, size_t count) {
        vector sum = S::zero();
        for (size_t i = 0; i < count; i += S::lanes) sum = S::multiply_add(S::load(values + i), S::zero(), sum);
        return S::sum_lanes(sum) == 0.0f;
    }

    template <class B>
    static void run(const B& keys, const B& values, const kv_page& page, const attention_rows& rows, size_t direct_height, float* scratch) {
        const size_t begin = within(rows.first[0], page.position), end = within(rows.last[rows.count - 1], page.position);
        if (begin >= end) return;
        // Rows that see different positions share a tile only if a weight of 0 makes 0 of every value.
        const bool alike = within(rows.first[rows.count - 1], page.position) == begin && within(rows.last[0], page.position) == end;
        if (rows.count <= direct_rows) {
            const softmax_input in = {rows, page.position, page.key_scales, page.value_scales};
            attend(keys, values, page.head_dim, in, alike ? direct_height : 1);
            return;
        }
        const softmax_input in = {rows, page.position, nullptr, nullptr};
        expanded_operand<S> k = {{scratch, page_positions, nullptr}},
                            v = {{scratch + page.head_dim * page_positions, rows.stride, nullptr}};
        if (page.dtype == NQ_DTYPE_F32) {
            k.data = static_cast<const float*>(page.keys);
            v.data = static_cast<const float*>(page.values);
        } else {
            expand(keys, 0, page.head_dim, nullptr, page.key_scales, scratch);
            expand(values, begin, end, page.value_scales, nullptr, scratch + page.head_dim * page_positions);
        }
        const bool tiled = alike || all_finite(v.data + begin * rows.stride, (end - begin) * rows.stride);
        attend(k, v, page.head_dim, in, tiled ? most_tile_rows : 1);
    }

    static void attend_page(const kv_page& page, const attention_rows& rows, float* scratch) {
        // No next page: this one, which is in the cache.
        next_lines next(page.next == nullptr ? page.keys : page.next, page.bytes);
        if (page.dtype == NQ_DTYPE_F32) {
            run(f32_operand<S>{static_cast<const float*>(page.keys), page_positions, &next},
                f32_operand<S>{static_cast<const float*>(page.values), rows.stride, &next}, page, rows, most_tile_rows, scratch);
        } else if (page.dtype == NQ_DTYPE_BF16) {
            run(bf16_operand<S>{static_cast<const uint16_t*>(page.keys), page_positions, &next},
                bf16_operand<S>{static_cast<const uint16_t*>(page.values), rows.stride, &next}, page, rows, S::converting_rows, scratch);
        } else {
            run(int8_operand<S>{static_cast<const int8_t*>(page.keys), page_positions, &next},
                int8_operand<S>{static_cast<const int8_t*>(page.values), rows.stride, &next}, page, rows, S::converting_rows, scratch);
        }
    }
};

}  // namespace nq::cpu
