// What the control groups of this process (cgroup v1 or v2) allow it.
#pragma once

#include <cstdint>
#include <optional>

namespace nq::cpu {

// Processors' worth of time per second, e.g. 1.5; nothing if unlimited.
std::optional<double> control_group_processors();

// Bytes this process can still have under the tightest limit, counting page cache as free; nothing if unlimited.
std::optional<uint64_t> control_group_available_memory();

}  // namespace nq::cpu
