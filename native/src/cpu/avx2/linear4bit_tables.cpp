// 4-bit linear layer for one row of x in f32, without multiplications: vpshufb looks up in 16 entries of a byte, so for each column k the
// 16 products x[k] * codebook[i] are tabulated beforehand and a weight costs four lookups and some additions of bytes, on whichever of the
// vector ports is free. (Lookups of the codebook itself as f32 need the one port for permutes at every weight: see codebook.h.)
//
// Products are integers of 24 bits with the largest |x| of their block as the unit, so their sums are exact; a product is off by at most
// 2^-24 of that largest one, as a sum in f32 would round it. Four planes hold 6 bits each: four lookups add up within a byte.
//     tables   digits[vector of 8 columns][pair of columns][plane][32 bytes]: entries of column k in the low 16 bytes, of k + 4 in the high
//     pairs    k = 0, 2, 1, 3 of the eight: the nibbles of a dword of panels4bit, low and high of its low half, low and high of its high
//     half
#include "cpu/avx2/block_product.h"
#include "cpu/avx2/codebook.h"
#include "cpu/avx2/functions.h"
#include "cpu/avx2/panel_scales.h"

namespace nq::cpu::avx2 {
namespace {

constexpr int planes = 4;
constexpr int digit_bits = 6;
constexpr int centre = 1 << (planes * digit_bits - 1);  // added to a product so that its digits are not negative
constexpr float largest_product = centre - 8;           // room for the rounding of x * unit
constexpr size_t tile_panels = 8;                       // walked side by side: as many streams from memory
constexpr size_t turn_columns = 128;                    // of one panel before the next

// Bytes of a 4 x 4 matrix of bytes in each lane, transposed.
__m256i transpose_bytes(__m256i dwords) {
    return _mm256_shuffle_epi8(dwords, _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 4, 8, 12, 1, 5, 9, 13, 2,
                                                        6, 10, 14, 3, 7, 11, 15));
}

// Digits of 24-bit numbers, lowest first, in the bytes of each dword.
__m256i spread_digits(__m256i number) {
    const __m256i halves = _mm256_or_si256(_mm256_and_si256(_mm256_slli_epi32(number, 4), _mm256_set1_epi32(0x0fff0000)),
                                           _mm256_and_si256(number, _mm256_set1_epi32(0x0fff)));
    return _mm256_or_si256(_mm256_and_si256(_mm256_slli_epi16(halves, 2), _mm256_set1_epi16(0x3f00)),
                           _mm256_and_si256(halves, _mm256_set1_epi16(0x003f)));
}

// The tables of two columns from x in units of the products.
void tabulate(const float* codebook, float x0, float x1, uint8_t* digits) {
    const __m256 x = _mm256_insertf128_ps(_mm256_set1_ps(x0), _mm_set1_ps(x1), 1);
    __m256i quad[4];
    for (int i = 0; i < 4; ++i) {
        const __m256 codes = _mm256_broadcast_ps(reinterpret_cast<const __m128*>(codebook + 4 * i));
        const __m256i product = _mm256_cvtps_epi32(_mm256_mul_ps(codes, x));
        quad[i] = transpose_bytes(spread_digits(_mm256_add_epi32(product, _mm256_set1_epi32(centre))));
    }
    const __m256i a = _mm256_unpacklo_epi32(quad[0], quad[1]), b = _mm256_unpackhi_epi32(quad[0], quad[1]);
    const __m256i c = _mm256_unpacklo_epi32(quad[2], quad[3]), d = _mm256_unpackhi_epi32(quad[2], quad[3]);
    __m256i* plane = reinterpret_cast<__m256i*>(digits);
    _mm256_store_si256(plane, _mm256_unpacklo_epi64(a, c));
    _mm256_store_si256(plane + 1, _mm256_unpackhi_epi64(a, c));
    _mm256_store_si256(plane + 2, _mm256_unpacklo_epi64(b, d));
    _mm256_store_si256(plane + 3, _mm256_unpackhi_epi64(b, d));
}

// Sum and largest of |x| over n values, n a multiple of 8.
void measure(const float* x, size_t n, float& sum, float& largest) {
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256 sums = _mm256_setzero_ps(), most = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i += 8) {
        const __m256 value = _mm256_and_ps(_mm256_loadu_ps(x + i), magnitude);
        sums = _mm256_add_ps(sums, value);
        most = _mm256_max_ps(most, value);
    }
    alignas(32) float lane_sum[8], lane_most[8];
    _mm256_store_ps(lane_sum, sums);
    _mm256_store_ps(lane_most, most);
    sum = largest = 0;
    for (int lane = 0; lane < 8; ++lane) {
        sum += lane_sum[lane];
        if (lane_most[lane] > largest) largest = lane_most[lane];
    }
}

// Digits looked up, added over the vectors of a block: 16-bit sums of all bytes (modulo 2^16) and of the odd ones.
struct digit_sums {
    __m256i all[planes];
    __m256i odd[planes];
};

