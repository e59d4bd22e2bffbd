// Where the time of calls goes, on request: nq_profile_start and its neighbours. While nothing is profiled a call costs one load more.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace nq::profile {

using clock = std::chrono::steady_clock;

// What a thread has spent in kernels (its outermost bodies), in waiting for its workers, and what those spent in kernels for it.
struct thread_times {
    clock::duration kernel{}, wait{}, workers{};
    bool in_kernel = false;
};

inline std::atomic<bool> enabled{false};
inline constinit thread_local thread_times times;

// Adds its lifetime to the calling thread's kernel time, unless that runs already.
class kernel_time {
public:
    kernel_time() {
        if (!enabled.load(std::memory_order_relaxed) || times.in_kernel) return;
        times.in_kernel = active_ = true;
        start_ = clock::now();
    }
    ~kernel_time() {
        if (!active_) return;
        times.kernel += clock::now() - start_;
        times.in_kernel = false;
    }
    kernel_time(const kernel_time&) = delete;
    kernel_time& operator=(const kernel_time&) = delete;

private:
    bool active_ = false;
    clock::time_point start_;
};

// Adds its lifetime to the calling thread's waiting time, unless that is part of a kernel.
class wait_time {
public:
    wait_time() : active_(enabled.load(std::memory_order_relaxed) && !times.in_kernel) {
        if (active_) start_ = clock::now();
    }
    ~wait_time() {
        if (active_) times.wait += clock::now() - start_;
    }
    wait_time(const wait_time&) = delete;
    wait_time& operator=(const wait_time&) = delete;

private:
    bool active_;
    clock::time_point start_;
};

// The sums of one exported function. One per place of call, for the life of the process.
class function_record {
public:
    explicit function_record(const char* name);

    void add(clock::duration total, const thread_times& before, const thread_times& after) noexcept;
    void clear() noexcept;

    const char* const name;
    std::atomic<uint64_t> calls{0}, total{0}, kernel{0}, wait{0}, workers{0};  // nanoseconds
};

// Times one call of a function.
class call_time {
public:
    explicit call_time(function_record& record) : record_(record), before_(times), start_(clock::now()) {}
    ~call_time() { record_.add(clock::now() - start_, before_, times); }
    call_time(const call_time&) = delete;
    call_time& operator=(const call_time&) = delete;

private:
    function_record& record_;
    const thread_times before_;
    const clock::time_point start_;
};

}  // namespace nq::profile
