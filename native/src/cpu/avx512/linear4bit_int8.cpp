// The 4-bit layer with int8 activations. A byte shuffle looks up 64 weights at a time in the codebook as int8; 127 is added to its entries
// so that they are the unsigned operand of the dot product, and each block of x brings what that adds as the start of its sums.
// Few rows of x: straight from the panels. More: a block of columns of three panels is looked up once, into the L1 cache, and multiplied
// with 8 rows of x per pass; the f32 sums stay in that cache too.
#include "cpu/avx512/functions.h"
#include "cpu/avx512/panel_scales.h"

namespace nq::cpu::avx512 {
namespace {

constexpr size_t direct_rows = 4;
constexpr size_t direct_panels = 8;  // side by side: a memory reads several streams in turn faster than one
constexpr size_t tile_rows = 8;
constexpr size_t tile_panels = 3;
constexpr size_t most_tiles = 4;          // side by side
constexpr size_t most_totals = 128;       // rows of x times tiles: 24 KiB of f32 sums
constexpr size_t prefetch_columns = 256;  // 2 KiB ahead in each panel

// Codes of 8 columns of 16 rows of W to codebook entries + 127, as four consecutive bytes of x's order in each lane.
class byte_lookup {
public:
    explicit byte_lookup(const float* codebook) {
        const __m512i entries = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(codebook), _mm512_set1_ps(127.0f)));
        table_ = _mm512_broadcast_i32x4(_mm512_cvtepi32_epi8(_mm512_add_epi32(entries, _mm512_set1_epi32(127))));
    }
    __m512i low(__m512i codes) const { return _mm512_shuffle_epi8(table_, _mm512_and_si512(codes, nibble_)); }
    __m512i high(__m512i codes) const { return low(_mm512_srli_epi16(codes, 4)); }

private:
    __m512i table_;
    __m512i nibble_ = _mm512_set1_epi8(15);
};

// Of 32-bit lanes, unlike __m512i: GCC 12 keeps an array of sums in registers only if nothing reads it as another type.
using int32x16 = int __attribute__((vector_size(64)));

inline int32x16 add_products(int32x16 sum, __m512i weights, __m512i x) {
    return reinterpret_cast<int32x16>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sum), weights, x));
}

inline __m512 to_f32(int32x16 sum) { return _mm512_cvtepi32_ps(reinterpret_cast<__m512i>(sum)); }

inline int32x16 broadcast(int value) { return reinterpret_cast<int32x16>(_mm512_set1_epi32(value)); }

inline __m512i broadcast_quad(const int8_t* p) {
    int quad;
    __builtin_memcpy(&quad, p, sizeof quad);
    return _mm512_set1_epi32(quad);
}

inline void store_row(const panels4bit& weights, size_t panel, __m512 total, const float* bias, float* y) {
    const __mmask16 lanes = first_lanes(weights.rows - panel * 16);
    const __m512 added = bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(lanes, bias + panel * 16);
    _mm512_mask_storeu_ps(y + panel * 16, lanes, _mm512_add_ps(total, added));
}

// Where the codes of a strip's panels stand, and what to prefetch meanwhile: as far ahead in each panel or, at its end, the beginning of
// the panel that takes its place in the next strip.
struct strip_position {
    const uint32_t* codes;
    const uint32_t* ahead;

    strip_position(const panels4bit& weights, size_t first, size_t panels, size_t column)
        : codes(weights.nibbles + first * weights.columns * 2 + column * 2),
          ahead(codes + prefetch_columns * 2 + (weights.columns - column > prefetch_columns ? 0 : (panels - 1) * weights.columns * 2)) {}
};

// total[row] += one block of columns of one panel, against all `rows` rows of x; a block is `vectors` vectors of codes.
template <int rows, int vectors>
inline void multiply_turn(const uint32_t* codes, const uint32_t* ahead, const byte_lookup& lookup, __m512 absmax, const activations4bit& x,
                          size_t block, __m512* total) {
    constexpr int chains = rows == 1 ? 2 : 1;
    constexpr size_t width = vectors * 8;
    const int8_t* quads = x.codes + block * rows * width;
    int32x16 sum[rows][chains];
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
        sum[r][0] = broadcast(x.offsets[block * rows + static_cast<size_t>(r)]);
        if (chains == 2) sum[r][chains - 1] = broadcast(0);
    }