template <int plane>
inline void add_plane(const __m256i* tables, __m256i (&index)[4], digit_sums& sums) {
    const __m256i a = _mm256_add_epi8(_mm256_shuffle_epi8(tables[plane], index[0]), _mm256_shuffle_epi8(tables[4 + plane], index[1]));
    const __m256i b = _mm256_add_epi8(_mm256_shuffle_epi8(tables[8 + plane], index[2]), _mm256_shuffle_epi8(tables[12 + plane], index[3]));
    const __m256i four = _mm256_add_epi8(a, b);
    sums.all[plane] = _mm256_add_epi16(sums.all[plane], four);
    sums.odd[plane] = _mm256_add_epi16(sums.odd[plane], _mm256_srli_epi16(four, 8));
    // One plane after another: GCC 12 interleaves them otherwise, which takes more registers than there are.
    __asm__ volatile("" : "+x"(index[0]), "+x"(index[1]), "+x"(index[2]), "+x"(index[3]), "+x"(sums.all[plane]), "+x"(sums.odd[plane]));
}

// Sums of the two lanes of a, in the low lane, and of b.
inline __m256i add_lanes16(__m256i a, __m256i b) {
    return _mm256_add_epi16(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
}
inline __m256i add_lanes32(__m256i a, __m256i b) {
    return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
}

// The numbers of 8 rows from the digit sums of planes (2 | 0) and (3 | 1).
inline __m256i join_digits(__m256i even_planes, __m256i odd_planes) {
    const __m256i weights = _mm256_set1_epi32(1 << (16 + digit_bits) | 1);
    const __m256i places = _mm256_setr_epi32(12, 12, 12, 12, 0, 0, 0, 0);
    const __m256i low = _mm256_sllv_epi32(_mm256_madd_epi16(_mm256_unpacklo_epi16(even_planes, odd_planes), weights), places);
    const __m256i high = _mm256_sllv_epi32(_mm256_madd_epi16(_mm256_unpackhi_epi16(even_planes, odd_planes), weights), places);
    return add_lanes32(low, high);
}

// Sums of the products of `vectors` vectors with 16 rows, in units of the products.
inline void table_product(const uint32_t* codes, const uint8_t* digits, size_t vectors, __m256 (&sum)[2]) {
    const __m256i low_nibbles = _mm256_set1_epi8(15);
    const int offset = -(4 * static_cast<int>(vectors))
                       << (digit_bits - 1);  // of a lane's top digits, from the centre of 4 products a vector
    digit_sums sums;
    for (int plane = 0; plane < planes - 1; ++plane) sums.all[plane] = sums.odd[plane] = _mm256_setzero_si256();
    sums.all[planes - 1] = _mm256_set1_epi16(static_cast<short>(offset * 257));
    sums.odd[planes - 1] = _mm256_set1_epi16(static_cast<short>(offset));
    const __m256i* tables = reinterpret_cast<const __m256i*>(digits);
#pragma GCC unroll 2
    for (size_t j = 0; j < vectors; ++j, codes += 16, tables += 16) {
        _mm_prefetch(reinterpret_cast<const char*>(codes) + turn_columns * 8, _MM_HINT_T0);
        // Bytes of a column of rows 0 8 1 9 .. 7 15, a column to a lane: the even bytes are rows 0-7.
        const __m256i first = transpose_bytes(_mm256_load_si256(reinterpret_cast<const __m256i*>(codes)));
        const __m256i last = transpose_bytes(_mm256_load_si256(reinterpret_cast<const __m256i*>(codes + 8)));
        const __m256i low = _mm256_permute4x64_epi64(_mm256_unpacklo_epi8(first, last), 0xd8);
        const __m256i high = _mm256_permute4x64_epi64(_mm256_unpackhi_epi8(first, last), 0xd8);
        __m256i index[4] = {_mm256_and_si256(low, low_nibbles), _mm256_and_si256(_mm256_srli_epi16(low, 4), low_nibbles),
                            _mm256_and_si256(high, low_nibbles), _mm256_and_si256(_mm256_srli_epi16(high, 4), low_nibbles)};
        add_plane<0>(tables, index, sums);
        add_plane<1>(tables, index, sums);
        add_plane<2>(tables, index, sums);
        add_plane<3>(tables, index, sums);
    }
    const __m256i all_odd_planes = add_lanes16(sums.all[3], sums.all[1]), all_even_planes = add_lanes16(sums.all[2], sums.all[0]);
    const __m256i odd_planes = add_lanes16(sums.odd[3], sums.odd[1]), even_planes = add_lanes16(sums.odd[2], sums.odd[0]);
    sum[0] = _mm256_cvtepi32_ps(join_digits(_mm256_sub_epi16(all_even_planes, _mm256_slli_epi16(even_planes, 8)),
                                            _mm256_sub_epi16(all_odd_planes, _mm256_slli_epi16(odd_planes, 8))));
    sum[1] = _mm256_cvtepi32_ps(join_digits(even_planes, odd_planes));
}

// The same by multiply-adds, for blocks without tables.
void direct_product(const uint32_t* codes, const codebook_halves& codebook, const float* x, size_t vectors, __m256 (&sum)[2]) {
    const float* const row[1] = {x};
    __m256 sums[1][2] = {{_mm256_setzero_ps(), _mm256_setzero_ps()}};
    for (size_t j = 0; j < vectors; ++j, codes += 16) {
        const __m256i low = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes));
        const __m256i high = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes + 8));
        multiply_columns(low, high, codebook, row, j * 8, sums);
    }
    sum[0] = sums[0][0];
    sum[1] = sums[0][1];
}

