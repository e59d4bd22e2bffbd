// Branches, calls, ends, traps and the block's barrier. What they do is the scheduler's work.
#include "lanes.h"

namespace ptx {
namespace {

void branch(decoding& d) {
    d.expect_operands(1);
    d.take("uni");
    d.result.kind = instruction_kind::branch;
    d.builder().branch_to(d.result, d.at(0).name, d.text().scope);
}

void branch_by_table(decoding& d) {
    d.expect_operands(2);
    d.take_all({"idx", "uni"});
    d.result.kind = instruction_kind::by_table;
    d.result.operands[0] = d.source(0);
    d.builder().branch_by_table(d.result, d.at(1).name, d.text().scope);
}

void call(decoding& d) {
    d.take("uni");
    d.result.kind = instruction_kind::call;
    d.builder().call(d.result, d.text());
}

void leave(decoding& d) {
    d.expect_operands(0);
    d.take("uni");
    d.result.kind = d.builder().within_entry() ? instruction_kind::exit : instruction_kind::leave;
}

void exit_thread(decoding& d) {
    d.expect_operands(0);
    d.result.kind = instruction_kind::exit;
}

void execute_trap(warp& w, const instruction&, lane_mask mask) {
    w.fail(fault_kind::illegal_instruction, static_cast<unsigned>(std::countr_zero(mask)), "trap");
}

void trap(decoding& d) {
    d.expect_operands(0);
    d.execute(execute_trap);
}

// bar.sync 0 and its longer spellings. Named barriers and barriers of part of a block are refused.
void block_barrier(decoding& d) {
    d.take_all({"sync", "aligned"});
    d.take("cta");
    d.expect_operands(1);
    if (d.number(0) != 0) {
        d.refuse("a barrier other than 0");
    }
    d.result.kind = instruction_kind::barrier;
}

void warp_barrier(decoding& d) {
    d.take_all({"warp", "sync"});
    d.expect_operands(1);
    d.result.kind = instruction_kind::collective;
    d.result.has_members = true;
    d.result.members = d.source(0);
    d.execute([](warp&, const instruction&, lane_mask) {});
}

void barrier(decoding& d) { d.has("warp") ? warp_barrier(d) : block_barrier(d); }

}  // namespace

void add_control_instructions(instruction_table& table) {
    constexpr type_class any = type_class::any;
    table.add("bra", any, branch);
    table.add("brx", any, branch_by_table);
    table.add("call", any, call);
    table.add("ret", any, leave);
    table.add("exit", any, exit_thread);
    table.add("trap", any, trap);
    table.add("bar", any, barrier);
    table.add("barrier", any, barrier);
}

}  // namespace ptx
