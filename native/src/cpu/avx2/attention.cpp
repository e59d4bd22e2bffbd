// Attention of query rows over a page of keys and values: the vectors for attention_page.h.
#include "cpu/attention_page.h"
#include "cpu/avx2/functions.h"
#include "cpu/avx2/vector.h"

namespace nq::cpu::avx2 {
namespace {

struct vectors {
    using vector = __m256;
    static constexpr size_t lanes = 8;
    static constexpr int tile_vectors = 2;        // 6 x 2 sums, 2 vectors of a row, one broadcast
    static constexpr size_t converting_rows = 4;  // of a tile whose operand is converted as it is read: the registers hold no more

    static vector zero() { return _mm256_setzero_ps(); }
    static vector set1(float x) { return _mm256_set1_ps(x); }
    static vector load(const float* x) { return _mm256_loadu_ps(x); }
    static void store(float* x, vector v) { _mm256_storeu_ps(x, v); }
    static vector load_int8(const int8_t* x) {
        return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x))));
    }
    static vector load_even(const uint16_t* pairs) {
        return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(pairs)), 16));
    }
    static vector load_odd(const uint16_t* pairs) {
        const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(pairs));
        return _mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32(-65536)));
    }
    // Inlined at once: what only prefetches looks to GCC 12 like a function without effect, and its calls like dead code.
    [[gnu::always_inline]] static void prefetch(const char* p) { _mm_prefetch(p, _MM_HINT_T0); }

    static vector add(vector a, vector b) { return _mm256_add_ps(a, b); }
    static vector subtract(vector a, vector b) { return _mm256_sub_ps(a, b); }
    static vector multiply(vector a, vector b) { return _mm256_mul_ps(a, b); }
    static vector multiply_add(vector a, vector b, vector c) { return _mm256_fmadd_ps(a, b, c); }
    static vector greater(vector a, vector b) { return _mm256_max_ps(a, b); }  // b where a is NaN
    static vector exp(vector x) { return exp_f32(x); }
    // x in the lanes of positions begin <= p < end, other elsewhere; lane 0 is position p.
    static vector between(size_t p, size_t begin, size_t end, vector x, vector other) {
        const __m256i below_end = first_lanes(end <= p ? 0 : end - p), below_begin = first_lanes(begin <= p ? 0 : begin - p);
        return _mm256_blendv_ps(other, x, _mm256_castsi256_ps(_mm256_andnot_si256(below_begin, below_end)));
    }
    static float largest_lane(vector v) {
        const __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
        const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
        return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
    }
    static float sum_lanes(vector v) { return avx2::sum_lanes(v); }
};

}  // namespace

void attention_page(const kv_page& page, const attention_rows& rows, float* scratch) {
    page_attention<vectors>::attend_page(page, rows, scratch);
}

}  // namespace nq::cpu::avx2
