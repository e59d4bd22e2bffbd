// The machine's limits on their own: memory bandwidth and the peak of each kind of arithmetic.
#include "machine_limits.h"

#include "program.h"

namespace nq::bench {
namespace {

void bandwidth(benchmark::State& state, bool copy, uint32_t threads) {
    samples rates;
    constexpr size_t amount = 16 << 20;
    for (auto _ : state)
        state.SetIterationTime(seconds(threads, [&] {
            if (copy)
                main_memory().copy(amount, threads, rates);
            else
                main_memory().read(amount, threads, rates);
        }));
    state.counters["GB/s"] = rates.median() * 1e-9;
    state.counters["best_GB/s"] = rates.best() * 1e-9;
}

void arithmetic(benchmark::State& state, const peak& p, uint32_t threads) {
    samples rates;
    for (auto _ : state) state.SetIterationTime(seconds(threads, [&] { sample_peak(p, threads, rates); }));
    state.counters["GFLOP/s"] = rates.median() * 1e-9;
    state.counters["best_GFLOP/s"] = rates.best() * 1e-9;
}

void register_all(bool) {
    for (const uint32_t threads : {1u, 2u}) {
        const std::string on = "/threads:" + std::to_string(threads);
        add("limits/dram_read" + on, 64, [=](benchmark::State& state) { bandwidth(state, false, threads); });
        add("limits/dram_copy" + on, 64, [=](benchmark::State& state) { bandwidth(state, true, threads); });
        for (const peak& p : all_peaks) {
            if (!p.supported()) continue;
            add(std::string("limits/") + p.name + on, 50, [=](benchmark::State& state) { arithmetic(state, p, threads); });
        }
    }
}

}  // namespace
}  // namespace nq::bench

int main(int count, char** arguments) { return nq::bench::run_benchmarks(count, arguments, nq::bench::register_all); }
