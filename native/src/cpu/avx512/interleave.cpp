// Rows into panels: 16 rows of up to 16 dwords are transposed in registers.
#include "cpu/avx512/functions.h"
#include "cpu/avx512/vector.h"

namespace nq::cpu::avx512 {
namespace {

// Byte lanes of the first n of 16 dwords.
__mmask64 first_dwords(size_t bytes) { return bytes >= 64 ? ~0ull : (1ull << bytes) - 1; }

// dwords[i], lane r = dword i of row r.
[[gnu::always_inline]] inline void transpose(const __m512i (&rows)[16], __m512i (&dwords)[16]) {
    __m512i pairs[16], quads[16];
#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i += 2) {
        pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    // quads[4g + c]: in 128-bit lane q, dword 4q + c of the rows 4g to 4g + 3.
#pragma GCC unroll 16
    for (size_t g = 0; g < 16; g += 4) {
        quads[g] = _mm512_unpacklo_epi64(pairs[g], pairs[g + 2]);
        quads[g + 1] = _mm512_unpackhi_epi64(pairs[g], pairs[g + 2]);
        quads[g + 2] = _mm512_unpacklo_epi64(pairs[g + 1], pairs[g + 3]);
        quads[g + 3] = _mm512_unpackhi_epi64(pairs[g + 1], pairs[g + 3]);
    }
#pragma GCC unroll 16
    for (size_t c = 0; c < 4; ++c) {
        const __m512i low01 = _mm512_shuffle_i32x4(quads[c], quads[4 + c], 0x88),
                      low23 = _mm512_shuffle_i32x4(quads[8 + c], quads[12 + c], 0x88);
        const __m512i high01 = _mm512_shuffle_i32x4(quads[c], quads[4 + c], 0xdd),
                      high23 = _mm512_shuffle_i32x4(quads[8 + c], quads[12 + c], 0xdd);
        dwords[c] = _mm512_shuffle_i32x4(low01, low23, 0x88);
        dwords[8 + c] = _mm512_shuffle_i32x4(low01, low23, 0xdd);
        dwords[4 + c] = _mm512_shuffle_i32x4(high01, high23, 0x88);
        dwords[12 + c] = _mm512_shuffle_i32x4(high01, high23, 0xdd);
    }
}

// Eight packed codes per dword, first one in the high nibble of the first byte, in the order of a panel: even ones in the low half-word.
__m512i panel_codes(__m512i packed) {
    const __m512i nibble = _mm512_set1_epi8(15);
    const __m512i pair = _mm512_set1_epi16(0x1001), quad = _mm512_set1_epi32(0x01000001);  // a + 16 b, a + 256 b
    const __m512i even = _mm512_madd_epi16(_mm512_maddubs_epi16(_mm512_and_si512(_mm512_srli_epi16(packed, 4), nibble), pair), quad);
    const __m512i odd = _mm512_madd_epi16(_mm512_maddubs_epi16(_mm512_and_si512(packed, nibble), pair), quad);
    return _mm512_or_si512(even, _mm512_slli_epi32(odd, 16));
}

// store(i, v) receives v = dword i of the 16 rows, transformed, for all dwords of `bytes` bytes.
template <class Transform, class Store>
void interleave(const char* rows, size_t stride, size_t valid, size_t bytes, const Transform& transform, const Store& store) {
    for (size_t at = 0; at < bytes; at += 64) {
        const __mmask64 lanes = first_dwords(bytes - at);
        __m512i row[16], dwords[16];
#pragma GCC unroll 16
        for (size_t r = 0; r < 16; ++r)
            row[r] = r < valid ? transform(_mm512_maskz_loadu_epi8(lanes, rows + r * stride + at)) : _mm512_setzero_si512();
        transpose(row, dwords);
        if (bytes - at >= 64) {
#pragma GCC unroll 16
            for (size_t i = 0; i < 16; ++i) store(at / 4 + i, dwords[i]);
        } else {
            for (size_t i = 0; i < (bytes - at + 3) / 4; ++i) store(at / 4 + i, dwords[i]);
        }
    }
}

}  // namespace

void interleave_rows(const void* rows, size_t stride, size_t valid, size_t count, size_t width, void* panel) {
    const char* source = static_cast<const char*>(rows);
    char* to = static_cast<char*>(panel);
    const auto same = [](__m512i v) { return v; };
    if (width == 4) {
        interleave(source, stride, valid, 4 * count, same, [=](size_t i, __m512i v) { _mm512_storeu_si512(to + 64 * i, v); });
        return;
    }
    // A dword holds elements 2i and 2i + 1: the low half-words of all lanes, then the high ones.
    const __m512i lane = _mm512_cvtepu16_epi32(_mm256_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    const __m256i even = _mm512_cvtepi32_epi16(_mm512_slli_epi32(lane, 1));
    const __m512i order = _mm512_inserti64x4(_mm512_castsi256_si512(even), _mm256_add_epi16(even, _mm256_set1_epi16(1)), 1);
    interleave(source, stride, valid, 2 * count, same, [=](size_t i, __m512i v) {
        const __m512i columns = _mm512_permutexvar_epi16(order, v);
        if (2 * i + 1 < count)
            _mm512_storeu_si512(to + 64 * i, columns);
        else
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 64 * i), _mm512_castsi512_si256(columns));
    });
}

void interleave_codes_4bit(const uint8_t* rows, size_t stride, size_t valid, size_t count, uint32_t* nibbles) {
    interleave(reinterpret_cast<const char*>(rows), stride, valid, 4 * count, panel_codes,
               [=](size_t i, __m512i v) { _mm512_storeu_si512(nibbles + 16 * i, v); });
}

}  // namespace nq::cpu::avx512
