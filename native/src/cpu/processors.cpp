#include "cpu/processors.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "cpu/control_group.h"

#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace nq::cpu {

namespace {

uint32_t affinity_processors() {
#if defined(__linux__)
    for (int most = 1024; most <= 1 << 20; most *= 2) {  // the kernel refuses a set smaller than its own
        cpu_set_t* set = CPU_ALLOC(most);
        if (set == nullptr) break;
        const size_t bytes = CPU_ALLOC_SIZE(most);
        const int count = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
        CPU_FREE(set);
        if (count > 0) return static_cast<uint32_t>(count);
    }
#endif
    return std::max(1u, std::thread::hardware_concurrency());
}

#if defined(__x86_64__)

struct feature {
    const char* name;
    uint32_t leaf, subleaf;
    char reg;
    unsigned bit;
    uint64_t state;  // bits of XCR0 that must be set
};

constexpr uint64_t xmm_ymm = 0x6, zmm = 0xE6, tiles = 0x60000;

constexpr feature features[] = {
    {"sse2", 1, 0, 'd', 26, 0},         {"sse3", 1, 0, 'c', 0, 0},          {"ssse3", 1, 0, 'c', 9, 0},
    {"sse4.1", 1, 0, 'c', 19, 0},       {"sse4.2", 1, 0, 'c', 20, 0},       {"popcnt", 1, 0, 'c', 23, 0},
    {"avx", 1, 0, 'c', 28, xmm_ymm},    {"f16c", 1, 0, 'c', 29, xmm_ymm},   {"fma", 1, 0, 'c', 12, xmm_ymm},
    {"bmi1", 7, 0, 'b', 3, 0},          {"bmi2", 7, 0, 'b', 8, 0},          {"avx2", 7, 0, 'b', 5, xmm_ymm},
    {"avxvnni", 7, 1, 'a', 4, xmm_ymm}, {"avx512f", 7, 0, 'b', 16, zmm},    {"avx512dq", 7, 0, 'b', 17, zmm},
    {"avx512cd", 7, 0, 'b', 28, zmm},   {"avx512bw", 7, 0, 'b', 30, zmm},   {"avx512vl", 7, 0, 'b', 31, zmm},
    {"avx512vbmi", 7, 0, 'c', 1, zmm},  {"avx512vbmi2", 7, 0, 'c', 6, zmm}, {"avx512vnni", 7, 0, 'c', 11, zmm},
    {"avx512bf16", 7, 1, 'a', 5, zmm},  {"avx512fp16", 7, 0, 'd', 23, zmm}, {"amx-tile", 7, 0, 'd', 24, tiles},
    {"amx-int8", 7, 0, 'd', 25, tiles}, {"amx-bf16", 7, 0, 'd', 22, tiles},
};

// Register sets that the operating system saves (XCR0); 0 without OSXSAVE.
uint64_t saved_state() {
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c >> 27 & 1) == 0) return 0;
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return static_cast<uint64_t>(high) << 32 | low;
}

// Tiles are 8 KiB of state that Linux gives a process only if it asks, and refuses if the alternate signal stack of a thread would be too
// small for it. Asked once, before any thread uses tiles; what is granted holds for all threads.
bool tiles_permitted() {
#if defined(__linux__)
    constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return false;
#endif
}

bool present(const feature& f, uint64_t saved) {
    uint32_t a, b, c, d;
    if (f.subleaf > 0) {
        if (!__get_cpuid_count(f.leaf, 0, &a, &b, &c, &d) || a < f.subleaf) return false;
    }
    if (!__get_cpuid_count(f.leaf, f.subleaf, &a, &b, &c, &d)) return false;
    const uint32_t reg = f.reg == 'a' ? a : f.reg == 'b' ? b : f.reg == 'c' ? c : d;
    return (reg >> f.bit & 1) != 0 && (saved & f.state) == f.state;
}

std::string detect() {
    const uint64_t saved = saved_state();
    std::string names;
    bool refused = false;
    for (const feature& f : features) {
        if (!present(f, saved)) continue;
        if (f.state == tiles) {
            static const bool permitted = tiles_permitted();
            refused |= !permitted;
            if (!permitted) continue;
        }
        if (!names.empty()) names += ' ';
        names += f.name;
    }
    if (refused) names += " amx-refused";
    return names;
}

#else

std::string detect() { return {}; }

#endif

}  // namespace

uint32_t usable_processors() {
    uint32_t count = affinity_processors();
    if (const auto limit = control_group_processors()) count = std::min(count, static_cast<uint32_t>(std::ceil(*limit)));
    return std::max(count, 1u);
}

const std::string& cpu_features() {
    static const std::string& names = *new std::string(detect());  // callers keep the pointer for the life of the process
    return names;
}

bool has_cpu_features(std::string_view names) {
    const std::string padded = ' ' + cpu_features() + ' ';
    while (!names.empty()) {
        const size_t end = std::min(names.find(' '), names.size());
        const std::string_view name = names.substr(0, end);
        if (!name.empty() && padded.find(' ' + std::string(name) + ' ') == std::string::npos) return false;
        names.remove_prefix(std::min(end + 1, names.size()));
    }
    return true;
}

}  // namespace nq::cpu
