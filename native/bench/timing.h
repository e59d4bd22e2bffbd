// Times and rates of one kind of sample. Figures are medians; "best" ones are the fastest tenth.
#pragma once

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace nq::bench {

inline double now(clockid_t clock) {
    timespec time;
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// What an operation took: wall time, and the process's CPU time divided by its threads. CPU / wall is near 1 unless other programs had a
// core, or threads slept.
struct duration {
    double wall, cpu;

    // One thread: CPU time, which leaves out what other processes had of the core; more: wall time.
    double of(uint32_t threads) const { return threads == 1 ? cpu : wall; }
};

template <class F>
duration measure(uint32_t threads, const F& work) {
    const clockid_t clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID;
    const double wall = now(CLOCK_MONOTONIC), cpu = now(clock);
    work();
    return {now(CLOCK_MONOTONIC) - wall, (now(clock) - cpu) / threads};
}

template <class F>
double seconds(uint32_t threads, const F& work) {
    return measure(threads, work).of(threads);
}

inline double quantile(std::vector<double> values, double q) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))];
}

// Rates of one kind of sample, in units per second.
class samples {
public:
    void add(double amount, double time) { rates_.push_back(amount / time); }
    double median() const { return quantile(rates_, 0.5); }
    double best() const { return quantile(rates_, 0.9); }

private:
    std::vector<double> rates_;
};

// Durations of one kind of sample.
class durations {
public:
    void add(const duration& d) { wall_.push_back(d.wall), cpu_.push_back(d.cpu); }
    double wall() const { return quantile(wall_, 0.5); }
    double cpu() const { return quantile(cpu_, 0.5); }
    double of(uint32_t threads) const { return threads == 1 ? cpu() : wall(); }

private:
    std::vector<double> wall_, cpu_;
};

}  // namespace nq::bench
