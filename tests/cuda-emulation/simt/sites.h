// Code addresses as places in the source.
#pragma once

#include <string>

namespace simt {

// "file:line (function)" of an instruction, or of the call that returns there; inlined functions innermost first. Without debug information
// the nearest symbol and an offset.
std::string place_of(const void* return_address);

// Whether two calls stand in the same place: compilers copy code.
bool same_place(const void* a, const void* b);

}  // namespace simt
