// The main function of every benchmark: Google Benchmark's options, and --short for a part that takes a minute or two.
#pragma once

#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <vector>

#include "device.h"

namespace nq::bench {

// CPU implementations to measure: those that run here, best first, or the one that NATIVEQUANT_CPU names.
inline std::vector<std::string> implementations_here() {
    if (const char* name = std::getenv("NATIVEQUANT_CPU"); name != nullptr && *name != '\0') return {name};
    std::vector<std::string> names;
    for (uint32_t i = 0; i < nq_cpu_implementation_count(); ++i) {
        nq_cpu_implementation implementation;
        check(nq_cpu_implementation_get(i, &implementation));
        if (implementation.supported != 0) names.emplace_back(implementation.name);
    }
    return names;
}

// Adds a benchmark that measures its own time, in so many iterations.
template <class Run>
void add(const std::string& name, int64_t iterations, const Run& run) {
    benchmark::RegisterBenchmark(name.c_str(), run)->Iterations(iterations)->UseManualTime()->Unit(benchmark::kMillisecond);
}

// register_all(bool brief) adds the benchmarks.
template <class Register>
int run_benchmarks(int count, char** arguments, const Register& register_all) {
    bool brief = false;
    int kept = 0;
    for (int i = 0; i < count; ++i) {
        if (std::strcmp(arguments[i], "--short") == 0)
            brief = true;
        else
            arguments[kept++] = arguments[i];
    }
    register_all(brief);
    benchmark::AddCustomContext("implementation", implementation(open_device(1).get()));
    benchmark::AddCustomContext("library", nq_build_info());
    benchmark::AddCustomContext("cpu_features", nq_cpu_features());
    benchmark::Initialize(&kept, arguments);
    if (benchmark::ReportUnrecognizedArguments(kept, arguments)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}

}  // namespace nq::bench
