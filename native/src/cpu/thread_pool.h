// The process's worker threads. One pool serves every device: an operation publishes a job, works on it itself as worker 0, and is joined
// by idle workers up to the number of threads its device may use. Work is claimed in chunks that get smaller towards the end, so a
// processor that vanishes for some milliseconds delays one chunk only. Idle workers spin for some microseconds (a decode step is hundreds
// of short jobs) and then park.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>

namespace nq::cpu {

// Lets threads sleep until something happened since they last looked.
class event {
public:
    uint32_t epoch() const noexcept { return epoch_.load(); }
    void wait(uint32_t seen);
    // Wakes at least `count` of the waiting threads, if so many wait.
    void notify(uint32_t count);

private:
    std::atomic<uint32_t> epoch_{0};
    std::atomic<uint32_t> waiting_{0};
};

class thread_pool {
public:
    static constexpr uint32_t most_threads = 1024;

    // The pool of this process. It is never destroyed: its threads may outlive static destruction.
    static thread_pool& shared();

    // Calls body(begin, end, worker) for parts of [0, count) of at least `grain` elements (the last may be smaller) until all are done, on
    // at most `threads` threads at once, worker < threads. Parts run in any order and at the same time. An exception of a part is rethrown
    // here after the others have ended; parts not yet begun are dropped. May be called from any thread, also from within a body.
    template <class Body>
    void parallel_for(size_t count, size_t grain, uint32_t threads, const Body& body) {
        run(
            count, grain, threads,
            [](const void* context, size_t begin, size_t end, uint32_t worker) {
                (*static_cast<const Body*>(context))(begin, end, worker);
            },
            &body);
    }

private:
    using part = void (*)(const void* context, size_t begin, size_t end, uint32_t worker);

    // A place for one job at a time; places are never freed, so a late worker may look at any of them.
    struct alignas(64) job {
        // Whether the job takes workers, how many it may have and has, and a count of jobs, in one word: who joins by compare-and-swap has
        // joined exactly the job that was read.
        std::atomic<uint64_t> state{0};
        std::atomic<bool> taken{false};
        part body = nullptr;
        const void* context = nullptr;
        size_t count = 0;
        size_t grain = 1;
        size_t parts = 1;
        std::exception_ptr failure;
        std::atomic<bool> failed{false};
        std::atomic<uint32_t> workers{0};
        std::atomic<int64_t> kernel_ticks{0};  // of the workers beside the owner, while profiling
        event left;
        alignas(64) std::atomic<size_t> next{0};
    };

    thread_pool();
    void run(size_t count, size_t grain, uint32_t threads, part body, const void* context);
    void ensure_workers(uint32_t count);
    void work();
    bool help(job& j);
    void wait_for_workers(job& j);
    static bool execute(job& j, bool owner);
    job* take_job();

    static constexpr size_t job_places = 64;
    job jobs_[job_places];
    event published_;
    std::mutex growth_;
    std::atomic<uint32_t> worker_count_{0};
    std::atomic<int> spins_{0};
    uint32_t processors_;
};

}  // namespace nq::cpu
