// Quantization to 4 bits, row by row.
#include "cpu/avx512/codes4bit.h"
#include "cpu/avx512/functions.h"
#include "cpu/avx512/vector.h"

namespace nq::cpu::avx512 {
namespace {

constexpr size_t run_values = 2048;  // whole blocks of up to 8 KiB; the run after it is prefetched

// 16 bytes of two codes each, the even one in the high nibble.
template <nq_dtype dtype, bool divide, class Format>
__m128i pack_32(const char* source, size_t n, __m512 factor, const Format& format) {
    const value_pairs x = load_pairs<dtype>(source, n);
    const __m512i codes = format.codes(scaled<divide>(x.even, factor), scaled<divide>(x.odd, factor));
    return _mm512_cvtepi32_epi8(_mm512_madd_epi16(codes, _mm512_set1_epi32(0x00010010)));
}

template <nq_dtype dtype, bool divide, class Format>
void pack_block(const char* source, size_t n, float factor, const Format& format, uint8_t* packed) {
    const __m512 factors = _mm512_set1_ps(factor);
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        const char* x = source + i * size_of<dtype>;
        for (size_t line = 0; line < 32 * size_of<dtype>; line += 64) _mm_prefetch(x + run_values * size_of<dtype> + line, _MM_HINT_T0);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(packed + i / 2), pack_32<dtype, divide>(x, 32, factors, format));
    }
    if (i < n) {
        const __mmask16 bytes = static_cast<__mmask16>((1u << ((n - i + 1) / 2)) - 1u);
        _mm_mask_storeu_epi8(packed + i / 2, bytes, pack_32<dtype, divide>(source + i * size_of<dtype>, n - i, factors, format));
    }
}

// Each run of blocks is read twice: for all absmax, so that none of the codes waits for its own, and for the codes, from the cache.
template <nq_dtype dtype, class Format>
bool quantize(const char* source, size_t n, uint32_t blocksize, uint8_t* packed, float* absmax) {
    const Format format;
    const size_t run = blocksize > run_values ? blocksize : run_values;
    bool finite = true;
    for (size_t first = 0; first < n; first += run, source += run * size_of<dtype>, packed += run / 2, absmax += run / blocksize) {
        const size_t count = n - first < run ? n - first : run;
        size_t blocks = 0;
        for (size_t i = 0; i < count; i += blocksize)
            absmax[blocks++] = largest<dtype>(source + i * size_of<dtype>, count - i < blocksize ? count - i : blocksize);
        float reciprocals[run_values / 32];
        if (invert(absmax, blocks, reciprocals)) {
            for (size_t b = 0, i = 0; i < count; ++b, i += blocksize)
                pack_block<dtype, false>(source + i * size_of<dtype>, count - i < blocksize ? count - i : blocksize, reciprocals[b], format,
                                         packed + i / 2);
            continue;
        }
        for (size_t b = 0, i = 0; i < count; ++b, i += blocksize) {
            const char* x = source + i * size_of<dtype>;
            const size_t values = count - i < blocksize ? count - i : blocksize;
            if (!(absmax[b] < infinity))
                finite = false;
            else if (reciprocals[b] < infinity)
                pack_block<dtype, false>(x, values, reciprocals[b], format, packed + i / 2);
            else
                pack_block<dtype, true>(x, values, absmax[b], format, packed + i / 2);
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

}  // namespace nq::cpu::avx512
