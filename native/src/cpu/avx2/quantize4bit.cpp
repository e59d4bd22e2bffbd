// Quantization to 4 bits, bit for bit as formats/quantizers.h defines it: products, quotients and comparisons in the same order, nothing
// fused.
#include "cpu/avx2/functions.h"
#include "cpu/avx2/vector.h"
#include "formats/codebooks.h"
#include "formats/half.h"

namespace nq::cpu::avx2 {
namespace {

constexpr float infinity = __builtin_inff();

template <nq_dtype dtype>
constexpr size_t size_of = dtype == NQ_DTYPE_F32 ? 4 : 2;

template <nq_dtype dtype>
__m256 load_8(const char* source) {
    if constexpr (dtype == NQ_DTYPE_F32) {
        return _mm256_loadu_ps(reinterpret_cast<const float*>(source));
    } else {
        const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source));
        return dtype == NQ_DTYPE_BF16 ? load_bf16(halves) : _mm256_cvtph_ps(halves);
    }
}

// Largest |x|; not finite if a value is not. Magnitudes order like their bits; those of 16 bits are reduced as such.
template <nq_dtype dtype>
float largest(const char* source, size_t n) {
    if constexpr (dtype == NQ_DTYPE_F32) {
        return absmax(reinterpret_cast<const float*>(source), n);
    } else {
        __m256i most = _mm256_setzero_si256();
        const __m256i magnitude = _mm256_set1_epi16(0x7fff);
        size_t i = 0;
        for (; i + 16 <= n; i += 16) {
            const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + 2 * i));
            most = _mm256_max_epu16(most, _mm256_and_si256(halves, magnitude));
        }
        if (i < n) {
            uint16_t rest[16] = {};
            memcpy(rest, source + 2 * i, 2 * (n - i));
            most = _mm256_max_epu16(most, _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(rest)), magnitude));
        }
        const __m128i half = _mm_max_epu16(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
        const __m128i least = _mm_minpos_epu16(_mm_xor_si128(half, _mm_set1_epi16(-1)));  // there is no instruction for the largest
        const uint16_t bits = static_cast<uint16_t>(~_mm_cvtsi128_si32(least));
        return dtype == NQ_DTYPE_BF16 ? formats::f32_from_bf16(bits) : _cvtsh_ss(bits);
    }
}

// y of a block: times the reciprocal of absmax, or divided by absmax where that overflows.
template <bool divide>
struct block_scale {
    explicit block_scale(float absmax) : factor(_mm256_set1_ps(divide ? absmax : 1.0f / absmax)) {}
    __m256 apply(__m256 x) const { return divide ? _mm256_div_ps(x, factor) : _mm256_mul_ps(x, factor); }
    __m256 factor;
};

// Binary search by permutes. Comparisons give -1 for true, so a count c of thresholds found below is held as -c, and as a permute takes
// an index mod 8, the next threshold lies at -c mod 8 of the table of its step.
struct search_table {
    float next[8];
};
// For counts in `choices` steps up to `most`: the threshold in the middle of each step.
constexpr search_table next_thresholds(const float* thresholds, int most, int choices) {
    search_table table{};
    for (int c = 0; c < choices; c++) table.next[-c & 7] = thresholds[(2 * c + 1) * (most / choices / 2) - 1];
    return table;
}

// 2 * count, plus one (both negative) where the threshold after the count is below y.
__m256i search(__m256 y, __m256 thresholds, __m256i count) {
    const __m256 threshold = _mm256_permutevar8x32_ps(thresholds, count);
    return _mm256_add_epi32(_mm256_add_epi32(count, count), _mm256_castps_si256(_mm256_cmp_ps(threshold, y, _CMP_LT_OQ)));
}

struct nf4 {
    static constexpr uint8_t zeros = 0x77;  // two codes of 0
    static constexpr search_table fours = next_thresholds(formats::nf4_thresholds, 16, 2),
                                  twos = next_thresholds(formats::nf4_thresholds, 16, 4),
                                  ones = next_thresholds(formats::nf4_thresholds, 16, 8);

    __m256 fours_ = _mm256_loadu_ps(fours.next), twos_ = _mm256_loadu_ps(twos.next), ones_ = _mm256_loadu_ps(ones.next);

    // Negative codes.
    __m256i codes(__m256 y) const {
        const __m256i upper = _mm256_castps_si256(_mm256_cmp_ps(_mm256_set1_ps(formats::nf4_thresholds[7]), y, _CMP_LT_OQ));
        return search(y, ones_, search(y, twos_, search(y, fours_, upper)));
    }
};

struct code_table {
    int32_t code[8];
};
// Index: the negative order of the magnitude, mod 8.
constexpr code_table fp4_codes_by_magnitude() {
    code_table table{};
    for (int i = 0; i < 8; i++) table.code[-i & 7] = formats::fp4_magnitude_codes[i];
    return table;
}

