// Sums split over several blocks, without float atomics: each block leaves its part in global memory and takes a ticket; the block that
// takes the last one adds all parts in their fixed order. Tickets are zero before the launch, and zero again after it.
#pragma once

#include "cuda/device/instructions.h"

namespace nq::cuda {

// By all threads of a block, after they have written their parts. True in all threads of the last of `blocks` blocks: they may read the
// parts of all. `is_last`: a word of shared memory, not to be written before the block is synchronised again.
NQ_DEVICE bool last_to_arrive(uint32_t* ticket, uint32_t blocks, uint32_t* is_last) {
    sync_block();
    if (threadIdx.x == 0) {
        fence_device();
        is_last[0] = atomic_add(ticket, 1) == blocks - 1;
        fence_device();
        if (is_last[0] != 0) *ticket = 0;
    }
    sync_block();
    return is_last[0] != 0;
}
NQ_DEVICE bool last_to_arrive(uint32_t* ticket, uint32_t blocks) {
    NQ_SHARED(uint32_t, is_last, 1);
    return last_to_arrive(ticket, blocks, is_last);
}

}  // namespace nq::cuda
