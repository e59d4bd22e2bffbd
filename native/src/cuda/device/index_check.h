// Indices out of range (token ids, positions): a kernel leaves their rows alone and notes the first in a record of the device, which the
// host reads when it next waits (see device_errors.h).
#pragma once

#include "cuda/device/target.h"

#if defined(NQ_DEVICE_CODE) || defined(NQ_SIMT)
#include "cuda/device/instructions.h"
#endif

namespace nq::cuda {

enum class index_kind : uint32_t { none, token_id, position };

// The first of an operation's indices that is not below `limit`; kind none: all were. The first operation that fails keeps the record.
struct index_error {
    index_kind kind;
    uint32_t value;
    uint64_t index;
    uint64_t limit;
};

#if defined(NQ_DEVICE_CODE) || defined(NQ_SIMT)

// For every thread of one block of an operation.
NQ_DEVICE void check_indices(const uint32_t* indices, uint64_t count, uint64_t limit, index_kind kind, index_error* error) {
    constexpr uint32_t none = 0xffffffff;
    NQ_SHARED(uint32_t, first, 1);
    if (threadIdx.x == 0) first[0] = none;
    sync_block();
    for (uint64_t i = threadIdx.x; i < count && i < none; i += blockDim.x) {
        if (indices[i] < limit) continue;
        atomic_min(first, static_cast<uint32_t>(i));
        break;
    }
    sync_block();
    if (threadIdx.x == 0 && first[0] != none && error->kind == index_kind::none) *error = {kind, indices[first[0]], first[0], limit};
}

#endif

}  // namespace nq::cuda
