// A warp at run time: its registers, where its lanes are, and the memory they reach.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "fault.h"
#include "instruction.h"
#include "memory/memory.h"

namespace ptx {

using emulation::memory;
using emulation::memory_range;

// Generic addresses of shared and of local memory; what lies below is global.
inline constexpr uint64_t local_window = uint64_t{1} << 59;
inline constexpr uint64_t shared_window = uint64_t{1} << 60;

// Addresses of .param from here up are arguments and results of calls; those below are the kernel's parameters.
inline constexpr uint64_t call_space = uint64_t{1} << 20;

struct extent {
    unsigned x = 1;
    unsigned y = 1;
    unsigned z = 1;

    uint64_t volume() const noexcept { return uint64_t{x} * y * z; }
};

// xorshift64
class random_numbers {
public:
    explicit random_numbers(uint64_t seed) : state_((seed + 1) * 0x9e3779b97f4a7c15u | 1) {}
    uint64_t below(uint64_t bound) {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return (state_ >> 11) % bound;
    }

private:
    uint64_t state_;
};

// What all warps of a launch share.
struct launch_state {
    const program* code;
    const memory* global;
    const std::byte* parameters;
    extent grid;
    extent block;
    bool random;
    random_numbers numbers;
    std::vector<cell> constants;       // 32 equal cells each
    std::vector<memory_range> ranges;  // the allocation each instruction last touched
};

struct block_state {
    extent index;
    std::vector<std::byte> shared;
    bool living = false;
};

// A cp.async on its way.
struct asynchronous_copy {
    uint32_t destination;
    uint64_t source;
    uint32_t bytes;
    uint32_t source_bytes;
};

class warp {
public:
    launch_state* launch = nullptr;
    block_state* block = nullptr;
    unsigned index = 0;
    cell* registers = nullptr;
    const instruction* current = nullptr;

    lane_mask living = 0;
    lane_mask parked = 0;  // at a collective whose other lanes are missing
    bool at_barrier = false;
    std::array<uint32_t, warp_lanes> position{};
    std::array<std::vector<uint32_t>, warp_lanes> return_positions;
    std::vector<std::byte> local;
    std::vector<std::byte> call_arguments;
    std::array<std::vector<asynchronous_copy>, warp_lanes> copies;
    std::array<std::vector<size_t>, warp_lanes> copy_groups;  // copies in each group, oldest first

    const cell* source(row r) const noexcept {
        return r >= 0 ? registers + size_t{warp_lanes} * static_cast<size_t>(r)
                      : launch->constants.data() + size_t{warp_lanes} * static_cast<size_t>(-1 - r);
    }
    cell* destination(row r) const noexcept { return registers + size_t{warp_lanes} * static_cast<size_t>(r); }

    // Where an access goes on the host; faults unless it is within bounds and aligned to its size.
    std::byte* at_global(unsigned lane, uint64_t address, size_t bytes);
    std::byte* at_shared(unsigned lane, uint64_t address, size_t bytes);
    std::byte* at_local(unsigned lane, uint64_t address, size_t bytes);
    std::byte* at_parameter(unsigned lane, uint64_t address, size_t bytes);
    std::byte* at_generic(unsigned lane, uint64_t address, size_t bytes);
    // Global memory without the rule of alignment.
    const std::byte* global_bytes(unsigned lane, uint64_t address, size_t bytes);

    [[noreturn]] void fail(fault_kind kind, const std::string& what) const;
    [[noreturn]] void fail(fault_kind kind, unsigned lane, const std::string& what) const;

private:
    std::string what_and_where(const std::string& what, const std::string& lane) const;
    void check_alignment(unsigned lane, uint64_t address, size_t bytes) const;
    [[noreturn]] void outside(unsigned lane, const char* space, uint64_t address, size_t bytes) const;
};

}  // namespace ptx
