#include "cpu/thread_pool.h"

#include <algorithm>
#include <system_error>
#include <thread>

#include "cpu/processors.h"
#include "profile.h"

#if defined(__unix__)
#include <signal.h>
#endif

namespace nq::cpu {

namespace {

// job::state: count of jobs (32 bits) | open (1) | most workers beside the owner (15) | workers beside the owner (16)
constexpr uint64_t joined_one = 1;
constexpr uint64_t joined_mask = 0xFFFF;
constexpr unsigned capacity_shift = 16;
constexpr uint64_t capacity_mask = 0x7FFF;
constexpr uint64_t open_bit = uint64_t{1} << 31;
constexpr unsigned serial_shift = 32;

// A chunk is this fraction of each thread's part of what is left, so that chunks are long while there is much to do (a stream from memory
// runs faster the longer it is) and all threads end at about the same time; but at least a grain, and at most so many of them.
constexpr size_t chunks_per_part = 4;
constexpr size_t most_grains = 64;
// About 50 us of pauses on current processors.
constexpr int spins_when_idle = 1000;
// More threads than processors: spinning would only keep the others from working.
constexpr int spins_when_crowded = 10;

void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
}

// The process's signals belong to its own threads. Threads started while this exists inherit an empty set.
class signals_blocked {
#if defined(__unix__)
public:
    signals_blocked() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_;
#endif
};

}  // namespace

void event::wait(uint32_t seen) {
    waiting_.fetch_add(1);
    epoch_.wait(seen);
    waiting_.fetch_sub(1);
}

void event::notify(uint32_t count) {
    epoch_.fetch_add(1);
    // A waiter counts itself before it looks at the epoch: either it is seen here or it sees the new epoch.
    const uint32_t waiting = waiting_.load();
    if (waiting == 0) return;
    if (count >= waiting) {
        epoch_.notify_all();
    } else {
        for (uint32_t i = 0; i < count; i++) epoch_.notify_one();
    }
}

thread_pool& thread_pool::shared() {
    static thread_pool* pool = new thread_pool;
    return *pool;
}

thread_pool::thread_pool() : processors_(usable_processors()) {}

thread_pool::job* thread_pool::take_job() {
    for (job& j : jobs_) {
        if (!j.taken.load(std::memory_order_relaxed) && !j.taken.exchange(true)) return &j;
    }
    return nullptr;
}

void thread_pool::run(size_t count, size_t grain, uint32_t threads, part body, const void* context) {
    if (count == 0) return;
    threads = std::clamp(threads, 1u, most_threads);
    grain = std::max(grain, size_t{1});
    threads = static_cast<uint32_t>(std::min<size_t>(threads, (count - 1) / grain + 1));
    job* j = nullptr;
    if (threads > 1) {
        ensure_workers(threads - 1);
        j = take_job();
    }
    if (j == nullptr) {  // small, or every place is in use: then the processors are busy anyway
        const profile::kernel_time timed;
        body(context, 0, count, 0);
        return;
    }

    j->body = body;
    j->context = context;
    j->count = count;
    j->grain = grain;
    j->parts = threads * chunks_per_part;
    j->failure = nullptr;
    j->failed.store(false, std::memory_order_relaxed);
    j->workers.store(1, std::memory_order_relaxed);
    j->kernel_ticks.store(0, std::memory_order_relaxed);
    j->next.store(0, std::memory_order_relaxed);
    const uint64_t serial = (j->state.load(std::memory_order_relaxed) >> serial_shift) + 1;
    j->state.store(serial << serial_shift | open_bit | uint64_t{threads - 1} << capacity_shift, std::memory_order_release);
    published_.notify(threads - 1);

    execute(*j, true);
    j->state.fetch_and(~open_bit, std::memory_order_acq_rel);
    wait_for_workers(*j);
    profile::times.workers += profile::clock::duration(j->kernel_ticks.load(std::memory_order_relaxed));
    std::exception_ptr failure = std::move(j->failure);
    j->failure = nullptr;
    j->taken.store(false, std::memory_order_release);
    if (failure) std::rethrow_exception(failure);
}

void thread_pool::wait_for_workers(job& j) {
    if ((j.state.load(std::memory_order_acquire) & joined_mask) == 0) return;
    const profile::wait_time timed;
    const int spins = spins_.load(std::memory_order_relaxed);
    for (int spin = 0;; spin++) {
        const uint32_t seen = j.left.epoch();
        if ((j.state.load(std::memory_order_acquire) & joined_mask) == 0) return;
        if (spin < spins) {
            pause();
        } else {
            j.left.wait(seen);
        }
    }
}

// Runs chunks until none is left; whether there was one. A thread takes its number with its first chunk and keeps it until no chunk is
// left, so there are never more numbers than threads at work.
bool thread_pool::execute(job& j, bool owner) {
    const profile::kernel_time timed;
    uint32_t worker = 0;
    bool first = true;
    for (;;) {
        size_t begin = j.next.load(std::memory_order_relaxed), end;
        do {
            if (begin >= j.count) return !first;
            const size_t left = j.count - begin;
            end = begin + std::min(left, std::max(j.grain, std::min(left / j.parts, j.grain * most_grains)));
        } while (!j.next.compare_exchange_weak(begin, end, std::memory_order_relaxed));
        if (first && !owner) worker = j.workers.fetch_add(1, std::memory_order_relaxed);
        first = false;
        try {
            j.body(j.context, begin, end, worker);
        } catch (...) {
            if (!j.failed.exchange(true)) j.failure = std::current_exception();
            j.next.store(j.count, std::memory_order_relaxed);
        }
    }
}

bool thread_pool::help(job& j) {
    uint64_t state = j.state.load(std::memory_order_acquire);
    do {
        const bool open = (state & open_bit) != 0;
        if (!open || (state & joined_mask) >= (state >> capacity_shift & capacity_mask)) return false;
    } while (!j.state.compare_exchange_weak(state, state + joined_one, std::memory_order_acq_rel, std::memory_order_acquire));
    const profile::clock::duration kernel_before = profile::times.kernel;
    const bool worked = execute(j, false);
    j.kernel_ticks.fetch_add((profile::times.kernel - kernel_before).count(), std::memory_order_relaxed);
    const uint64_t before = j.state.fetch_sub(joined_one, std::memory_order_acq_rel);
    if ((before & joined_mask) == 1 && (before & open_bit) == 0) j.left.notify(1);
    return worked;
}

void thread_pool::work() {
    for (;;) {
        const uint32_t seen = published_.epoch();
        bool worked = false;
        for (job& j : jobs_) worked |= help(j);
        if (worked) continue;
        const int spins = spins_.load(std::memory_order_relaxed);
        int spin = 0;
        while (spin < spins && published_.epoch() == seen) {
            pause();
            spin++;
        }
        if (spin == spins) published_.wait(seen);
    }
}

void thread_pool::ensure_workers(uint32_t count) {
    if (worker_count_.load(std::memory_order_acquire) >= count) return;
    std::lock_guard lock(growth_);
    const signals_blocked blocked;
    uint32_t running = worker_count_.load(std::memory_order_relaxed);
    try {
        for (; running < count; running++) std::thread([this] { work(); }).detach();
    } catch (const std::system_error&) {
        // No more threads to be had: what runs does the work, and the next job asks again.
    }
    spins_.store(running + 1 <= processors_ ? spins_when_idle : spins_when_crowded, std::memory_order_relaxed);
    worker_count_.store(running, std::memory_order_release);
}

}  // namespace nq::cpu
