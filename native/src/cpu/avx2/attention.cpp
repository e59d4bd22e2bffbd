// Attention of one query row over a run of positions.
#include "cpu/avx2/functions.h"
#include "cpu/avx2/vector.h"

namespace nq::cpu::avx2 {
namespace {

// Four keys at a time share the loads of q.
template <int keys>
void score_keys(const float* q, const float* k, size_t key_stride, size_t head_dim, float scale, float* scores) {
    __m256 sum[keys];
    for (int p = 0; p < keys; ++p) sum[p] = _mm256_setzero_ps();
    for (size_t i = 0; i < head_dim; i += 8) {
        const __m256 qi = load_first(q + i, head_dim - i);
        for (int p = 0; p < keys; ++p)
            sum[p] = _mm256_fmadd_ps(qi, load_first(k + static_cast<size_t>(p) * key_stride + i, head_dim - i), sum[p]);
    }
    for (int p = 0; p < keys; ++p) scores[p] = scale * sum_lanes(sum[p]);
}

// 8 * vectors columns of v, summed over all positions in registers.
template <int vectors>
void sum_values(const float* weights, const float* v, size_t value_stride, size_t count, float* acc) {
    __m256 sum[vectors];
    for (int j = 0; j < vectors; ++j) sum[j] = _mm256_loadu_ps(acc + 8 * j);
    for (size_t p = 0; p < count; ++p, v += value_stride) {
        const __m256 weight = _mm256_set1_ps(weights[p]);
        for (int j = 0; j < vectors; ++j) sum[j] = _mm256_fmadd_ps(weight, _mm256_loadu_ps(v + 8 * j), sum[j]);
    }
    for (int j = 0; j < vectors; ++j) _mm256_storeu_ps(acc + 8 * j, sum[j]);
}

}  // namespace

void attention_scores(const float* q, const float* k, size_t key_stride, size_t count, size_t head_dim, float scale, float* scores) {
    size_t p = 0;
    for (; p + 4 <= count; p += 4) score_keys<4>(q, k + p * key_stride, key_stride, head_dim, scale, scores + p);
    for (; p < count; ++p) score_keys<1>(q, k + p * key_stride, key_stride, head_dim, scale, scores + p);
}

void attention_values(const float* weights, const float* v, size_t value_stride, size_t count, size_t head_dim, float* acc) {
    size_t i = 0;
    for (; i + 64 <= head_dim; i += 64) sum_values<8>(weights, v + i, value_stride, count, acc + i);
    for (; i + 8 <= head_dim; i += 8) sum_values<1>(weights, v + i, value_stride, count, acc + i);
    if (i == head_dim) return;
    __m256 sum = load_first(acc + i, head_dim - i);
    for (size_t p = 0; p < count; ++p)
        sum = _mm256_fmadd_ps(_mm256_set1_ps(weights[p]), load_first(v + p * value_stride + i, head_dim - i), sum);
    store_first(acc + i, head_dim - i, sum);
}

}  // namespace nq::cpu::avx2
