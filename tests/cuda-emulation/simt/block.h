// The block that runs: its fibers, who of them is ready, its shared memory.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine.h"
#include "fiber.h"

namespace simt {

inline constexpr unsigned warp_lanes = 32, most_threads = 1024;
inline constexpr size_t shared_memory_bytes = 256 << 10, shared_red_zone = 64;

enum class thread_state : uint8_t { ready, at_barrier, in_collective, done };
struct fiber {
    void* stack = nullptr;
    dim3 thread;
    unsigned index = 0;
    thread_state state = thread_state::ready;
};

enum class collective : uint8_t { sync, shuffle, ballot, load_matrix, load_matrix_transposed, mma };
// Parts of the lanes in the collectives they wait in; the last lane to come computes for all.
struct warp {
    uint32_t arrived = 0;  // lanes in a collective
    uint32_t absent = 0;   // lanes that have exited, or never were
    collective kind[warp_lanes];
    uint32_t mask[warp_lanes];
    const void* site[warp_lanes];  // also of the block barrier a lane waits at
    uint32_t value[warp_lanes];    // what a lane brings: then its result
    uint32_t from[warp_lanes];     // shuffle: the lane to read; mma: its kind
    const void* a[warp_lanes];     // mma: fragments; matrix load: row
    const void* b[warp_lanes];
    void* c[warp_lanes];  // mma: accumulator; matrix load: result
};

struct pending_copy {
    void* shared;
    const void* global;
    uint32_t bytes, valid;
    const void* site;
};
struct copy_queue {
    std::vector<pending_copy> copies;
    std::vector<size_t> groups;  // copies of each committed group that has not landed
};

class running_block {
public:
    const kernel_registration* kernel = nullptr;
    const void* parameters = nullptr;
    std::vector<fiber> fibers;
    std::vector<warp> warps;
    std::vector<copy_queue> copies;  // one a thread
    fiber* me = nullptr;             // null while no fiber runs

    // Sets up the fibers of a launch.
    void prepare(const kernel_registration& k, const void* p, dim3 block_dim);
    // Runs one block to its end, or throws fault.
    void run(dim3 index, size_t dynamic_shared_bytes);

    unsigned my_lane() const noexcept { return me->index % warp_lanes; }
    warp& my_warp() noexcept { return warps[me->index / warp_lanes]; }

    void wait_at_barrier(const void* site);
    // Parks the running fiber in a state other than ready.
    void park(thread_state state);
    void wake(unsigned index);
    void* static_array(const void* declaration, size_t bytes);
    bool on_stack(const void* address) const noexcept { return stacks_.contains(address); }

    // Ends the block: the launch throws a fault with this text.
    [[noreturn]] void abandon(std::string text);
    uint64_t random_number() noexcept;

private:
    static void fiber_main();
    void switch_to_next();
    void leave();
    void release_barrier();
    std::string deadlock() const;

    stacks stacks_;
    void* scheduler_ = nullptr;
    std::vector<uint16_t> ready_ = std::vector<uint16_t>(most_threads);  // a ring
    unsigned first_ready_ = 0, ready_count_ = 0;
    unsigned threads_ = 0, alive_ = 0, at_barrier_ = 0;
    std::vector<std::pair<const void*, size_t>> static_arrays_;
    size_t dynamic_shared_ = 0, static_bytes_ = 0;
    size_t shared_top_ = 0, shared_used_ = 0;  // end of what is laid out, and of what this block has filled with ones
    uint64_t random_ = 1;
    std::string fault_;
};
extern running_block current;

char* shared_memory() noexcept;
inline bool in_shared_memory(const void* p) noexcept { return p >= shared_memory() && p < shared_memory() + shared_memory_bytes; }

// Throws, or abandons the block that runs, naming it, its thread and, if there is one, the line of `site`.
[[noreturn, gnu::format(printf, 2, 3)]] void fail(const void* site, const char* format, ...);

}  // namespace simt
