// Main memory of this machine as this process sees it.
#pragma once

#include <cstdint>

namespace nq::cpu {

struct host_memory {
    uint64_t total_bytes;
    uint64_t available_bytes;  // least of free memory (page cache counts as free) and control-group limit
};

host_memory host_memory_now();

}  // namespace nq::cpu
