// How many processors this process may use, and what they can do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace nq::cpu {

// Processors of the affinity mask, or fewer if a control group limits processor time; at least 1.
uint32_t usable_processors();

// Instruction sets that the processor has and the operating system saves the registers of, space-separated, oldest first. "amx-refused" in
// place of the matrix tiles if the system does not let this process use them. The first call asks it for them.
const std::string& cpu_features();
// Whether all of the space-separated names are among cpu_features().
bool has_cpu_features(std::string_view names);

}  // namespace nq::cpu
