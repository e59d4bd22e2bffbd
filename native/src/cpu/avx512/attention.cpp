// Attention of one query row over a run of positions.
#include "cpu/avx512/functions.h"
#include "cpu/avx512/vector.h"

namespace nq::cpu::avx512 {
namespace {

// Four keys at a time share the loads of q.
template <int keys>
void score_keys(const float* q, const float* k, size_t key_stride, size_t head_dim, float scale, float* scores) {
    __m512 sum[keys];
    for (int p = 0; p < keys; ++p) sum[p] = _mm512_setzero_ps();
    for (size_t i = 0; i < head_dim; i += 16) {
        const __mmask16 lanes = first_lanes(head_dim - i);
        const __m512 qi = _mm512_maskz_loadu_ps(lanes, q + i);
        for (int p = 0; p < keys; ++p)
            sum[p] = _mm512_fmadd_ps(qi, _mm512_maskz_loadu_ps(lanes, k + static_cast<size_t>(p) * key_stride + i), sum[p]);
    }
    for (int p = 0; p < keys; ++p) scores[p] = scale * _mm512_reduce_add_ps(sum[p]);
}

// 16 * vectors columns of v, summed over all positions in registers.
template <int vectors>
void sum_values(const float* weights, const float* v, size_t value_stride, size_t count, size_t columns, float* acc) {
    const __mmask16 last = first_lanes(columns - 16 * (vectors - 1));
    __m512 sum[vectors];
    for (int j = 0; j < vectors; ++j) sum[j] = _mm512_maskz_loadu_ps(j == vectors - 1 ? last : 0xffff, acc + 16 * j);
    for (size_t p = 0; p < count; ++p, v += value_stride) {
        const __m512 weight = _mm512_set1_ps(weights[p]);
        for (int j = 0; j < vectors; ++j)
            sum[j] = _mm512_fmadd_ps(weight, _mm512_maskz_loadu_ps(j == vectors - 1 ? last : 0xffff, v + 16 * j), sum[j]);
    }
    for (int j = 0; j < vectors; ++j) _mm512_mask_storeu_ps(acc + 16 * j, j == vectors - 1 ? last : 0xffff, sum[j]);
}

}  // namespace

void attention_scores(const float* q, const float* k, size_t key_stride, size_t count, size_t head_dim, float scale, float* scores) {
    size_t p = 0;
    for (; p + 4 <= count; p += 4) score_keys<4>(q, k + p * key_stride, key_stride, head_dim, scale, scores + p);
    for (; p < count; ++p) score_keys<1>(q, k + p * key_stride, key_stride, head_dim, scale, scores + p);
}

void attention_values(const float* weights, const float* v, size_t value_stride, size_t count, size_t head_dim, float* acc) {
    for (size_t i = 0; i < head_dim; i += 64) {
        const size_t columns = head_dim - i;
        if (columns > 48)
            sum_values<4>(weights, v + i, value_stride, count, columns < 64 ? columns : 64, acc + i);
        else if (columns > 32)
            sum_values<3>(weights, v + i, value_stride, count, columns, acc + i);
        else if (columns > 16)
            sum_values<2>(weights, v + i, value_stride, count, columns, acc + i);
        else
            sum_values<1>(weights, v + i, value_stride, count, columns, acc + i);
    }
}

}  // namespace nq::cpu::avx512