#pragma GCC unroll 8
    for (size_t j = 0; j < vectors; ++j) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead + j * 16), _MM_HINT_T0);
        const __m512i packed = _mm512_load_si512(codes + j * 16);
        const __m512i low = lookup.low(packed), high = lookup.high(packed);
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; ++r) {
            sum[r][0] = add_products(sum[r][0], low, broadcast_quad(quads + r * width + j * 8));
            sum[r][chains - 1] = add_products(sum[r][chains - 1], high, broadcast_quad(quads + r * width + j * 8 + 4));
        }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; ++r) {
        const int32x16 all = chains == 2 ? sum[r][0] + sum[r][chains - 1] : sum[r][0];
        total[r] = _mm512_fmadd_ps(to_f32(all), _mm512_mul_ps(absmax, _mm512_set1_ps(x.scales[block * rows + r])), total[r]);
    }
}

// Up to direct_panels panels side by side against all `rows` rows of x.
template <int rows, int vectors>
void multiply_strip(const panels4bit& weights, const activations4bit& x, size_t first, size_t panels, const float* bias, float* y,
                    size_t y_stride) {
    constexpr size_t width = vectors * 8;
    const byte_lookup lookup(weights.codebook);
    const size_t panel_words = weights.columns * 2;
    panel_scales scales[direct_panels];
    __m512 total[direct_panels][rows];
    for (size_t p = 0; p < panels; ++p) {
        scales[p] = panel_scales(weights, first + p);
        for (int r = 0; r < rows; ++r) total[p][r] = _mm512_setzero_ps();
    }
    size_t column = 0;
    for (size_t group = 0; column < weights.columns; ++group) {
        for (const size_t end = column + weights.blocksize; column < end; column += width) {
            const strip_position at(weights, first, panels, column);
            for (size_t p = 0; p < panels; ++p) {
                multiply_turn<rows, vectors>(at.codes + p * panel_words, at.ahead + p * panel_words, lookup, scales[p].at(group), x,
                                             column / width, total[p]);
                keep_in_memory();
            }
        }
    }
    for (size_t p = 0; p < panels; ++p)
        for (size_t r = 0; r < rows; ++r) store_row(weights, first + p, total[p][r], bias, y + r * y_stride);
}

// One block of columns of up to tile_panels panels as unsigned weights, with the panels' absmax.
struct tile {
    alignas(64) uint8_t weights[tile_panels][64 * 16];
    __m512 absmax[tile_panels];
};

template <int panels, int vectors>
void look_up(const byte_lookup& lookup, const uint32_t* codes, const uint32_t* ahead, size_t panel_words, tile& t) {
    for (size_t p = 0; p < panels; ++p, codes += panel_words, ahead += panel_words) {
#pragma GCC unroll 8
        for (size_t j = 0; j < vectors; ++j) {
            _mm_prefetch(reinterpret_cast<const char*>(ahead + j * 16), _MM_HINT_T0);
            const __m512i packed = _mm512_load_si512(codes + j * 16);
            _mm512_store_si512(t.weights[p] + j * 128, lookup.low(packed));
            _mm512_store_si512(t.weights[p] + j * 128 + 64, lookup.high(packed));
        }
    }
}

// total[row][panel] += the tile against `rows` rows of x: codes, scales and offsets of the first.
template <int rows, int panels, int vectors>
void multiply_rows(const tile& t, const int8_t* x, const float* scales, const int32_t* offsets, __m512 (*total)[tile_panels]) {
    constexpr size_t width = vectors * 8;
    int32x16 sum[rows][panels];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
        _mm_prefetch(reinterpret_cast<const char*>(x + static_cast<size_t>(rows + r) * width), _MM_HINT_T0);
        const int32x16 offset = broadcast(offsets[r]);
#pragma GCC unroll 3
        for (int p = 0; p < panels; ++p) sum[r][p] = offset;
    }
