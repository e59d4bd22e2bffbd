// Quantizers and dequantizers, bit for bit as formats/quantizers.h defines them: products, quotients and comparisons in the same order,
// nothing fused.
#include "cpu/avx2/functions.h"
#include "cpu/avx2/vector.h"
#include "formats/quantizers.h"

namespace nq::cpu::avx2 {
namespace {

constexpr uint32_t infinity_bits = 0x7f800000;

float float_of(uint32_t bits) { return __builtin_bit_cast(float, bits); }

// Largest of 8 magnitudes compared as integers, which puts infinity and then NaN on top.
float largest_magnitude(__m256i bits) {
    __m128i v = _mm_max_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
    v = _mm_max_epi32(v, _mm_shuffle_epi32(v, 0x4e));
    return float_of(static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_max_epi32(v, _mm_shuffle_epi32(v, 0xb1)))));
}

// y = x * (1 / absmax), x / absmax where the reciprocal overflows, 0 in a block of zeros.
class block_scale {
public:
    explicit block_scale(float absmax)
        : absmax_(_mm256_set1_ps(absmax)),
          reciprocal_(_mm256_set1_ps(1.0f / absmax)),
          zero_(absmax == 0.0f),
          divide_(1.0f / absmax > 0x1.fffffep+127f) {}

    __m256 apply(__m256 x) const {
        if (zero_) return _mm256_setzero_ps();
        return divide_ ? _mm256_div_ps(x, absmax_) : _mm256_mul_ps(x, reciprocal_);
    }

private:
    __m256 absmax_;
    __m256 reciprocal_;
    bool zero_;
    bool divide_;
};

// 8 codes of 4 packed bytes, high nibble first.
__m256i unpack(uint32_t bytes) {
    const __m128i low_nibbles = _mm_set1_epi8(15);
    const __m128i packed = _mm_cvtsi32_si128(static_cast<int>(bytes));
    const __m128i high = _mm_and_si128(_mm_srli_epi16(packed, 4), low_nibbles);
    return _mm256_cvtepu8_epi32(_mm_unpacklo_epi8(high, _mm_and_si128(packed, low_nibbles)));
}

}  // namespace

float absmax(const float* x, size_t n) {
    __m256i most = _mm256_setzero_si256();
    for (size_t i = 0; i < n; i += 8) most = _mm256_max_epi32(most, _mm256_castps_si256(magnitude(load_first(x + i, n - i))));
    return largest_magnitude(most);
}

void dequantize_4bit(const uint8_t* packed, size_t first, size_t n, const float* codebook, const float* absmax, uint32_t blocksize,
                     float* values) {
    const __m256 low = _mm256_loadu_ps(codebook);
    const __m256 high = _mm256_loadu_ps(codebook + 8);
    const size_t end = first + n;
    size_t element = first;
    while (element < end) {
        const size_t block = element / blocksize;
        const float scale = absmax[block];
        const size_t block_end = (block + 1) * blocksize < end ? (block + 1) * blocksize : end;
        if (element % 2 == 1) {
            *values++ = codebook[packed[element / 2] & 15] * scale;
            ++element;
        }
        while (element < block_end) {
            const size_t count = block_end - element < 8 ? block_end - element : 8;
            uint32_t bytes = 0;
            memcpy(&bytes, packed + element / 2, (count + 1) / 2);
            const __m256i code = unpack(bytes);
            const __m256 top = _mm256_castsi256_ps(_mm256_slli_epi32(code, 28));
            const __m256 value = _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, code), _mm256_permutevar8x32_ps(high, code), top);
            store_first(values, count, _mm256_mul_ps(value, _mm256_set1_ps(scale)));
            values += count;
            element += count;
        }
    }
}

