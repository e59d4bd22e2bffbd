// Quantization of 16 rows to 4 bits, straight into a panel. Four rows go side by side: a code times 16^j, j = its dword modulo 4, lies
// where the panel wants it, and a transposition of 4 x 4 dwords that ors what it brings together leaves the dwords of four rows next to
// each other. The panel is put together in the cache, a chunk of columns at a time, and stored past the caches: its lines need not be read
// first.
#include <string.h>

#include "cpu/avx512/codes4bit.h"
#include "cpu/avx512/functions.h"
#include "cpu/avx512/vector.h"
#include "cpu/panels.h"

namespace nq::cpu::avx512 {
namespace {

constexpr size_t group_rows = 4;
constexpr size_t least_chunk = 1024, most_chunk = 4096;  // columns

// Rows `stride` bytes apart, and where those lie that come after them.
struct row_group {
    const char* rows;
    const char* next;
    size_t stride;
};

__m512i largest_words(__m512i a, __m512i b) { return _mm512_max_epu16(a, b); }

// The largest magnitudes of a block of 16-bit values, one per place of a vector.
__m512i block_magnitudes(const char* x, size_t blocksize) {
    const __m512i magnitude = _mm512_set1_epi16(0x7fff);
    __m512i most = _mm512_and_si512(_mm512_loadu_si512(x), magnitude);
    for (size_t i = 32; i < blocksize; i += 32) most = largest_words(most, _mm512_and_si512(_mm512_loadu_si512(x + 2 * i), magnitude));
    return most;
}

__m512i fold_dwords(__m512i a, __m512i b) { return largest_words(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b)); }
__m512i fold_pairs(__m512i a, __m512i b) { return largest_words(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b)); }
__m512i fold_quarters(__m512i a, __m512i b) { return largest_words(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd)); }

// absmax of 16 blocks, block i in lane i: halved until one dword of each block is left, 45 operations for all.
template <nq_dtype dtype>
__m512 largest_of_16(const char* x, size_t blocksize) {
    const size_t bytes = 2 * blocksize;
    __m512i fours[4];
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i, x += 4 * bytes)
        fours[i] = fold_pairs(fold_dwords(block_magnitudes(x, blocksize), block_magnitudes(x + bytes, blocksize)),
                              fold_dwords(block_magnitudes(x + 2 * bytes, blocksize), block_magnitudes(x + 3 * bytes, blocksize)));
    const __m512i pairs = fold_quarters(fold_quarters(fours[0], fours[1]), fold_quarters(fours[2], fours[3]));
    const __m512i high = largest_words(pairs, _mm512_slli_epi32(pairs, 16));
    if constexpr (dtype == NQ_DTYPE_BF16) return _mm512_castsi512_ps(_mm512_and_si512(high, _mm512_set1_epi32(-65536)));
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(high, 16)));
}

template <nq_dtype dtype>
void largest_of_blocks(const char* x, size_t blocks, size_t blocksize, float* absmax) {
    size_t b = 0;
    if constexpr (dtype != NQ_DTYPE_F32) {
        for (; b + 16 <= blocks; b += 16) _mm512_storeu_ps(absmax + b, largest_of_16<dtype>(x + 2 * b * blocksize, blocksize));
    }
    for (; b < blocks; ++b) absmax[b] = largest<dtype>(x + b * blocksize * size_of<dtype>, blocksize);
}

// Codes of 32 values of a row, each in its nibble of one of 16 dwords.
template <nq_dtype dtype, class Format>
[[gnu::always_inline]] inline __m512i placed_codes(const char* x, float factor, const Format& format) {
    const value_pairs v = load_pairs<dtype>(x, 32);
    const __m512 factors = _mm512_set1_ps(factor);
    const __m512i codes = format.codes(_mm512_mul_ps(v.even, factors), _mm512_mul_ps(v.odd, factors));
    return _mm512_mullo_epi16(codes, _mm512_broadcast_i32x4(_mm_setr_epi16(1, 1, 16, 16, 256, 256, 4096, 4096)));
}

