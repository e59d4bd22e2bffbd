#include "cpu/control_group.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "cpu/text_file.h"

namespace nq::cpu {

namespace {

// The process's group below the mount of a controller; an empty controller is the unified hierarchy (v2).
std::optional<std::string> group_of(std::string_view controller) {
    std::optional<std::string> group;
    for_each_line(read_text("/proc/self/cgroup"), [&](std::string_view line) {  // hierarchy:controllers:path
        const size_t first = line.find(':');
        const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
        if (second == std::string_view::npos) return;
        const std::string controllers = ',' + std::string(line.substr(first + 1, second - first - 1)) + ',';
        if (controllers.find(',' + std::string(controller) + ',') != std::string::npos) group = line.substr(second + 1);
    });
    return group;
}

// Calls visit(folder) for the process's group and each one above it. Inside a container the path of the outside does not exist; what is
// mounted then is the container's own group, which is the last one visited.
template <class Visit>
void for_each_group(const std::string& mount, std::string_view controller, const Visit& visit) {
    const std::optional<std::string> group = group_of(controller);
    if (!group) return;
    for (std::string path = *group;;) {
        while (!path.empty() && path.back() == '/') path.pop_back();
        visit(mount + path);
        const size_t slash = path.rfind('/');
        if (path.empty() || slash == std::string::npos) return;
        path.resize(slash);
    }
}

// The number a text begins with; "max" and nothing are none.
template <class Number>
std::optional<Number> number_in(const std::string& text, size_t from = 0) {
    if (from >= text.size()) return std::nullopt;
    char* end;
    const Number value = static_cast<Number>(std::strtoull(text.c_str() + from, &end, 10));
    if (end == text.c_str() + from || text[from] == '-') return std::nullopt;
    return value;
}

uint64_t statistic(std::string_view text, const std::string& name) {
    uint64_t value = 0;
    for_each_line(text, [&](std::string_view line) {  // "name value"
        if (line.substr(0, name.size()) == name && line.size() > name.size() && line[name.size()] == ' ') {
            value = number_in<uint64_t>(std::string(line.substr(name.size() + 1))).value_or(0);
        }
    });
    return value;
}

void lower(std::optional<uint64_t>& least, const std::string& folder, const char* limit_file, const char* usage_file,
           const std::string& prefix) {
    const auto limit = number_in<uint64_t>(read_text(folder + limit_file));
    const auto usage = number_in<uint64_t>(read_text(folder + usage_file));
    if (!limit || !usage || *limit >= uint64_t{1} << 60) return;  // v1 writes "no limit" as a huge number
    const std::string statistics = read_text(folder + "/memory.stat");
    const uint64_t cache = statistic(statistics, prefix + "inactive_file") + statistic(statistics, prefix + "active_file");
    const uint64_t used = *usage - std::min(*usage, cache);
    const uint64_t available = *limit - std::min(*limit, used);
    least = std::min(least.value_or(available), available);
}

}  // namespace

std::optional<double> control_group_processors() {
    std::optional<double> least;
    const auto consider = [&](std::optional<double> quota, std::optional<double> period) {
        if (quota && period && *quota > 0 && *period > 0) least = std::min(least.value_or(*quota / *period), *quota / *period);
    };
    for_each_group("/sys/fs/cgroup", "", [&](const std::string& folder) {
        const std::string text = read_text(folder + "/cpu.max");  // "quota period", quota may be "max"
        consider(number_in<double>(text), number_in<double>(text, text.find(' ') + 1));
    });
    for_each_group("/sys/fs/cgroup/cpu", "cpu", [&](const std::string& folder) {
        consider(number_in<double>(read_text(folder + "/cpu.cfs_quota_us")), number_in<double>(read_text(folder + "/cpu.cfs_period_us")));
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
