// Attention of query rows over a page of keys and values: the vectors for attention_page.h.
#include "cpu/attention_page.h"
#include "cpu/avx512/functions.h"
#include "cpu/avx512/vector.h"

namespace nq::cpu::avx512 {
namespace {

struct vectors {
    using vector = __m512;
    static constexpr size_t lanes = 16;
    static constexpr int tile_vectors = 4;        // 6 x 4 sums, 4 vectors of a row, one broadcast
    static constexpr size_t converting_rows = 6;  // of a tile whose operand is converted as it is read

    static vector zero() { return _mm512_setzero_ps(); }
    static vector set1(float x) { return _mm512_set1_ps(x); }
    static vector load(const float* x) { return _mm512_loadu_ps(x); }
    static void store(float* x, vector v) { _mm512_storeu_ps(x, v); }
    static vector load_int8(const int8_t* x) {
        return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))));
    }
    static vector load_even(const uint16_t* pairs) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(pairs), 16)); }
    static vector load_odd(const uint16_t* pairs) {
        return _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(pairs), _mm512_set1_epi32(-65536)));
    }
    // Inlined at once: what only prefetches looks to GCC 12 like a function without effect, and its calls like dead code.
    [[gnu::always_inline]] static void prefetch(const char* p) { _mm_prefetch(p, _MM_HINT_T0); }

    static vector add(vector a, vector b) { return _mm512_add_ps(a, b); }
    static vector subtract(vector a, vector b) { return _mm512_sub_ps(a, b); }
    static vector multiply(vector a, vector b) { return _mm512_mul_ps(a, b); }
    static vector multiply_add(vector a, vector b, vector c) { return _mm512_fmadd_ps(a, b, c); }
    static vector greater(vector a, vector b) { return _mm512_max_ps(a, b); }  // b where a is NaN
    static vector exp(vector x) { return exp_f32(x); }
    // x in the lanes of positions begin <= p < end, other elsewhere; lane 0 is position p.
    static vector between(size_t p, size_t begin, size_t end, vector x, vector other) {
        const unsigned below_end = end <= p ? 0 : first_lanes(end - p), below_begin = begin <= p ? 0 : first_lanes(begin - p);
        return _mm512_mask_mov_ps(other, static_cast<__mmask16>(below_end & ~below_begin), x);
    }
    static float largest_lane(vector v) { return _mm512_reduce_max_ps(v); }
    static float sum_lanes(vector v) { return _mm512_reduce_add_ps(v); }
};

}  // namespace

void attention_page(const kv_page& page, const attention_rows& rows, float* scratch) {
    page_attention<vectors>::attend_page(page, rows, scratch);
}

}  // namespace nq::cpu::avx512