void quantize_8bit_block(const float* x, size_t n, float absmax, const formats::map_search& search, uint8_t* codes) {
    using formats::map_search;
    if (!search.exact()) {
        const formats::block_scale scale(absmax);
        for (size_t i = 0; i < n; ++i) codes[i] = formats::nearest_code_8bit(scale.apply(x[i]), search.map());
        return;
    }
    const block_scale scale(absmax);
    const __m256i first = _mm256_set1_epi32(map_search::first_cell), last = _mm256_set1_epi32(map_search::last_cell);
    const int* cells = reinterpret_cast<const int*>(search.cells());
    for (size_t i = 0; i < n; i += 8) {
        const __m256i y = _mm256_castps_si256(scale.apply(load_first(x + i, n - i)));
        const __m256i negative = _mm256_srai_epi32(y, 31);
        const __m256i upper = _mm256_srli_epi32(_mm256_and_si256(y, _mm256_set1_epi32(0x7fffffff)), 16);
        const __m256i positive_cell = _mm256_sub_epi32(_mm256_min_epi32(_mm256_max_epi32(upper, first), last), first);
        const __m256i cell = _mm256_add_epi32(positive_cell, _mm256_and_si256(negative, _mm256_set1_epi32(map_search::cells_per_sign)));
        const __m256i entry = _mm256_i32gather_epi32(cells, cell, 4);
        const __m256i lower = _mm256_and_si256(y, _mm256_set1_epi32(0xffff));
        const __m256i short_of = _mm256_cmpgt_epi32(_mm256_srli_epi32(entry, 8), lower);  // -1 where lower < limit
        // Positive y: one more unless short of the limit; negative y: one more if short of it.
        const __m256i more = _mm256_add_epi32(_mm256_xor_si256(short_of, negative), _mm256_set1_epi32(1));
        const __m256i code = _mm256_and_si256(_mm256_add_epi32(entry, more), _mm256_set1_epi32(0xff));
        store_first_bytes(codes + i, n - i, narrow_to_bytes(code));
    }
}

void dequantize_8bit_block(const uint8_t* codes, size_t n, const float* map, float absmax, float* values) {
    for (size_t i = 0; i < n; i += 8) {
        const __m256i code = _mm256_cvtepu8_epi32(load_first_bytes(codes + i, n - i));
        store_first(values + i, n - i, _mm256_mul_ps(_mm256_i32gather_ps(map, code, 4), _mm256_set1_ps(absmax)));
    }
}

float int8_row_absmax(const float* x, size_t n, float threshold, uint8_t* outlier_columns) {
    if (!(threshold > 0)) {
        const float most = absmax(x, n);
        return most < float_of(infinity_bits) ? most : __builtin_nanf("");
    }
    __m256i most = _mm256_setzero_si256();
    for (size_t i = 0; i < n; i += 8) {
        const __m256 size = magnitude(load_first(x + i, n - i));
        const __m256 below = _mm256_cmp_ps(size, _mm256_set1_ps(threshold), _CMP_LT_OQ);
        most = _mm256_max_epi32(most, _mm256_castps_si256(_mm256_and_ps(size, below)));
        unsigned outliers = ~static_cast<unsigned>(_mm256_movemask_ps(below)) & 0xff;
        for (; outliers != 0; outliers &= outliers - 1) outlier_columns[i + static_cast<size_t>(__builtin_ctz(outliers))] = 1;
    }
    return largest_magnitude(most);
}

void int8_quantize_row(const float* x, size_t n, float row_absmax, float threshold, const uint8_t* skip, int8_t* codes) {
    const __m256 usable = _mm256_castsi256_ps(_mm256_set1_epi32(row_absmax > 0 ? -1 : 0));
    const __m256 scale = _mm256_set1_ps(127.0f / row_absmax);
    for (size_t i = 0; i < n; i += 8) {
        const __m256 value = load_first(x + i, n - i);
        const __m256 scaled = _mm256_mul_ps(value, scale);
        __m256 kept = _mm256_and_ps(usable, _mm256_cmp_ps(scaled, scaled, _CMP_ORD_Q));
        if (threshold > 0) kept = _mm256_and_ps(kept, _mm256_cmp_ps(magnitude(value), _mm256_set1_ps(threshold), _CMP_LT_OQ));
        if (skip != nullptr) {
            const __m256i flags = _mm256_cvtepu8_epi32(load_first_bytes(skip + i, n - i));
            kept = _mm256_and_ps(kept, _mm256_castsi256_ps(_mm256_cmpeq_epi32(flags, _mm256_setzero_si256())));
        }
        const __m256 bounded = _mm256_min_ps(_mm256_max_ps(scaled, _mm256_set1_ps(-127.0f)), _mm256_set1_ps(127.0f));
        const __m256i code = _mm256_and_si256(_mm256_cvtps_epi32(bounded), _mm256_castps_si256(kept));
        store_first_bytes(codes + i, n - i, narrow_to_bytes(code));
    }
}

}  // namespace nq::cpu::avx2