// A tile of panels, a turn of columns of each in turn.
void multiply_tile(const panels4bit& weights, const tables4bit& x, const float* bias, float* y, size_t first_panel, size_t count) {
    const codebook_halves codebook = load_codebook(weights.codebook);
    const size_t block_vectors = x.block / 8;
    panel_scales scales[tile_panels];
    __m256 total[tile_panels][2];
    for (size_t p = 0; p < count; ++p) {
        scales[p] = panel_scales(weights, first_panel + p);
        total[p][0] = total[p][1] = _mm256_setzero_ps();
    }
    for (size_t turn = 0; turn < weights.columns; turn += turn_columns) {
        const size_t first_block = turn / x.block, first_group = turn / weights.blocksize;
        const size_t columns = weights.columns - turn < turn_columns ? weights.columns - turn : turn_columns;
        for (size_t p = 0; p < count; ++p) {
            const uint32_t* codes = weights.nibbles + ((first_panel + p) * weights.columns + turn) * 2;
            const float* block_x = x.x + turn;
            const uint8_t* digits = x.digits + turn * planes * 16;
            const float* unit = x.units + first_block;
            size_t group = first_group, group_end = (first_group + 1) * weights.blocksize - turn;
            __m256 y0 = total[p][0], y1 = total[p][1];
            for (size_t k = 0; k < columns; k += x.block, ++unit) {
                if (k == group_end) {
                    ++group;
                    group_end += weights.blocksize;
                }
                __m256 absmax[2], sum[2];
                scales[p].load(group, absmax);
                __m256 scale = _mm256_set1_ps(*unit);
                if (*unit >= 0) {
                    table_product(codes + k * 2, digits + k * planes * 16, block_vectors, sum);
                } else {
                    direct_product(codes + k * 2, codebook, block_x + k, block_vectors, sum);
                    scale = _mm256_set1_ps(1.0f);
                }
                y0 = _mm256_fmadd_ps(sum[0], _mm256_mul_ps(absmax[0], scale), y0);
                y1 = _mm256_fmadd_ps(sum[1], _mm256_mul_ps(absmax[1], scale), y1);
            }
            total[p][0] = y0;
            total[p][1] = y1;
        }
    }
    for (size_t p = 0; p < count; ++p) {
        const size_t column = (first_panel + p) * 16;
        const size_t left = weights.rows - column;
        const block_target target = {y + column, 0, bias == nullptr ? nullptr : bias + column, left < 16 ? left : 16, true};
        add_half(target, target.y, 0, total[p][0]);
        add_half(target, target.y, 1, total[p][1]);
    }
}

}  // namespace

void tabulate4bit(const float* codebook, const float* x, uint32_t block, size_t begin, size_t end, uint8_t* digits, float* units) {
    static constexpr int pair[4] = {0, 2, 1, 3};
    for (size_t b = begin; b < end; ++b) {
        const float* block_x = x + b * block;
        float sum, largest;
        measure(block_x, block, sum, largest);
        // One value that outweighs all others together would leave too few bits for them.
        const bool even = largest == 0 || (2 * largest <= sum && sum < 1e30f && largest > 1e-30f);
        units[b] = even ? largest / largest_product : -1.0f;
        if (!even) continue;
        const float per_unit = largest == 0 ? 0.0f : largest_product / largest;
        uint8_t* out = digits + b * block * planes * 16;
        for (size_t j = 0; j < block; j += 8)
            for (int i = 0; i < 4; ++i, out += planes * 32)
                tabulate(codebook, block_x[j + pair[i]] * per_unit, block_x[j + pair[i] + 4] * per_unit, out);
    }
}

void linear4bit_tables(const panels4bit& weights, const tables4bit& x, const float* bias, float* y, size_t panel_begin, size_t panel_end) {
    for (size_t panel = panel_begin; panel < panel_end; panel += tile_panels)
        multiply_tile(weights, x, bias, y, panel, panel_end - panel < tile_panels ? panel_end - panel : tile_panels);
}

}  // namespace nq::cpu::avx2