[[gnu::always_inline]] inline __m512i or_dwords(__m512i a, __m512i b) {
    return _mm512_or_si512(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

// 32 columns of four rows into the lanes of `panel`.
template <nq_dtype dtype, class Format>
[[gnu::always_inline]] inline void place_32(const row_group& group, size_t offset, const float (&factors)[group_rows], const Format& format,
                                            uint32_t* panel) {
    const char* x = group.rows + offset;
#pragma GCC unroll 4
    for (size_t r = 0; r < group_rows; ++r)
        for (size_t line = 0; line < 32 * size_of<dtype>; line += 64)
            _mm_prefetch(group.next + offset + r * group.stride + line, _MM_HINT_T0);
    const __m512i low = or_dwords(placed_codes<dtype>(x, factors[0], format), placed_codes<dtype>(x + group.stride, factors[1], format));
    const __m512i high = or_dwords(placed_codes<dtype>(x + 2 * group.stride, factors[2], format),
                                   placed_codes<dtype>(x + 3 * group.stride, factors[3], format));
    const __m512i dwords = _mm512_or_si512(_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(panel), _mm512_castsi512_si128(dwords));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(panel + panel_rows), _mm512_extracti32x4_epi32(dwords, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(panel + 2 * panel_rows), _mm512_extracti32x4_epi32(dwords, 2));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(panel + 3 * panel_rows), _mm512_extracti32x4_epi32(dwords, 3));
}

// Rows with a block that has no reciprocal of use: one by one, then into the panel.
bool place_rows(const row_group& group, nq_dtype dtype, size_t count, uint32_t blocksize, nq_quant_type type, float* absmax,
                uint32_t* panel) {
    uint8_t packed[group_rows * most_chunk / 2];
    bool finite = true;
    for (size_t r = 0; r < group_rows; ++r)
        finite &= quantize_4bit(group.rows + r * group.stride, dtype, count, blocksize, type, packed + r * count / 2, absmax);
    for (size_t i = 0; i < count / 8; i += 16) {
        uint32_t dwords[16 * panel_rows];
        const size_t n = count / 8 - i < 16 ? count / 8 - i : 16;
        interleave_codes_4bit(packed + 4 * i, count / 2, group_rows, n, dwords);
        for (size_t j = 0; j < n; ++j) memcpy(panel + (i + j) * panel_rows, dwords + j * panel_rows, group_rows * sizeof(uint32_t));
    }
    return finite;
}

template <nq_dtype dtype, class Format>
bool quantize(const char* source, size_t stride, size_t n, uint32_t blocksize, nq_quant_type type, uint32_t* nibbles, float* absmax,
              size_t absmax_stride) {
    const Format format;
    const size_t row = stride * size_of<dtype>;
    const size_t chunk = blocksize * 16 < least_chunk ? least_chunk : blocksize * 16 > most_chunk ? most_chunk : blocksize * 16;
    alignas(64) uint32_t panel[most_chunk / 8 * panel_rows];
    bool finite = true;
    for (size_t first = 0; first < n; first += chunk) {
        const size_t count = n - first < chunk ? n - first : chunk, blocks = count / blocksize;
        for (size_t g = 0; g < panel_rows; g += group_rows) {
            const char* rows = source + g * row + first * size_of<dtype>;
            const char* next = g + group_rows < panel_rows ? rows + group_rows * row
                               : first + chunk < n         ? source + (first + chunk) * size_of<dtype>
                                                           : source + panel_rows * row;
            const row_group group = {rows, next, row};
            float reciprocals[group_rows][most_chunk / 32], most[most_chunk / 32];
            bool usable = true;
            for (size_t r = 0; r < group_rows; ++r) {
                float* to = absmax + (g + r) * absmax_stride + first / blocksize;
                largest_of_blocks<dtype>(rows + r * row, blocks, blocksize, to);
                usable &= invert(to, blocks, reciprocals[r]);
            }
            if (!usable) {
                finite &= place_rows(group, dtype, count, blocksize, type, most, panel + g);
                continue;
            }
            for (size_t b = 0, i = 0; b < blocks; ++b) {
                const float factors[group_rows] = {reciprocals[0][b], reciprocals[1][b], reciprocals[2][b], reciprocals[3][b]};
                for (const size_t end = i + blocksize; i < end; i += 32)
                    place_32<dtype>(group, i * size_of<dtype>, factors, format, panel + i / 8 * panel_rows + g);
            }
        }
        for (size_t i = 0; i < count / 8 * panel_rows; i += 16)
            _mm512_stream_si512(reinterpret_cast<__m512i*>(nibbles + first / 8 * panel_rows + i), _mm512_load_si512(panel + i));
    }
    _mm_sfence();  // what is stored past the caches is in no order with what is published afterwards
    return finite;
}

template <nq_dtype dtype>
bool quantize(const void* source, size_t stride, size_t n, uint32_t blocksize, nq_quant_type type, uint32_t* nibbles, float* absmax,
              size_t absmax_stride) {
    const char* x = static_cast<const char*>(source);
    return type == NQ_QUANT_TYPE_FP4 ? quantize<dtype, fp4>(x, stride, n, blocksize, type, nibbles, absmax, absmax_stride)
                                     : quantize<dtype, nf4>(x, stride, n, blocksize, type, nibbles, absmax, absmax_stride);
}

}  // namespace

bool quantize_panel_4bit(const void* source, size_t stride, nq_dtype dtype, size_t n, uint32_t blocksize, nq_quant_type type,
                         uint32_t* nibbles, float* absmax, size_t absmax_stride) {
    switch (dtype) {
        case NQ_DTYPE_F16:
            return quantize<NQ_DTYPE_F16>(source, stride, n, blocksize, type, nibbles, absmax, absmax_stride);
        case NQ_DTYPE_BF16:
            return quantize<NQ_DTYPE_BF16>(source, stride, n, blocksize, type, nibbles, absmax, absmax_stride);
        default:
            return quantize<NQ_DTYPE_F32>(source, stride, n, blocksize, type, nibbles, absmax, absmax_stride);
    }
}

}  // namespace nq::cpu::avx512
