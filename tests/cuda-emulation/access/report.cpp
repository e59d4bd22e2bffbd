// cuda_access_report STATISTICS BOUNDS: the table of transactions that kernels make (simt/check/statistics.h), and whether those that
// BOUNDS names stay within it.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct entry {
    std::string kernel, place, memory, direction;
    unsigned bytes = 0;
    unsigned long long accesses = 0, used = 0, fewest = 0;

    double ratio() const { return static_cast<double>(used) / static_cast<double>(fewest); }
};

struct bound {
    std::string kernel, memory, direction, place;
    double most = 0;

    bool names(const entry& e) const {
        const bool kernel_fits = kernel.ends_with('*') ? e.kernel.starts_with(kernel.substr(0, kernel.size() - 1)) : e.kernel == kernel;
        return kernel_fits && e.memory == memory && e.direction == direction && (place == "*" || e.place.find(place) != std::string::npos);
    }
};

std::vector<entry> read_entries(const char* file) {
    std::vector<entry> all;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        std::istringstream fields(line);
        entry e;
        std::getline(fields, e.kernel, '\t');
        std::getline(fields, e.place, '\t');
        std::getline(fields, e.memory, '\t');
        std::getline(fields, e.direction, '\t');
        if (fields >> e.bytes >> e.accesses >> e.used >> e.fewest) all.push_back(e);
    }
    return all;
}

std::vector<bound> read_bounds(const char* file) {
    std::vector<bound> all;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        if (line.empty() || line[0] == '#') continue;
        std::istringstream fields(line);
        bound b;
        if (fields >> b.kernel >> b.memory >> b.direction >> b.place >> b.most) all.push_back(b);
    }
    return all;
}

// "file:line" of the innermost call that is not of a wrapper for memory accesses. addr2line writes "function at file:line < caller at ...".
std::string short_place(const std::string& place) {
    std::string found = place;
    for (size_t from = 0; (from = place.find(" at ", from)) != std::string::npos;) {
        from += 4;
        found = place.substr(from, place.find_first_of(" ", from) - from);
        const bool wrapper = found.starts_with("simt.h") || found.starts_with("numbers.h") || found.starts_with("instructions.h");
        if (!wrapper) break;
    }
    return found;
}

void print_table(const std::vector<entry>& entries) {
    struct row {
        entry of[2][2];  // shared or device, read or write
        const entry* worst = nullptr;
    };
    std::map<std::string, row> rows;
    for (const entry& e : entries) {
        row& r = rows[e.kernel];
        entry& sum = r.of[e.memory == "device"][e.direction == "write"];
        sum.accesses += e.accesses;
        sum.used += e.used;
        sum.fewest += e.fewest;
        if (e.used > e.fewest && (r.worst == nullptr || e.used - e.fewest > r.worst->used - r.worst->fewest)) r.worst = &e;
    }
    std::printf(
        "| kernel | shared reads | shared writes | device reads | device writes | most beyond the fewest at |\n| --- | --- | --- | --- | "
        "--- | --- |\n");
    for (const auto& [kernel, r] : rows) {
        std::printf("| %s |", kernel.c_str());
        for (const auto& memory : r.of) {
            for (const entry& e : memory) {
                if (e.accesses == 0) {
                    std::printf(" |");
                } else {
                    std::printf(" %.2f |", e.ratio());
                }
            }
        }
        if (r.worst == nullptr) {
            std::printf(" |\n");
        } else {
            std::printf(" %s: %s %s %.2f |\n", short_place(r.worst->place).c_str(), r.worst->memory.c_str(), r.worst->direction.c_str(),
                        r.worst->ratio());
        }
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) {
        std::fprintf(stderr, "usage: cuda_access_report STATISTICS BOUNDS\n");
        return 2;
    }
    const std::vector<entry> entries = read_entries(arguments[1]);
    print_table(entries);
    int failures = 0;
    for (const bound& b : read_bounds(arguments[2])) {
        entry sum;
        for (const entry& e : entries) {
            if (!b.names(e)) continue;
            sum.used += e.used;
            sum.fewest += e.fewest;
        }
        const char* verdict = sum.fewest == 0 ? "NOTHING is counted" : sum.ratio() > b.most + 1e-9 ? "TOO MANY" : "within";
        failures += verdict[0] != 'w';
        std::printf("%s %s %s at %s: %llu transactions, %llu would do; bound %.2f: %s\n", b.kernel.c_str(), b.memory.c_str(),
                    b.direction.c_str(), b.place.c_str(), sum.used, sum.fewest, b.most, verdict);
    }
    return failures == 0 ? 0 : 1;
}
