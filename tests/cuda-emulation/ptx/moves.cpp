// mov (with packing and unpacking), generic addresses, isspacep, activemask, and instructions that only give advice.
#include "lanes.h"

namespace ptx {
namespace {

void execute_move(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    for_each_lane(mask, [=](unsigned l) { d[l] = a[l]; });
}

// displacement: bits of an element; count elements after the one register
void execute_unpack(warp& w, const instruction& i, lane_mask mask) {
    const cell* const a = w.source(i.operands[0]);
    const cell ones = (cell{1} << i.displacement) - 1;
    std::array<cell, warp_lanes> values;
    for_each_lane(mask, [&](unsigned l) { values[l] = a[l]; });  // an element may be the source itself
    for (unsigned k = 0; k < i.count; ++k) {
        cell* const d = w.destination(i.operands[1 + k]);
        for_each_lane(mask, [&](unsigned l) { d[l] = values[l] >> k * static_cast<unsigned>(i.displacement) & ones; });
    }
}

void execute_pack(warp& w, const instruction& i, lane_mask mask) {
    const cell ones = (cell{1} << i.displacement) - 1;
    std::array<cell, warp_lanes> values{};
    for (unsigned k = 0; k < i.count; ++k) {
        const cell* const a = w.source(i.operands[1 + k]);
        for_each_lane(mask, [&](unsigned l) { values[l] |= (a[l] & ones) << k * static_cast<unsigned>(i.displacement); });
    }
    cell* const d = w.destination(i.operands[0]);
    for_each_lane(mask, [&](unsigned l) { d[l] = values[l]; });
}

void move(decoding& d) {
    d.expect_operands(2);
    const std::string_view type = d.take_type();
    const operand &to = d.at(0), &from = d.at(1);
    const bool unpack = to.is == operand::form::vector, pack = from.is == operand::form::vector;
    if (!unpack && !pack) {
        d.use_destination_and_sources(2);
        return d.execute(execute_move);
    }
    const auto& elements = unpack ? to.elements : from.elements;
    const size_t bits = 8 * type_bytes(type);
    if ((unpack && pack) || elements.size() < 2 || elements.size() > 4 || bits == 0) {
        d.refuse("operand form");
    }
    d.result.count = static_cast<uint8_t>(elements.size());
    d.result.displacement = static_cast<int64_t>(bits / elements.size());
    d.result.operands[0] = unpack ? d.source(1) : d.destination(0);
    for (size_t k = 0; k < elements.size(); ++k) {
        d.result.operands[1 + k] = unpack ? d.destination_of(elements[k]) : d.source_of(elements[k]);
    }
    d.execute(unpack ? execute_unpack : execute_pack);
}

// displacement: what to add
void execute_offset(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const auto offset = static_cast<uint64_t>(i.displacement);
    for_each_lane(mask, [=](unsigned l) { d[l] = a[l] + offset; });
}

// Generic addresses of global and constant memory are the addresses themselves. A window's address that is none of its space's faults
// when it is used.
void convert_address(decoding& d) {
    d.use_destination_and_sources(2);
    const bool to_space = d.take("to");
    const std::string_view space = d.take_one({"global", "const", "shared", "local"});
    d.take_type();
    if (space.empty()) {
        d.refuse("state space");
    }
    const uint64_t window = space == "shared" ? shared_window : space == "local" ? local_window : 0;
    d.result.displacement = static_cast<int64_t>(to_space ? 0 - window : window);
    d.execute(execute_offset);
}

template <state_space Space>
void execute_is_space(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    for_each_lane(mask, [=](unsigned l) {
        const bool shared = a[l] >= shared_window, local = !shared && a[l] >= local_window;
        d[l] = Space == state_space::shared ? shared : Space == state_space::local ? local : !shared && !local;
    });
}

void is_space(decoding& d) {
    d.use_destination_and_sources(2);
    const std::string_view space = d.take_one({"global", "shared", "local"});
    if (space.empty()) {
        d.refuse("state space");
    }
    d.execute(space == "shared"  ? execute_is_space<state_space::shared>
              : space == "local" ? execute_is_space<state_space::local>
                                 : execute_is_space<state_space::global>);
}

void execute_active_mask(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    for_each_lane(mask, [=](unsigned l) { d[l] = mask; });
}

void active_mask(decoding& d) {
    d.expect_operands(1);
    d.result.operands[0] = d.destination(0);
    d.take_type();
    d.execute(execute_active_mask);
}

// Memory is consistent at every instruction here, and nothing is fetched ahead.
void advice(decoding& d) {
    for (size_t k = 1; k < d.parts(); ++k) {
        d.take_part(k);
    }
    d.execute([](warp&, const instruction&, lane_mask) {});
}

void create_policy(decoding& d) {
    if (d.operands() < 1) {
        d.refuse("number of operands");
    }
    d.result.operands[0] = d.destination(0);
    advice(d);
    d.execute([](warp& w, const instruction& i, lane_mask mask) {
        cell* const policy = w.destination(i.operands[0]);
        for_each_lane(mask, [=](unsigned l) { policy[l] = 0; });
    });
}

}  // namespace

void add_move_instructions(instruction_table& table) {
    constexpr type_class any = type_class::any;
    table.add("mov", any, move);
    table.add("cvta", any, convert_address);
    table.add("isspacep", any, is_space);
    table.add("activemask", any, active_mask);
    table.add("createpolicy", any, create_policy);
    for (const char* name : {"fence", "membar", "prefetch", "prefetchu", "nanosleep", "discard", "applypriority"}) {
        table.add(name, any, advice);
    }
}

}  // namespace ptx
