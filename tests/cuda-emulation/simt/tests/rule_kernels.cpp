// Small kernels that keep the rules, and kernels that each break one.
#include "rule_kernels.h"

#include "cuda/device/instructions.h"

namespace emulation_test {

using namespace nq::cuda;

// --- that keep the rules

NQ_KERNEL(write_thread_numbers, rule_parameters, 1024) {
    const uint32_t thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    const uint32_t block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    p.y[block * blockDim.x * blockDim.y * blockDim.z + thread] = block << 16 | thread;
}

// y[b * n + i] = x of the mirrored thread of the block, through static and dynamic shared memory.
NQ_KERNEL(mirror, rule_parameters, 256) {
    NQ_SHARED(uint32_t, staged, 256);
    NQ_DYNAMIC_SHARED(uint32_t, again);
    staged[threadIdx.x] = p.x[blockIdx.x * blockDim.x + threadIdx.x];
    sync_block();
    again[threadIdx.x] = staged[blockDim.x - 1 - threadIdx.x];
    sync_block();
    p.y[blockIdx.x * blockDim.x + threadIdx.x] = again[threadIdx.x];
}

// Sum over a warp by halves, each with its own mask, then a ballot of who is odd.
NQ_KERNEL(half_warp_sums, rule_parameters, 32) {
    const uint32_t mask = lane() < 16 ? 0x0000ffff : 0xffff0000;
    uint32_t sum = p.x[threadIdx.x];
    for (uint32_t distance = 8; distance > 0; distance /= 2) sum += shuffle_xor(sum, distance, mask);
    p.y[threadIdx.x] = sum;
    p.y[32 + threadIdx.x] = ballot(p.x[threadIdx.x] % 2 == 1, mask);
}

// Lanes of even number leave; the others go on with a mask that names them alone, and the block's barrier waits for nobody else.
NQ_KERNEL(half_leaves, rule_parameters, 64) {
    if (threadIdx.x % 2 == 0) return;
    sync_block();
    p.y[threadIdx.x] = shuffle(threadIdx.x, 31, 0xaaaaaaaa);
}

// A pipeline of two asynchronous copies; bytes beyond n become zero.
NQ_KERNEL(copy_in_two_stages, rule_parameters, 32) {
    NQ_SHARED(uint32_t, staged, 256);
    for (uint32_t stage = 0; stage < 2; stage++) {
        const uint32_t i = stage * 128 + threadIdx.x * 4, valid = i + 4 <= p.n ? 16 : i < p.n ? (p.n - i) * 4 : 0;
        copy_async16(staged + i, p.x + i, valid);
        copy_async_commit();
    }
    copy_async_wait<1>();
    sync_warp();
    p.y[threadIdx.x] = staged[127 - threadIdx.x];
    copy_async_wait<0>();
    sync_warp();
    p.y[32 + threadIdx.x] = staged[255 - threadIdx.x];
}

// Each block adds its n numbers; the last to finish adds what all blocks left in y, into y[0]. Without the fence after the ticket, or with
// the one before it on the wrong side of the barrier, nothing orders the blocks.
template <bool release, bool acquire>
NQ_DEVICE void add_by_ticket(const rule_parameters& p) {
    NQ_SHARED(uint32_t, is_last, 1);
    if (threadIdx.x < 32) {
        uint32_t sum = 0;
        for (uint32_t i = threadIdx.x; i < p.n; i += 32) sum += p.x[blockIdx.x * p.n + i];
        for (uint32_t distance = 16; distance > 0; distance /= 2) sum += shuffle_xor(sum, distance);
        if (threadIdx.x == 31) p.y[1 + blockIdx.x] = sum;
    }
    sync_block();
    if (threadIdx.x == 0) {
        if (release) fence_device();
        is_last[0] = atomic_add(p.ticket, 1) == gridDim.x - 1;
        if (acquire) fence_device();
    }
    sync_block();
    if (is_last[0] == 0 || threadIdx.x != 1) return;
    uint32_t all = 0;
    for (uint32_t b = 0; b < gridDim.x; b++) all += p.y[1 + b];
    p.y[0] = all;
    *p.ticket = 0;
}
NQ_KERNEL(ticket, rule_parameters, 64) { add_by_ticket<true, true>(p); }
NQ_KERNEL(ticket_without_release, rule_parameters, 64) { add_by_ticket<false, true>(p); }
NQ_KERNEL(ticket_without_acquire, rule_parameters, 64) { add_by_ticket<true, false>(p); }

NQ_KERNEL(atomics, rule_parameters, 64) {
    atomic_add(p.y, threadIdx.x);
    atomic_or(p.y + 1, 1u << threadIdx.x % 32);
    atomic_min(p.y + 2, threadIdx.x + 5);
}

// Writes a row of a vector type, reads the next lane's after a barrier of the warp.
NQ_KERNEL(vector_exchange, rule_parameters, 32) {
    NQ_SHARED(uint4, rows, 32);
    rows[threadIdx.x] = reinterpret_cast<const uint4*>(p.x)[threadIdx.x];
    sync_warp();
    reinterpret_cast<uint4*>(p.y)[threadIdx.x] = rows[(threadIdx.x + 1) % 32];
}

// Loads a matrix of 16-bit numbers, row r from where lane r points, and stores what every lane got.
NQ_KERNEL(load_matrices_of_numbers, rule_parameters, 32) {
    NQ_SHARED(uint16_t, numbers, 32 * 8);
    for (uint32_t i = 0; i < 8; i++) numbers[threadIdx.x * 8 + i] = static_cast<uint16_t>(threadIdx.x * 8 + i);
    sync_warp();
    uint32_t plain[4], transposed[4];
    load_matrix_x4(plain, numbers + threadIdx.x * 8);
    load_matrix_x4_transposed(transposed, numbers + threadIdx.x * 8);
    for (uint32_t i = 0; i < 4; i++) {
        p.y[threadIdx.x * 8 + i] = plain[i];
        p.y[threadIdx.x * 8 + 4 + i] = transposed[i];
    }
}

// --- that break one

NQ_KERNEL(barrier_in_half_a_warp_shuffle_in_the_other, rule_parameters, 32) {
    if (threadIdx.x < 16) {
        sync_block();
    } else {
        p.y[threadIdx.x] = shuffle(threadIdx.x, 0);
    }
}
NQ_KERNEL(different_collectives, rule_parameters, 32) {
    if (threadIdx.x < 16) {
        p.y[threadIdx.x] = shuffle(threadIdx.x, 0);
    } else {
        p.y[threadIdx.x] = ballot(true);
    }
}
NQ_KERNEL(different_barriers, rule_parameters, 32) {
    if (threadIdx.x < 16) {
        sync_block();
        p.y[threadIdx.x] = 1;
    } else {
        p.y[threadIdx.x] = 2;
        sync_block();
    }
}
NQ_KERNEL(different_masks, rule_parameters, 32) {
    sync_warp(threadIdx.x < 16 ? 0xffffffff : 0xffff0001);
    p.y[threadIdx.x] = 1;
}
NQ_KERNEL(shuffle_from_an_absent_lane, rule_parameters, 32) {
    if (threadIdx.x < 16) p.y[threadIdx.x] = shuffle(threadIdx.x, 16, 0xffff);
}
NQ_KERNEL(mask_without_the_caller, rule_parameters, 32) {
    sync_warp(0xffff);
    p.y[threadIdx.x] = 1;
}
NQ_KERNEL(mask_of_lanes_that_left, rule_parameters, 32) {
    if (threadIdx.x >= 16) return;
    sync_warp();
    p.y[threadIdx.x] = 1;
}
NQ_KERNEL(misaligned_matrix_load, rule_parameters, 32) {
    NQ_SHARED(uint32_t, rows, 256);
    uint32_t result[4];
    load_matrix_x4(result, rows + threadIdx.x * 4 + 1);
    p.y[threadIdx.x] = result[0];
}
NQ_KERNEL(matrix_load_from_device_memory, rule_parameters, 32) {
    uint32_t result[4];
    load_matrix_x4(result, p.x + threadIdx.x * 4);
    p.y[threadIdx.x] = result[0];
}
NQ_KERNEL(misaligned_copy, rule_parameters, 32) {
    NQ_SHARED(uint32_t, staged, 256);
    copy_async16(staged + threadIdx.x * 4, p.x + threadIdx.x * 4 + 1);
}
NQ_KERNEL(too_much_shared_memory, rule_parameters, 32) {
    NQ_SHARED(uint32_t, staged, 50 << 10);
    staged[threadIdx.x] = p.n;
}
NQ_KERNEL(mma_of_half_a_warp, rule_parameters, 16) {
    float c[4] = {};
    const uint32_t a[4] = {}, b[2] = {};
    mma_bf16(c, a, b);
    p.y[threadIdx.x] = static_cast<uint32_t>(c[0]);
}

// --- that only the checked build notices

NQ_KERNEL(mirror_without_barrier, rule_parameters, 256) {
    NQ_SHARED(uint32_t, staged, 256);
    staged[threadIdx.x] = p.x[threadIdx.x];
    p.y[threadIdx.x] = staged[blockDim.x - 1 - threadIdx.x];
}
NQ_KERNEL(mirror_with_barrier_of_the_warp, rule_parameters, 256) {
    NQ_SHARED(uint32_t, staged, 256);
    staged[threadIdx.x] = p.x[threadIdx.x];
    sync_warp();
    p.y[threadIdx.x] = staged[blockDim.x - 1 - threadIdx.x];
}
NQ_KERNEL(shuffle_for_a_barrier, rule_parameters, 32) {
    NQ_SHARED(uint32_t, staged, 32);
    staged[threadIdx.x] = p.x[threadIdx.x];
    p.y[threadIdx.x] = shuffle(threadIdx.x, 0);
    p.y[threadIdx.x] += staged[31 - threadIdx.x];
}
NQ_KERNEL(half_mask_for_a_barrier, rule_parameters, 32) {
    NQ_SHARED(uint32_t, staged, 32);
    staged[threadIdx.x] = p.x[threadIdx.x];
    sync_warp(threadIdx.x < 16 ? 0xffff : 0xffff0000);
    p.y[threadIdx.x] = staged[31 - threadIdx.x];
}
NQ_KERNEL(overwrites_what_others_read, rule_parameters, 64) {
    NQ_SHARED(uint32_t, staged, 1);
    if (threadIdx.x == 0) staged[0] = p.x[0];
    sync_block();
    p.y[threadIdx.x] = staged[0];
    if (threadIdx.x == 63) staged[0] = 0;
}
NQ_KERNEL(bytes_side_by_side, rule_parameters, 64) {
    auto* bytes = reinterpret_cast<uint8_t*>(p.y);
    bytes[threadIdx.x] = static_cast<uint8_t>(threadIdx.x);
    if (p.n != 0 && threadIdx.x > 0) bytes[threadIdx.x - 1] = 0;
}
NQ_KERNEL(blocks_write_one_word, rule_parameters, 32) {
    if (threadIdx.x == 0) p.y[0] = blockIdx.x;
}
NQ_KERNEL(plain_write_beside_atomics, rule_parameters, 32) {
    atomic_add(p.y, 1);
    if (threadIdx.x == 0) p.y[0] = 0;
}
NQ_KERNEL(reads_beyond, rule_parameters, 32) { p.y[threadIdx.x] = p.x[threadIdx.x + p.n]; }
NQ_KERNEL(writes_beyond, rule_parameters, 32) { p.y[threadIdx.x + p.n] = 0; }
NQ_KERNEL(beyond_a_shared_array, rule_parameters, 32) {
    NQ_SHARED(uint32_t, staged, 31);
    staged[threadIdx.x] = 1;
    sync_warp();
    p.y[threadIdx.x] = staged[0];
}
NQ_KERNEL(misaligned_vector, rule_parameters, 32) {
    reinterpret_cast<uint4*>(p.y)[threadIdx.x] = *reinterpret_cast<const uint4*>(p.x + 4 * threadIdx.x + p.n);
}
NQ_KERNEL(reads_unwritten_shared_memory, rule_parameters, 32) {
    NQ_SHARED(uint32_t, staged, 32);
    if (threadIdx.x < 31) staged[threadIdx.x] = 1;
    sync_warp();
    p.y[threadIdx.x] = staged[threadIdx.x];
}
NQ_KERNEL(copies_words, rule_parameters, 32) { p.y[threadIdx.x] = p.x[threadIdx.x]; }
template <bool wait, bool barrier>
NQ_DEVICE void read_after_copy(const rule_parameters& p) {
    NQ_SHARED(uint32_t, staged, 128);
    for (uint32_t i = 0; i < 4; i++) staged[threadIdx.x * 4 + i] = 0;
    copy_async16(staged + threadIdx.x * 4, p.x + threadIdx.x * 4);
    copy_async_commit();
    if (wait) copy_async_wait<0>();
    if (barrier) sync_warp();
    p.y[threadIdx.x] = staged[127 - threadIdx.x];
}
NQ_KERNEL(read_without_wait, rule_parameters, 32) { read_after_copy<false, true>(p); }
NQ_KERNEL(read_without_barrier, rule_parameters, 32) { read_after_copy<true, false>(p); }

}  // namespace emulation_test
