#include "cpu/host_memory.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string>

#include "cpu/control_group.h"
#include "cpu/text_file.h"

namespace nq::cpu {

host_memory host_memory_now() {
    uint64_t total = 0, available = 0;
    for_each_line(read_text("/proc/meminfo"), [&](std::string_view line) {  // "MemTotal:  24000000 kB"
        const auto kibibytes = [&](std::string_view name) {
            return std::strtoull(std::string(line.substr(name.size())).c_str(), nullptr, 10);
        };
        if (line.starts_with("MemTotal:")) total = kibibytes("MemTotal:") * 1024;
        if (line.starts_with("MemAvailable:")) available = kibibytes("MemAvailable:") * 1024;
    });
    // Nothing known is no reason to refuse memory.
    if (total == 0) total = available = std::numeric_limits<int64_t>::max();
    if (const auto limit = control_group_available_memory()) available = std::min(available, *limit);
    return {total, available};
}

}  // namespace nq::cpu