#pragma GCC unroll 1
    for (size_t quad = 0; quad < vectors * 2; ++quad) {
        __m512i w[panels];
#pragma GCC unroll 3
        for (int p = 0; p < panels; ++p) w[p] = _mm512_load_si512(t.weights[p] + quad * 64);
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
            const __m512i xq = broadcast_quad(x + static_cast<size_t>(r) * width + quad * 4);
#pragma GCC unroll 3
            for (int p = 0; p < panels; ++p) sum[r][p] = add_products(sum[r][p], w[p], xq);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
        const __m512 scale = _mm512_set1_ps(scales[r]);
#pragma GCC unroll 3
        for (int p = 0; p < panels; ++p) total[r][p] = _mm512_fmadd_ps(to_f32(sum[r][p]), _mm512_mul_ps(t.absmax[p], scale), total[r][p]);
    }
}

// total[row][panel] += one block of columns of `panels` panels against rows first .. first + count of x.
template <int panels, int vectors>
void multiply_tile(const tile& t, const activations4bit& x, size_t first, size_t count, size_t block, __m512 (*total)[tile_panels]) {
    using kernel = void (*)(const tile&, const int8_t*, const float*, const int32_t*, __m512(*)[tile_panels]);
    static constexpr kernel by_rows[tile_rows] = {multiply_rows<1, panels, vectors>, multiply_rows<2, panels, vectors>,
                                                  multiply_rows<3, panels, vectors>, multiply_rows<4, panels, vectors>,
                                                  multiply_rows<5, panels, vectors>, multiply_rows<6, panels, vectors>,
                                                  multiply_rows<7, panels, vectors>, multiply_rows<8, panels, vectors>};
    size_t row = 0;
    for (size_t passes = (count + tile_rows - 1) / tile_rows; passes > 0; --passes) {
        const size_t rows = (count - row + passes - 1) / passes;
        const size_t at = block * x.rows + first + row;
        by_rows[rows - 1](t, x.codes + at * (vectors * 8), x.scales + at, x.offsets + at, total + row);
        row += rows;
    }
}

// Rows first .. first + count of x against `panels` panels side by side, three (of four, two) at a time: one panel alone would load x once
// for each product. count * panels is at most most_totals.
template <int vectors>
void multiply_tiles(const panels4bit& weights, const activations4bit& x, size_t first, size_t count, size_t first_panel, size_t panels,
                    const float* bias, float* y, size_t y_stride) {
    constexpr size_t width = vectors * 8;
    const byte_lookup lookup(weights.codebook);
    const size_t panel_words = weights.columns * 2;
    tile t;
    __m512 total[most_totals][tile_panels];
    panel_scales scales[most_tiles * tile_panels];
    for (size_t p = 0; p < panels; ++p) scales[p] = panel_scales(weights, first_panel + p);
    const size_t tiles = (panels + tile_panels - 1) / tile_panels;
    for (size_t i = 0; i < tiles * count; ++i)
        for (__m512& sum : total[i]) sum = _mm512_setzero_ps();
    for (size_t column = 0; column < weights.columns; column += width) {
        const strip_position at(weights, first_panel, panels, column);
        size_t panel = 0;
        for (size_t i = 0; i < tiles; ++i) {
            const size_t size = (panels - panel + tiles - i - 1) / (tiles - i);
            for (size_t p = 0; p < size; ++p) t.absmax[p] = scales[panel + p].at(column / weights.blocksize);
            const uint32_t *codes = at.codes + panel * panel_words, *ahead = at.ahead + panel * panel_words;
            if (size == 3) {
                look_up<3, vectors>(lookup, codes, ahead, panel_words, t);
                multiply_tile<3, vectors>(t, x, first, count, column / width, total + i * count);
            } else if (size == 2) {
                look_up<2, vectors>(lookup, codes, ahead, panel_words, t);
                multiply_tile<2, vectors>(t, x, first, count, column / width, total + i * count);
            } else {
                look_up<1, vectors>(lookup, codes, ahead, panel_words, t);
                multiply_tile<1, vectors>(t, x, first, count, column / width, total + i * count);
            }
            panel += size;
        }
    }
    size_t panel = 0;
    for (size_t i = 0; i < tiles; ++i) {
        const size_t size = (panels - panel + tiles - i - 1) / (tiles - i);
        for (size_t r = 0; r < count; ++r)
            for (size_t p = 0; p < size; ++p)
                store_row(weights, first_panel + panel + p, total[i * count + r][p], bias, y + (first + r) * y_stride);
        panel += size;
    }
}

