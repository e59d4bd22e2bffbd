// What goes wrong, as exceptions: load_error for text the interpreter does not understand or refuses, fault for a kernel that does what a
// device would not let it do.
#pragma once

#include <stdexcept>
#include <string>

namespace ptx {

class load_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

enum class fault_kind {
    illegal_address,      // outside of every allocation, of the block's shared memory or of the thread's local memory
    misaligned_address,   // not a multiple of the access's size
    illegal_instruction,  // operands an instruction does not take, a trap
    failed,               // threads that wait for each other for ever, collectives that part of their lanes reach
    time_limit,           // more instructions than a launch may take
};

// The message names the kernel, the line of PTX, the block, the warp and the lane.
class fault : public std::runtime_error {
public:
    fault(fault_kind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
    fault_kind kind() const noexcept { return kind_; }

private:
    fault_kind kind_;
};

}  // namespace ptx
