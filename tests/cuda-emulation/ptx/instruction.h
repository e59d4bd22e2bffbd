// Decoded instructions. Registers, immediates and special registers are all rows of 32 cells, one a lane, so that an instruction reads its
// operands without asking what they are.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "syntax.h"

namespace ptx {

inline constexpr unsigned warp_lanes = 32;
using lane_mask = uint32_t;
inline constexpr lane_mask all_lanes = ~lane_mask{0};

// A register of one lane. Bits above the register's own width have no meaning.
using cell = uint64_t;

template <class T>
T read(cell c) {
    if constexpr (std::is_same_v<T, float>) {
        return std::bit_cast<float>(static_cast<uint32_t>(c));
    } else if constexpr (std::is_same_v<T, double>) {
        return std::bit_cast<double>(c);
    } else if constexpr (std::is_same_v<T, bool>) {
        return (c & 1) != 0;
    } else {
        return static_cast<T>(c);
    }
}

// Signed values are extended to the whole cell: a destination may be wider than the type.
template <class T>
cell written(T value) {
    if constexpr (std::is_same_v<T, float>) {
        return std::bit_cast<uint32_t>(value);
    } else if constexpr (std::is_same_v<T, double>) {
        return std::bit_cast<uint64_t>(value);
    } else if constexpr (std::is_signed_v<T>) {
        return static_cast<cell>(static_cast<int64_t>(value));
    } else {
        return value;
    }
}

// A row: registers from 0 up, constants from -1 down (see warp::row).
using row = int32_t;

class warp;
struct instruction;
using executor = void (*)(warp&, const instruction&, lane_mask);

enum class instruction_kind : uint8_t {
    plain,       // every lane by itself: execute()
    branch,      // to `target`
    by_table,    // to table[operand 0]
    call,        // to `target`; execute() passes the arguments
    leave,       // the end of a called function
    exit,        // the end of the thread
    collective,  // execute() once all lanes of the member mask are there
    barrier,     // of the block; all lanes of a warp arrive together
};

struct instruction {
    static constexpr size_t most_operands = 16;

    executor execute = nullptr;
    instruction_kind kind = instruction_kind::plain;
    bool guarded = false;
    bool guard_negated = false;
    bool has_members = false;
    bool flush = false;   // .ftz
    uint8_t count = 0;    // elements of a vector, matrices of an ldmatrix
    uint16_t option = 0;  // what the instruction's family makes of it
    row guard = 0;
    row members = 0;
    uint32_t index = 0;  // within the program
    uint32_t target = 0;
    uint32_t source = 0;  // statement it comes from, for messages
    int64_t displacement = 0;
    std::array<row, most_operands> operands{};
    std::vector<uint32_t> table;  // targets of a branch by table; (from, to, bytes) of what a call passes
};

// Calls f(lane) for every lane of the mask, in order.
template <class F>
inline void for_each_lane(lane_mask mask, F&& f) {
    if (mask == all_lanes) {
        for (unsigned lane = 0; lane < warp_lanes; ++lane) {
            f(lane);
        }
    } else {
        for (; mask != 0; mask &= mask - 1) {
            f(static_cast<unsigned>(std::countr_zero(mask)));
        }
    }
}

// Special registers: rows at the start of every warp's registers.
enum special_row : row {
    tid_x,
    tid_y,
    tid_z,
    ntid_x,
    ntid_y,
    ntid_z,
    ctaid_x,
    ctaid_y,
    ctaid_z,
    nctaid_x,
    nctaid_y,
    nctaid_z,
    laneid,
    warpid,
    nwarpid,
    lanemask_eq,
    lanemask_le,
    lanemask_lt,
    lanemask_ge,
    lanemask_gt,
    dynamic_shared_bytes,
    carry,    // of add.cc and its like
    discard,  // what goes to "_"
    special_rows,
};

struct source_line {
    uint32_t line;
    std::string text;
};

// A kernel with all the functions it calls.
struct program {
    std::string name;
    std::vector<instruction> code;
    uint32_t start = 0;
    std::vector<source_line> sources;
    std::vector<cell> constants;  // value of row -1 - i
    row rows = special_rows;
    size_t parameter_bytes = 0;
    size_t static_shared_bytes = 0;
    size_t local_bytes = 0;       // of one thread
    size_t call_space_bytes = 0;  // arguments and results of calls, of one thread
    unsigned maximum_threads = 1024;
};

}  // namespace ptx