template <int vectors>
void product(const panels4bit& weights, const activations4bit& x, const float* bias, float* y, size_t y_stride, size_t panel_begin,
             size_t panel_end) {
    if (x.rows <= direct_rows) {
        using kernel = void (*)(const panels4bit&, const activations4bit&, size_t, size_t, const float*, float*, size_t);
        static constexpr kernel by_rows[direct_rows] = {multiply_strip<1, vectors>, multiply_strip<2, vectors>, multiply_strip<3, vectors>,
                                                        multiply_strip<4, vectors>};
        for (size_t panel = panel_begin; panel < panel_end; panel += direct_panels) {
            const size_t panels = panel_end - panel < direct_panels ? panel_end - panel : direct_panels;
            by_rows[x.rows - 1](weights, x, panel, panels, bias, y, y_stride);
        }
        return;
    }
    size_t first = 0;
    for (size_t chunks = (x.rows + most_totals - 1) / most_totals; chunks > 0; --chunks) {
        const size_t count = (x.rows - first + chunks - 1) / chunks;
        const size_t tiles = most_totals / count < most_tiles ? most_totals / count : most_tiles;
        size_t panel = panel_begin;
        for (size_t strips = (panel_end - panel - 1) / (tiles * tile_panels) + 1; strips > 0; --strips) {
            const size_t panels = (panel_end - panel + strips - 1) / strips;
            multiply_tiles<vectors>(weights, x, first, count, panel, panels, bias, y, y_stride);
            panel += panels;
        }
        first += count;
    }
}

}  // namespace

void quantize_activation_blocks(const float* x, size_t columns, uint32_t block, size_t row, size_t rows, int8_t* codes, float* scales,
                                int32_t* offsets) {
    // Places of 0 .. 7 in the order of activations4bit, in each 16 bytes twice.
    const __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15));
    const __m512i sign = _mm512_set1_epi32(static_cast<int>(0x80000000u));
    for (size_t b = 0; b < columns / block; ++b) {
        __m512 value[4];
        __m512i largest = _mm512_setzero_si512();
        for (size_t i = 0; i < 4; ++i) {
            value[i] = i * 16 < block ? _mm512_loadu_ps(x + b * block + i * 16) : _mm512_setzero_ps();
            largest = _mm512_max_epu32(largest, _mm512_andnot_si512(sign, _mm512_castps_si512(value[i])));
        }
        const uint32_t bits = _mm512_reduce_max_epu32(largest);  // magnitudes order as their bits do, infinity and NaN last
        const bool finite = bits < 0x7f800000u;
        float absmax;
        __builtin_memcpy(&absmax, &bits, sizeof absmax);
        const __m512 scale = _mm512_set1_ps(127.0f / absmax);
        __m128i part[4];
        for (int i = 0; i < 4; ++i) {
            const __m512 scaled = _mm512_mul_ps(value[i], scale);
            const __mmask16 kept = finite && bits != 0 ? _mm512_cmp_ps_mask(scaled, scaled, _CMP_ORD_Q) : __mmask16{0};
            const __m512 bounded = _mm512_min_ps(_mm512_max_ps(scaled, _mm512_set1_ps(-127.0f)), _mm512_set1_ps(127.0f));
            part[i] = _mm512_cvtepi32_epi8(_mm512_maskz_cvtps_epi32(kept, bounded));
        }
        const __m512i low = _mm512_inserti32x4(_mm512_castsi128_si512(part[0]), part[1], 1);
        const __m512i bytes = _mm512_shuffle_epi8(_mm512_inserti32x4(_mm512_inserti32x4(low, part[2], 2), part[3], 3), order);
        int8_t* to = codes + (b * rows + row) * block;
        if (block == 64)
            _mm512_storeu_si512(to, bytes);
        else
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_castsi512_si256(bytes));
        const int32_t sum = _mm512_reduce_add_epi32(_mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), bytes));
        scales[b * rows + row] = (finite ? absmax : __builtin_nanf("")) * 0x1.040c2p-14f;
        offsets[b * rows + row] = -127 * sum;
    }
}

void linear4bit_int8(const panels4bit& weights, const activations4bit& x, const float* bias, float* y, size_t y_stride, size_t panel_begin,
                     size_t panel_end) {
    if (x.block == 64)
        product<8>(weights, x, bias, y, y_stride, panel_begin, panel_end);
    else
        product<4>(weights, x, bias, y, y_stride, panel_begin, panel_end);
}

}  // namespace nq::cpu::avx512
