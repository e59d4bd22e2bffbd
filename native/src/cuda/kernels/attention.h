// What the kernels of attention share: the operation, and which positions of the sequence a query row attends to.
#pragma once

#include "cuda/device/kv_layout.h"
#include "cuda/device/view.h"

namespace nq::cuda {

// Causal grouped-query attention of a layer's last T positions. The query rows of a key-value head are counted r = t * group + g, for new
// position t and query head g of the group.
struct attention_operation {
    kv_view cache;
    view q, y;        // [T, kv_heads * group * head_dim]
    uint64_t length;  // positions of the layer
    uint64_t window;  // positions attended to, 1 to length
    uint32_t group;
    float scale;
};

NQ_HOST_DEVICE uint64_t attention_rows(const attention_operation& a) { return a.q.rows * a.group; }
// New position t attends to positions first <= p < last of the sequence.
NQ_HOST_DEVICE uint64_t last_position(const attention_operation& a, uint64_t t) { return a.length - a.q.rows + t + 1; }
NQ_HOST_DEVICE uint64_t first_position(const attention_operation& a, uint64_t t) {
    const uint64_t last = last_position(a, t);
    return last <= a.window ? 0 : last - a.window;
}
// Where row r of a head begins in q and in y, in elements.
NQ_HOST_DEVICE uint64_t row_offset(const attention_operation& a, const view& v, uint64_t head, uint64_t r) {
    return r / a.group * v.row_stride + (head * a.group + r % a.group) * a.cache.head_dim;
}

}  // namespace nq::cuda
