// shfl, vote, match, redux: the scheduler executes them once for all lanes of a member mask.
#include "lanes.h"

namespace ptx {
namespace {

void collective(decoding& d, size_t members) {
    d.take("sync");
    d.result.kind = instruction_kind::collective;
    if (d.operands() > members) {
        d.result.has_members = true;
        d.result.members = d.source(members);
    }
}

enum class shuffle_mode : uint16_t { down, up, butterfly, indexed };

// operands: result, whether the source was in range, value, lane or distance, clamp and segment
void execute_shuffle(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    cell* const in_range = w.destination(i.operands[1]);
    const cell* const values = w.source(i.operands[2]);
    const cell* const distances = w.source(i.operands[3]);
    const cell* const clamps = w.source(i.operands[4]);
    std::array<cell, warp_lanes> result{};
    std::array<bool, warp_lanes> valid{};
    for_each_lane(mask, [&](unsigned l) {
        const int lane = static_cast<int>(l), b = static_cast<int>(distances[l] & 31);
        const int segment = static_cast<int>(clamps[l] >> 8 & 31), clamp = static_cast<int>(clamps[l] & 31);
        const int greatest = (lane & segment) | (clamp & ~segment), least = lane & segment;
        int from = lane;
        bool ok = false;
        switch (static_cast<shuffle_mode>(i.option)) {
            case shuffle_mode::down:
                ok = (from = lane + b) <= greatest;
                break;
            case shuffle_mode::up:
                ok = (from = lane - b) >= greatest;
                break;
            case shuffle_mode::butterfly:
                ok = (from = lane ^ b) <= greatest;
                break;
            case shuffle_mode::indexed:
                ok = (from = least | (b & ~segment)) <= greatest;
                break;
        }
        if (!ok) {
            from = lane;
        }
        if ((mask >> from & 1) == 0) {
            w.fail(fault_kind::failed, l, "shuffle from lane " + std::to_string(from) + ", which takes no part");
        }
        result[l] = read<uint32_t>(values[from]);
        valid[l] = ok;
    });
    for_each_lane(mask, [&](unsigned l) {
        d[l] = result[l];
        in_range[l] = valid[l];
    });
}

void shuffle(decoding& d) {
    d.expect_operands(5);
    collective(d, 4);
    operand first = d.at(0);
    first.second = {};
    d.result.operands = {d.destination_of(first), d.second_destination(0), d.source(1), d.source(2), d.source(3)};
    const std::string_view mode = d.take_one({"down", "up", "bfly", "idx"});
    d.result.option = static_cast<uint16_t>(mode == "down"   ? shuffle_mode::down
                                            : mode == "up"   ? shuffle_mode::up
                                            : mode == "bfly" ? shuffle_mode::butterfly
                                                             : shuffle_mode::indexed);
    if (d.take_type() != "b32" || mode.empty()) {
        d.refuse("mode");
    }
    d.execute(execute_shuffle);
}

enum class vote_mode : uint16_t { ballot, any, all, uniform };

void execute_vote(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const p = w.source(i.operands[1]);
    lane_mask yes = 0;
    for_each_lane(mask, [&](unsigned l) { yes |= lane_mask{read<bool>(p[l]) != (i.count == 1)} << l; });
    cell result = yes;
    switch (static_cast<vote_mode>(i.option)) {
        case vote_mode::ballot:
            break;
        case vote_mode::any:
            result = yes != 0;
            break;
        case vote_mode::all:
            result = yes == mask;
            break;
        case vote_mode::uniform:
            result = yes == mask || yes == 0;
            break;
    }
    for_each_lane(mask, [=](unsigned l) { d[l] = result; });
}

void vote(decoding& d) {
    d.expect_operands(3);
    collective(d, 2);
    operand p = d.at(1);
    d.result.count = p.negated ? 1 : 0;
    p.negated = false;
    d.result.operands = {d.destination(0), d.source_of(p)};
    const std::string_view mode = d.take_one({"ballot", "any", "all", "uni"});
    d.take_type();
    if (mode.empty()) {
        d.refuse("mode");
    }
    d.result.option = static_cast<uint16_t>(mode == "ballot" ? vote_mode::ballot
                                            : mode == "any"  ? vote_mode::any
                                            : mode == "all"  ? vote_mode::all
                                                             : vote_mode::uniform);
    d.execute(execute_vote);
}

// match.any: the lanes whose value is the lane's own. match.all: all of them, or none; and whether all are equal.
template <class T, bool All>
void execute_match(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    cell* const equal = w.destination(i.operands[1]);
    const cell* const a = w.source(i.operands[2]);
    std::array<lane_mask, warp_lanes> same{};
    for_each_lane(mask, [&](unsigned l) {
        for_each_lane(mask, [&](unsigned other) { same[l] |= lane_mask{read<T>(a[l]) == read<T>(a[other])} << other; });
    });
    for_each_lane(mask, [&](unsigned l) {
        d[l] = All && same[l] != mask ? 0 : same[l];
        equal[l] = same[l] == mask;
    });
}

void match(decoding& d) {
    d.expect_operands(3);
    collective(d, 2);
    operand first = d.at(0);
    first.second = {};
    d.result.operands = {d.destination_of(first), d.second_destination(0), d.source(1)};
    const bool all = d.take_one({"all", "any"}) == "all", wide = type_bytes(d.take_type()) == 8;
    d.execute(wide ? (all ? execute_match<uint64_t, true> : execute_match<uint64_t, false>)
                   : (all ? execute_match<uint32_t, true> : execute_match<uint32_t, false>));
}

constexpr auto sum = []<class T>(T a, T b) { return static_cast<T>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b)); };
constexpr auto minimum = []<class T>(T a, T b) { return a < b ? a : b; };
constexpr auto maximum = []<class T>(T a, T b) { return a > b ? a : b; };
constexpr auto both = []<class T>(T a, T b) { return static_cast<T>(a & b); };
constexpr auto either = []<class T>(T a, T b) { return static_cast<T>(a | b); };
constexpr auto different = []<class T>(T a, T b) { return static_cast<T>(a ^ b); };

template <class T, auto Operation>
void execute_reduction(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    T result = read<T>(a[std::countr_zero(mask)]);
    for_each_lane(mask & (mask - 1), [&](unsigned l) { result = Operation(result, read<T>(a[l])); });
    for_each_lane(mask, [=](unsigned l) { d[l] = written(result); });
}

template <class T>
executor choose_reduction(decoding& d) {
    const std::string_view operation = d.take_one({"add", "min", "max", "and", "or", "xor"});
    if (operation == "add") return execute_reduction<T, sum>;
    if (operation == "min") return execute_reduction<T, minimum>;
    if (operation == "max") return execute_reduction<T, maximum>;
    if (operation == "and") return execute_reduction<T, both>;
    if (operation == "or") return execute_reduction<T, either>;
    if (operation == "xor") return execute_reduction<T, different>;
    d.refuse("operation");
}

void reduction(decoding& d) {
    d.expect_operands(3);
    collective(d, 2);
    d.result.operands = {d.destination(0), d.source(1)};
    const std::string_view type = d.take_type();
    d.execute(type == "s32" ? choose_reduction<int32_t>(d) : choose_reduction<uint32_t>(d));
}

}  // namespace

void add_collective_instructions(instruction_table& table) {
    table.add("shfl", type_class::integer, shuffle);
    table.add("vote", type_class::integer, vote);
    table.add("vote", type_class::predicate, vote);
    table.add("match", type_class::integer, match);
    table.add("redux", type_class::integer, reduction);
}

}  // namespace ptx
