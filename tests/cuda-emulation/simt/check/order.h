// Which accesses of a launch happen before which, by CUDA's rules: a block barrier orders the block, a warp barrier the lanes it names,
// shuffles and matrix collectives order nothing. Blocks are ordered by fences and atomics alone: what a thread knew when it passed a fence
// before an atomic is known, after a fence, to each thread that does an atomic on the same address later.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "block.h"

namespace simt::check {

class happens_before {
public:
    void launch_begins(unsigned threads);
    void block_begins();
    void block_barrier();
    void warp_barrier(unsigned warp, uint32_t mask);
    void fence(unsigned thread);
    void atomic(unsigned thread, const void* address);

    // Blocks are numbered through all launches; a number up to launch_base() is of an earlier launch, and so before everything.
    uint32_t block() const noexcept { return block_; }
    uint32_t launch_base() const noexcept { return launch_base_; }
    uint32_t time_of(unsigned thread) const noexcept { return time_of_[thread]; }

    // Whether all that `thread` of `block` did at `time` is before what `me` does now.
    bool before(uint32_t block, unsigned thread, uint32_t time, unsigned me) const {
        if (block <= launch_base_) return true;
        if (block == block_) {
            if (time < block_time_ || thread == me) return true;
            if (thread / warp_lanes == me / warp_lanes && time < known_[me][thread % warp_lanes]) return true;
        }
        return !knowledge_[me].snapshots.empty() && known_through_fences(block, thread, time, me);
    }
    // The same of all threads of `block`.
    bool before_barrier(uint32_t block, uint32_t time) const noexcept {
        return block <= launch_base_ || (block == block_ && time < block_time_);
    }
    // Whether `me` has seen every atomic on an address, with a fence after it.
    bool after_atomics(const void* address, unsigned me) const;

private:
    // What a thread knows at a fence.
    struct snapshot {
        uint32_t block, block_time;
        unsigned thread;
        uint32_t own_time;
        uint32_t warp[warp_lanes];
    };
    struct knowledge {
        std::vector<uint32_t> snapshots;          // sorted
        std::map<const void*, uint32_t> atomics;  // how many of an address's
    };
    struct sync_variable {
        uint32_t atomics = 0;
        std::vector<uint32_t> released;
    };
    bool known_through_fences(uint32_t block, unsigned thread, uint32_t time, unsigned me) const;
    static void merge(std::vector<uint32_t>& into, const std::vector<uint32_t>& from);
    static void merge(knowledge& into, const knowledge& from);

    uint32_t block_ = 0, launch_base_ = 0;
    uint32_t now_ = 1;         // rises with every synchronisation
    uint32_t block_time_ = 1;  // at the last block barrier
    std::vector<uint32_t> time_of_;
    std::vector<std::vector<uint32_t>> known_;    // known_[thread][lane]: what that lane of its warp did before this time is known
    std::vector<knowledge> knowledge_, pending_;  // after the last fence; seen by atomics since
    std::vector<std::vector<uint32_t>> fenced_;   // what an atomic releases
    std::vector<snapshot> snapshots_;
    std::unordered_map<const void*, sync_variable> variables_;
    bool fences_ = false;  // since the launch began
};

}  // namespace simt::check
