// Rows into panels: 8 rows of 8 dwords are transposed in registers, twice for the 16 lanes.
#include "cpu/avx2/functions.h"
#include "cpu/avx2/vector.h"

namespace nq::cpu::avx2 {
namespace {

// The first `bytes` of 32, the rest 0.
__m256i load_bytes(const char* source, size_t bytes) {
    if (bytes >= 32) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source));
    alignas(32) char padded[32] = {};
    memcpy(padded, source, bytes);
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(padded));
}

// dwords[i], lane r = dword i of row r.
[[gnu::always_inline]] inline void transpose(const __m256i (&rows)[8], __m256i (&dwords)[8]) {
    __m256i pairs[8], quads[8];
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i += 2) {
        pairs[i] = _mm256_unpacklo_epi32(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    // quads[4g + c]: in 128-bit lane q, dword 4q + c of the rows 4g to 4g + 3.
#pragma GCC unroll 8
    for (size_t g = 0; g < 8; g += 4) {
        quads[g] = _mm256_unpacklo_epi64(pairs[g], pairs[g + 2]);
        quads[g + 1] = _mm256_unpackhi_epi64(pairs[g], pairs[g + 2]);
        quads[g + 2] = _mm256_unpacklo_epi64(pairs[g + 1], pairs[g + 3]);
        quads[g + 3] = _mm256_unpackhi_epi64(pairs[g + 1], pairs[g + 3]);
    }
#pragma GCC unroll 8
    for (size_t c = 0; c < 4; ++c) {
        dwords[c] = _mm256_permute2x128_si256(quads[c], quads[4 + c], 0x20);
        dwords[4 + c] = _mm256_permute2x128_si256(quads[c], quads[4 + c], 0x31);
    }
}

// Eight packed codes per dword, first one in the high nibble of the first byte, in the order of a panel: even ones in the low half-word.
__m256i panel_codes(__m256i packed) {
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i pair = _mm256_set1_epi16(0x1001), quad = _mm256_set1_epi32(0x01000001);  // a + 16 b, a + 256 b
    const __m256i even = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(packed, 4), nibble), pair), quad);
    const __m256i odd = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_and_si256(packed, nibble), pair), quad);
    return _mm256_or_si256(even, _mm256_slli_epi32(odd, 16));
}

// store(i, low, high) receives dword i of the rows 0 to 7 and 8 to 15, transformed, for all dwords of `bytes` bytes.
template <class Transform, class Store>
void interleave(const char* rows, size_t stride, size_t valid, size_t bytes, const Transform& transform, const Store& store) {
    for (size_t at = 0; at < bytes; at += 32) {
        __m256i dwords[2][8];
        for (size_t half = 0; half < 2; ++half) {
            __m256i row[8];
            for (size_t r = 0; r < 8; ++r) {
                row[r] =
                    8 * half + r < valid ? transform(load_bytes(rows + (8 * half + r) * stride + at, bytes - at)) : _mm256_setzero_si256();
            }
            transpose(row, dwords[half]);
        }
        for (size_t i = 0; i < 8 && at + 4 * i < bytes; ++i) store(at / 4 + i, dwords[0][i], dwords[1][i]);
    }
}

void store_32(char* to, __m256i v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v); }

}  // namespace

void interleave_rows(const void* rows, size_t stride, size_t valid, size_t count, size_t width, void* panel) {
    const char* source = static_cast<const char*>(rows);
    char* to = static_cast<char*>(panel);
    const auto same = [](__m256i v) { return v; };
    if (width == 4) {
        interleave(source, stride, valid, 4 * count, same, [=](size_t i, __m256i low, __m256i high) {
            store_32(to + 64 * i, low);
            store_32(to + 64 * i + 32, high);
        });
        return;
    }
    // A dword holds elements 2i and 2i + 1: the low half-words of all lanes, then the high ones.
    interleave(source, stride, valid, 2 * count, same, [=](size_t i, __m256i low, __m256i high) {
        const __m256i mask = _mm256_set1_epi32(0xffff);
        const __m256i even = _mm256_packus_epi32(_mm256_and_si256(low, mask), _mm256_and_si256(high, mask));
        store_32(to + 64 * i, _mm256_permute4x64_epi64(even, 0xd8));
        if (2 * i + 1 == count) return;
        const __m256i odd = _mm256_packus_epi32(_mm256_srli_epi32(low, 16), _mm256_srli_epi32(high, 16));
        store_32(to + 64 * i + 32, _mm256_permute4x64_epi64(odd, 0xd8));
    });
}

void interleave_codes_4bit(const uint8_t* rows, size_t stride, size_t valid, size_t count, uint32_t* nibbles) {
    char* to = reinterpret_cast<char*>(nibbles);
    interleave(reinterpret_cast<const char*>(rows), stride, valid, 4 * count, panel_codes, [=](size_t i, __m256i low, __m256i high) {
        store_32(to + 64 * i, low);
        store_32(to + 64 * i + 32, high);
    });
}

}  // namespace nq::cpu::avx2
