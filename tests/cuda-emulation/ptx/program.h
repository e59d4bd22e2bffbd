#pragma once

#include <map>
#include <string>

#include "instruction.h"
#include "syntax.h"

namespace ptx {

// Addresses of a module's variables.
using variable_addresses = std::map<std::string, uint64_t, std::less<>>;

// A kernel and the functions it calls as one program: functions first, so that lanes in a function, which are behind those that wait for
// them, are at the lower positions. Recursion is refused. Throws load_error.
program build_program(const module_syntax& module, const function& kernel, const variable_addresses& variables);

}  // namespace ptx
