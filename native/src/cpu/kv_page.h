// A page of a KV cache as the attention kernels read it: keys and values of 64 consecutive positions of one key-value head. Keys lie by
// element, values by position, so that both are the right-hand side of a product whose lanes are columns: positions for q . k, elements
// for weights . v. Nothing is ever added across lanes.
//
// D = head_dim, C = D rounded up to 16.
// f32   keys [D][64], values [64][C]
// bf16  keys [D rounded up to 2][64] and values [64][C], in both two rows interleaved: [row / 2][column][row % 2]. A dword holds two
//       consecutive terms of one column's sum, the order of bf16 dot products.
// int8  codes of keys [D][64] and values [64][C], and one f32 scale per position for each: element = code * scale.
// Elements past D are 0; positions not yet written hold anything and may not reach a result.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "nativequant/nativequant.h"

namespace nq::cpu {

inline constexpr size_t page_positions = 64;

struct kv_page {
    void* keys;
    void* values;
    float* key_scales;    // int8: [64], else null
    float* value_scales;  // int8: [64], else null
    nq_dtype dtype;
    size_t head_dim;
    size_t position;   // of the first in the sequence
    size_t bytes;      // of keys, values and scales, which follow each other in memory
    const void* next;  // memory of the page that will be read after this one, or null
};

// Query rows that share a key-value head, and how far the softmax of each has come. Per row r, with s[p] = scale * q[r] . k[p] over the
// positions first[r] <= p < last[r] of a page:
//     m = max(largest[r], max s), f = e^(largest[r] - m), sum[r] = f sum[r] + sum_p e^(s[p] - m),
//     acc[r] = f acc[r] + sum_p e^(s[p] - m) v[p], largest[r] = m.
// Begins with largest = -infinity, sum = 0, acc = 0; the result is acc / sum. NaN scores make sum and acc NaN.
struct attention_rows {
    const float* q;       // [count][stride], 0 past head_dim
    float* acc;           // [count][stride]
    float* largest;       // [count]
    float* sum;           // [count]
    const size_t* first;  // [count], ascending: positions of the sequence attended to
    const size_t* last;   // [count], ascending
    size_t count;
    size_t stride;  // head_dim rounded up to 16
    float scale;
};

// static: a file compiled for another instruction set must keep its copy to itself
static inline size_t page_columns(size_t head_dim) { return (head_dim + 15) / 16 * 16; }
static inline size_t page_key_rows(nq_dtype dtype, size_t head_dim) { return dtype == NQ_DTYPE_BF16 ? (head_dim + 1) / 2 * 2 : head_dim; }
// Where element (row, column) of keys or values lies, counted in elements.
static inline size_t page_index(nq_dtype dtype, size_t row, size_t column, size_t columns) {
    return dtype == NQ_DTYPE_BF16 ? (row / 2 * columns + column) * 2 + row % 2 : row * columns + column;
}

// Floats a kernel may use for a page expanded to f32.
static inline size_t page_scratch(size_t head_dim) { return page_positions * (head_dim + page_columns(head_dim)); }

}  // namespace nq::cpu
