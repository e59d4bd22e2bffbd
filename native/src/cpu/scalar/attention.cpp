// Attention of query rows over a page of keys and values.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/scalar/scalar.h"
#include "formats/half.h"

namespace nq::cpu::scalar {
namespace {

// Element (row, column) of a page's keys or values.
double element(nq_dtype dtype, const void* data, size_t row, size_t column, size_t columns) {
    const size_t i = page_index(dtype, row, column, columns);
    if (dtype == NQ_DTYPE_F32) return static_cast<const float*>(data)[i];
    if (dtype == NQ_DTYPE_BF16) return formats::f32_from_bf16(static_cast<const uint16_t*>(data)[i]);
    return static_cast<const int8_t*>(data)[i];
}

double key(const kv_page& page, size_t p, size_t i) {
    const double scale = page.key_scales == nullptr ? 1.0 : page.key_scales[p];
    return scale * element(page.dtype, page.keys, i, p, page_positions);
}

double value(const kv_page& page, size_t p, size_t i) {
    const double scale = page.value_scales == nullptr ? 1.0 : page.value_scales[p];
    return scale * element(page.dtype, page.values, p, i, page_columns(page.head_dim));
}

}  // namespace

void attention_page(const kv_page& page, const attention_rows& rows, float*) {
    constexpr float none = -std::numeric_limits<float>::infinity();
    for (size_t r = 0; r < rows.count; r++) {
        const float* q = rows.q + r * rows.stride;
        float* acc = rows.acc + r * rows.stride;
        const size_t begin = std::max(rows.first[r], page.position) - page.position;
        const size_t end = std::min(std::max(rows.last[r], page.position) - page.position, page_positions);
        float scores[page_positions];
        float largest = rows.largest[r];
        for (size_t p = begin; p < end; p++) {
            double dot = 0;
            for (size_t i = 0; i < page.head_dim; i++) dot += q[i] * key(page, p, i);
            scores[p] = static_cast<float>(rows.scale * dot);
            if (scores[p] > largest) largest = scores[p];
        }
        const float shift = largest == none ? 0.0f : largest;  // nothing but -infinity so far: any finite shift gives weights 0
        const double factor = rows.largest[r] == largest ? 1.0 : std::exp(static_cast<double>(rows.largest[r]) - shift);
        double sum = factor * rows.sum[r];
        for (size_t p = begin; p < end; p++) sum += scores[p] = std::exp(scores[p] - shift);
        for (size_t i = 0; begin < end && i < page.head_dim; i++) {
            double total = factor * acc[i];
            for (size_t p = begin; p < end; p++) total += scores[p] * value(page, p, i);
            acc[i] = static_cast<float>(total);
        }
        rows.largest[r] = largest;
        rows.sum[r] = static_cast<float>(sum);
    }
}

}  // namespace nq::cpu::scalar
