#include "cpu/control_group.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace nq::cpu {

namespace {

// The process's group below the mount of a controller; an empty controller is the unified hierarchy (v2).
std::optional<std::string> group_of(const std::string& controller) {
    std::ifstream file("/proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {  // hierarchy:controllers:path
        const size_t first = line.find(':');
        const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second == std::string::npos) continue;
        std::istringstream controllers(line.substr(first + 1, second - first - 1));
        if (controller.empty() && second == first + 1) return line.substr(second + 1);
        for (std::string name; std::getline(controllers, name, ',');) {
            if (name == controller) return line.substr(second + 1);
        }
    }
    return std::nullopt;
}

// Calls visit(folder) for the process's group and each one above it. Inside a container the path of the outside does not exist; what is
// mounted then is the container's own group, which is the last one visited.
template <class Visit>
void for_each_group(const std::string& mount, const std::string& controller, const Visit& visit) {
    std::optional<std::string> group = group_of(controller);
    if (!group) return;
    for (std::string path = *group;;) {
        while (!path.empty() && path.back() == '/') path.pop_back();
        visit(mount + path);
        const size_t slash = path.rfind('/');
        if (path.empty() || slash == std::string::npos) return;
        path.resize(slash);
    }
}

std::optional<uint64_t> read_number(const std::string& path) {
    std::ifstream file(path);
    uint64_t value;
    if (file >> value) return value;
    return std::nullopt;
}

uint64_t read_statistic(const std::string& path, const std::string& wanted) {
    std::ifstream file(path);
    std::string name;
    for (uint64_t value; file >> name >> value;) {
        if (name == wanted) return value;
    }
    return 0;
}

void lower(std::optional<uint64_t>& least, const std::string& folder, const char* limit_file, const char* usage_file,
           const std::string& prefix) {
    const std::optional<uint64_t> limit = read_number(folder + limit_file);  // "max" is no number
    const std::optional<uint64_t> usage = read_number(folder + usage_file);
    if (!limit || !usage || *limit >= uint64_t{1} << 60) return;
    const std::string statistics = folder + "/memory.stat";
    const uint64_t cache = read_statistic(statistics, prefix + "inactive_file") + read_statistic(statistics, prefix + "active_file");
    const uint64_t used = *usage - std::min(*usage, cache);
    const uint64_t available = *limit - std::min(*limit, used);
    least = std::min(least.value_or(available), available);
}

}  // namespace

std::optional<double> control_group_processors() {
    std::optional<double> least;
    const auto consider = [&](double quota, double period) {
        if (quota > 0 && period > 0) least = std::min(least.value_or(quota / period), quota / period);
    };
    for_each_group("/sys/fs/cgroup", "", [&](const std::string& folder) {
        std::ifstream file(folder + "/cpu.max");
        std::string quota;
        double period;
        if (file >> quota >> period && quota != "max") consider(std::strtod(quota.c_str(), nullptr), period);
    });
    for_each_group("/sys/fs/cgroup/cpu", "cpu", [&](const std::string& folder) {
        std::ifstream quota_file(folder + "/cpu.cfs_quota_us"), period_file(folder + "/cpu.cfs_period_us");
        double quota, period;
        if (quota_file >> quota && period_file >> period) consider(quota, period);
    });
    return least;
}

std::optional<uint64_t> control_group_available_memory() {
    std::optional<uint64_t> least;
    for_each_group("/sys/fs/cgroup", "", [&](const std::string& folder) { lower(least, folder, "/memory.max", "/memory.current", ""); });
    for_each_group("/sys/fs/cgroup/memory", "memory",
                   [&](const std::string& folder) { lower(least, folder, "/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_"); });
    return least;
}

}  // namespace nq::cpu
