#include "cpu/thread_pool.h"

#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace nq::cpu {
namespace {

// How often each of `count` elements is visited.
std::vector<int> visits(size_t count, size_t grain, uint32_t threads) {
    std::vector<int> seen(count);  // parts are disjoint, so no two threads write one element
    thread_pool::shared().parallel_for(count, grain, threads, [&](size_t begin, size_t end, uint32_t worker) {
        EXPECT_LT(worker, threads);
        for (size_t i = begin; i < end; i++) seen[i]++;
    });
    return seen;
}

TEST(ThreadPool, VisitsEveryElementOnce) {
    for (uint32_t threads : {1u, 2u, 3u, 7u, 16u}) {
        for (size_t count : {0u, 1u, 2u, 7u, 63u, 1000u, 100003u}) {
            for (size_t grain : {1u, 5u, 4096u})
                EXPECT_EQ(visits(count, grain, threads), std::vector<int>(count, 1)) << threads << ' ' << count;
        }
    }
}

TEST(ThreadPool, PartsAreNoSmallerThanTheGrain) {
    std::atomic<int> small{0};
    thread_pool::shared().parallel_for(1000, 64, 7, [&](size_t begin, size_t end, uint32_t) { small += end - begin < 64 && end != 1000; });
    EXPECT_EQ(small, 0);
}

TEST(ThreadPool, WorkersOfOneJobHaveDifferentNumbers) {
    for (int round = 0; round < 200; round++) {
        std::vector<std::atomic<int>> inside(7);
        std::atomic<int> collisions{0};
        thread_pool::shared().parallel_for(200, 1, 7, [&](size_t, size_t, uint32_t worker) {
            if (inside[worker].fetch_add(1) != 0) collisions++;
            std::this_thread::yield();
            inside[worker].fetch_sub(1);
        });
        ASSERT_EQ(collisions, 0);
    }
}

TEST(ThreadPool, AsksForMoreThreadsThanProcessors) {
    std::vector<std::thread::id> ids(64);
    thread_pool::shared().parallel_for(64, 1, 7, [&](size_t begin, size_t end, uint32_t) {
        for (size_t i = begin; i < end; i++) {
            ids[i] = std::this_thread::get_id();
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    });
    std::sort(ids.begin(), ids.end());
    const auto distinct = std::unique(ids.begin(), ids.end()) - ids.begin();
    EXPECT_GT(distinct, 1);
    EXPECT_LE(distinct, 7);
}

TEST(ThreadPool, ManyThreadsMayCallAtOnce) {
    constexpr int callers = 12, rounds = 200;
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int c = 0; c < callers; c++) {
        threads.emplace_back([&, c] {
            for (int round = 0; round < rounds; round++) {
                const size_t count = static_cast<size_t>(100 + c * 13 + round);
                std::atomic<size_t> sum{0};
                thread_pool::shared().parallel_for(count, 3, static_cast<uint32_t>(1 + c % 7), [&](size_t begin, size_t end, uint32_t) {
                    for (size_t i = begin; i < end; i++) sum.fetch_add(i, std::memory_order_relaxed);
                });
                wrong += sum != count * (count - 1) / 2;
            }
        });
    }
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(wrong, 0);
}

TEST(ThreadPool, MoreCallersThanJobPlacesStillFinish) {
    std::vector<std::thread> threads;
    std::atomic<int> done{0};
    for (int c = 0; c < 100; c++) {
        threads.emplace_back([&] {
            thread_pool::shared().parallel_for(
                8, 1, 3, [&](size_t, size_t, uint32_t) { std::this_thread::sleep_for(std::chrono::milliseconds(1)); });
            done++;
        });
    }
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(done, 100);
}

TEST(ThreadPool, BodiesMayCallAgain) {
    std::atomic<size_t> inner{0};
    thread_pool::shared().parallel_for(20, 1, 3, [&](size_t begin, size_t end, uint32_t) {
        for (size_t i = begin; i < end; i++) {
            thread_pool::shared().parallel_for(50, 1, 3, [&](size_t b, size_t e, uint32_t) { inner += e - b; });
        }
    });
    EXPECT_EQ(inner, 1000u);
}

TEST(ThreadPool, AnExceptionOfABodyReachesTheCaller) {
    for (int round = 0; round < 50; round++) {
        EXPECT_THROW(thread_pool::shared().parallel_for(100, 1, 7,
                                                        [](size_t begin, size_t, uint32_t) {
                                                            if (begin >= 40) throw std::runtime_error("body");
                                                        }),
                     std::runtime_error);
    }
    EXPECT_EQ(visits(1000, 1, 7), std::vector<int>(1000, 1)) << "the pool works on afterwards";
}

TEST(ThreadPool, ParkedWorkersWakeUp) {
    for (int round = 0; round < 5; round++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));  // longer than any spinning
        EXPECT_EQ(visits(1000, 1, 3), std::vector<int>(1000, 1));
    }
}

double processor_seconds() {
    timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

TEST(ThreadPool, IdleWorkersUseNoProcessor) {
    visits(100000, 1, 7);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // workers spin and park
    const double before = processor_seconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    EXPECT_LT(processor_seconds() - before, 0.04) << "of 0.4 s on up to 16 threads";
}

TEST(ThreadPool, ChunksGetSmallerTowardsTheEnd) {
    std::mutex mutex;
    std::vector<std::pair<size_t, size_t>> parts;
    thread_pool::shared().parallel_for(10000, 10, 2, [&](size_t begin, size_t end, uint32_t) {
        const std::lock_guard lock(mutex);
        parts.emplace_back(begin, end - begin);
    });
    std::sort(parts.begin(), parts.end());
    EXPECT_EQ(parts.front().second, 640u) << "64 grains at most";
    EXPECT_LE(parts.back().second, 10u) << "a grain";
    for (size_t i = 1; i < parts.size(); i++) EXPECT_LE(parts[i].second, parts[i - 1].second);
}

TEST(ThreadPool, CallersShareItsThreads) {
    // However many devices call at once, the workers are those of the largest job: callers work themselves.
    visits(100000, 1, 7);
    const auto threads_of_process = [] {
        return std::distance(std::filesystem::directory_iterator("/proc/self/task"), std::filesystem::directory_iterator());
    };
    const auto before = threads_of_process();
    std::atomic<std::ptrdiff_t> most{0};
    constexpr int callers = 6;
    std::vector<std::thread> threads;
    for (int c = 0; c < callers; c++) {
        threads.emplace_back([&] {
            for (int round = 0; round < 50; round++) visits(20000, 1, 7);
            most = std::max(most.load(), threads_of_process());
        });
    }
    for (std::thread& t : threads) t.join();
    EXPECT_LE(most, before + callers);
}

}  // namespace
}  // namespace nq::cpu