struct fp4 {
    static constexpr uint8_t zeros = 0;
    static constexpr search_table twos = next_thresholds(formats::fp4_thresholds, 8, 2);
    static constexpr search_table ones = next_thresholds(formats::fp4_thresholds, 8, 4);
    static constexpr code_table by_magnitude = fp4_codes_by_magnitude();

    __m256 twos_ = _mm256_loadu_ps(twos.next), ones_ = _mm256_loadu_ps(ones.next);
    __m256i codes_ = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(by_magnitude.code));

    __m256i codes(__m256 y) const {
        const __m256 size = magnitude(y);
        const __m256i upper = _mm256_castps_si256(_mm256_cmp_ps(_mm256_set1_ps(formats::fp4_thresholds[3]), size, _CMP_LT_OQ));
        const __m256i code = _mm256_permutevar8x32_epi32(codes_, search(size, ones_, search(size, twos_, upper)));
        const __m256i negative = _mm256_castps_si256(_mm256_cmp_ps(y, _mm256_setzero_ps(), _CMP_LT_OQ));
        return _mm256_or_si256(code, _mm256_and_si256(negative, _mm256_set1_epi32(8)));
    }
};

// 32 values to 16 bytes of two codes each, the first in the high nibble.
template <nq_dtype dtype, bool divide, class Format>
__m128i pack_32(const char* source, const block_scale<divide>& scale, const Format& format) {
    __m256i code[4];
    for (size_t i = 0; i < 4; i++) code[i] = format.codes(scale.apply(load_8<dtype>(source + 8 * i * size_of<dtype>)));
    const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(code[0], code[1]), _mm256_packs_epi32(code[2], code[3]));
    const __m256i in_order = _mm256_permutevar8x32_epi32(_mm256_abs_epi8(bytes), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    const __m256i pairs = _mm256_maddubs_epi16(in_order, _mm256_set1_epi16(0x0110));  // 16 * first + second
    return _mm_packus_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
}

template <nq_dtype dtype, bool divide, class Format>
void pack_block(const char* source, size_t n, float absmax, const Format& format, uint8_t* packed) {
    const block_scale<divide> scale(absmax);
    size_t i = 0;
    for (; i + 32 <= n; i += 32)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(packed + i / 2), pack_32<dtype>(source + i * size_of<dtype>, scale, format));
    if (i < n) {
        char values[32 * size_of<dtype>] = {};
        uint8_t bytes[16];
        memcpy(values, source + i * size_of<dtype>, (n - i) * size_of<dtype>);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes), pack_32<dtype>(values, scale, format));
        memcpy(packed + i / 2, bytes, (n - i + 1) / 2);
    }
}

template <nq_dtype dtype, class Format>
bool quantize(const char* source, size_t n, uint32_t blocksize, uint8_t* packed, float* absmax) {
    const Format format;
    bool finite = true;
    for (size_t first = 0; first < n; first += blocksize, ++absmax) {
        const char* x = source + first * size_of<dtype>;
        uint8_t* bytes = packed + first / 2;
        const size_t count = n - first < blocksize ? n - first : blocksize;
        const float most = largest<dtype>(x, count);
        *absmax = most;
        if (most < infinity && 1.0f / most < infinity) {
            pack_block<dtype, false>(x, count, most, format, bytes);
        } else if (most == 0) {
            memset(bytes, Format::zeros, (count + 1) / 2);
        } else if (most < infinity) {
            pack_block<dtype, true>(x, count, most, format, bytes);
        } else {
            finite = false;
        }
    }
    return finite;
}

template <nq_dtype dtype>
bool quantize(const void* source, size_t n, uint32_t blocksize, nq_quant_type type, uint8_t* packed, float* absmax) {
    const char* x = static_cast<const char*>(source);
    return type == NQ_QUANT_TYPE_FP4 ? quantize<dtype, fp4>(x, n, blocksize, packed, absmax)
                                     : quantize<dtype, nf4>(x, n, blocksize, packed, absmax);
}

}  // namespace

bool quantize_4bit(const void* source, nq_dtype dtype, size_t n, uint32_t blocksize, nq_quant_type type, uint8_t* packed, float* absmax) {
    switch (dtype) {
        case NQ_DTYPE_F16:
            return quantize<NQ_DTYPE_F16>(source, n, blocksize, type, packed, absmax);
        case NQ_DTYPE_BF16:
            return quantize<NQ_DTYPE_BF16>(source, n, blocksize, type, packed, absmax);
        default:
            return quantize<NQ_DTYPE_F32>(source, n, blocksize, type, packed, absmax);
    }
}

}  // namespace nq::cpu::avx2
