#include "cpu/dispatch.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

#include "cpu/processors.h"
#include "cpu/thread_pool.h"
#include "error.h"

namespace nq::cpu {

namespace {

// Best first. NQ_CPU_<NAME> is defined by nq_add_implementation for each folder that has sources.
constexpr const kernels* all[] = {
#if defined(NQ_CPU_AMX)
    &amx_kernels,
#endif
#if defined(NQ_CPU_AVX512)
    &avx512_kernels,
#endif
#if defined(NQ_CPU_AVX2)
    &avx2_kernels,
#endif
    &scalar_kernels,
};

// All of them, and what tests have added.
std::vector<const kernels*>& known() {
    static std::vector<const kernels*>& list = *new std::vector<const kernels*>(std::begin(all), std::end(all));
    return list;
}

std::string known_names() {
    std::string names;
    for (const kernels* k : known()) {
        if (!names.empty()) names += ", ";
        names += k->name;
        if (!supported(*k)) names += " (not on this processor)";
    }
    return names;
}

const char* environment(const char* variable) {
    const char* value = std::getenv(variable);
    return value != nullptr && *value != '\0' ? value : nullptr;
}

}  // namespace

std::span<const kernels* const> implementations() { return known(); }

void add_implementation(const kernels& implementation) { known().insert(known().end() - 1, &implementation); }

bool supported(const kernels& implementation) { return has_cpu_features(implementation.requires_features); }

const kernels& select_implementation(const char* name) {
    const char* origin = "";
    if (name == nullptr) {
        name = environment("NATIVEQUANT_CPU");
        origin = " (from NATIVEQUANT_CPU)";
    }
    if (name == nullptr) return **std::find_if(std::begin(all), std::end(all), [](const kernels* k) { return supported(*k); });
    for (const kernels* k : known()) {
        if (std::strcmp(k->name, name) == 0) {
            if (supported(*k)) return *k;
            throw error(NQ_STATUS_DEVICE_NOT_AVAILABLE,
                        "CPU implementation '%.64s'%s does not run on this processor: it needs %s; known: %s", name, origin,
                        k->requires_features, known_names().c_str());
        }
    }
    throw error(NQ_STATUS_DEVICE_NOT_AVAILABLE, "CPU implementation '%.64s'%s is unknown; known: %s", name, origin, known_names().c_str());
}

uint32_t default_thread_count() {
    const char* text = environment("NATIVEQUANT_THREADS");
    if (text == nullptr) return std::min(usable_processors(), thread_pool::most_threads);
    char* end;
    const long value = std::strtol(text, &end, 10);
    if (*end != '\0' || value < 1 || value > static_cast<long>(thread_pool::most_threads)) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "NATIVEQUANT_THREADS is '%.64s', expected a number from 1 to %u", text,
                    thread_pool::most_threads);
    }
    return static_cast<uint32_t>(value);
}

}  // namespace nq::cpu
