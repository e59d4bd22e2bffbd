#include "cpu/host_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

#include "cpu/control_group.h"

namespace nq::cpu {

host_memory host_memory_now() {
    uint64_t total = 0, available = 0;
    std::ifstream file("/proc/meminfo");
    for (std::string line; std::getline(file, line);) {  // "MemTotal:  24000000 kB"
        if (line.rfind("MemTotal:", 0) == 0) total = std::stoull(line.substr(9)) * 1024;
        if (line.rfind("MemAvailable:", 0) == 0) available = std::stoull(line.substr(13)) * 1024;
    }
    // Nothing known is no reason to refuse memory.
    if (total == 0) total = available = std::numeric_limits<int64_t>::max();
    if (const auto limit = control_group_available_memory()) available = std::min(available, *limit);
    return {total, available};
}

}  // namespace nq::cpu
