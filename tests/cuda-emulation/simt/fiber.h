// A switch between stacks: saves what the x86-64 calling convention keeps across calls, nothing else.
#pragma once

#include <cstddef>

namespace simt {

// A stack that begins to run at `entry` when it is first switched to. `top` is one past its highest address, 16-byte aligned.
inline void* prepare_stack(void* top, void (*entry)()) {
    void** stack = static_cast<void**>(top);
    *--stack = nullptr;  // where entry would return to
    *--stack = reinterpret_cast<void*>(entry);
    return stack - 6;  // the registers that switch_stack restores
}

// Saves this stack in `*from` and goes on with `to`.
extern "C" void simt_switch_stack(void** from, void* to);

}  // namespace simt
