// What this machine can do, measured beside every benchmark: DRAM read bandwidth and multiply-add peak on the same threads, in turn with
// the operation itself, so that other load on the machine strikes both alike. Figures are medians of the samples, "best" ones the fastest
// tenth.
#pragma once

#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "cpu/thread_pool.h"

#if defined(NQ_X86_64)
#include <immintrin.h>
#endif

namespace nq::bench {

// Time of an operation on so many threads. One thread: its CPU time, which leaves out what other processes had of the core; more: wall
// time.
template <class F>
double seconds(uint32_t threads, const F& work) {
    const clockid_t clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    timespec start, end;
    clock_gettime(clock, &start);
    work();
    clock_gettime(clock, &end);
    return static_cast<double>(end.tv_sec - start.tv_sec) + 1e-9 * static_cast<double>(end.tv_nsec - start.tv_nsec);
}

// Rates of one kind of sample.
class samples {
public:
    void add(double amount, double time) { rates_.push_back(amount / time); }
    double median() const { return quantile(0.5); }
    double best() const { return quantile(0.9); }

private:
    double quantile(double q) const {
        std::vector<double> sorted = rates_;
        std::sort(sorted.begin(), sorted.end());
        return sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1))];
    }
    std::vector<double> rates_;
};

inline volatile uint64_t sink;

#if defined(NQ_X86_64)
__attribute__((target("avx512f"))) inline void read_avx512(const char* p, size_t bytes) {
    __m512i sum[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    for (size_t i = 0; i < bytes; i += 256)
        for (size_t j = 0; j < 4; ++j) {
            _mm_prefetch(p + i + 64 * j + 4096, _MM_HINT_T0);  // 15 % faster than the hardware's prefetchers alone (Ice Lake)
            sum[j] = _mm512_xor_si512(sum[j], _mm512_load_si512(p + i + 64 * j));
        }
    alignas(64) uint64_t lanes[8];
    _mm512_store_si512(lanes, _mm512_xor_si512(_mm512_xor_si512(sum[0], sum[1]), _mm512_xor_si512(sum[2], sum[3])));
    sink = lanes[0];
}

__attribute__((target("avx512f"))) inline float fma_avx512(size_t rounds) {
    __m512 sum[16];
    for (auto& s : sum) s = _mm512_set1_ps(1.0f);
    const __m512 x = _mm512_set1_ps(0.999f);
    for (size_t i = 0; i < rounds; ++i) {
        for (auto& s : sum) {
            __m512 next = _mm512_fmadd_ps(s, x, x);
            __asm__ volatile("" : "+v"(next));  // keeps equal chains apart
            s = next;
        }
    }
    float all = 0;
    for (auto& s : sum) all += _mm512_cvtss_f32(s);
    return all;
}

__attribute__((target("avx2,fma"))) inline float fma_avx2(size_t rounds) {
    __m256 sum[12];
    for (auto& s : sum) s = _mm256_set1_ps(1.0f);
    const __m256 x = _mm256_set1_ps(0.999f);
    for (size_t i = 0; i < rounds; ++i) {
        for (auto& s : sum) {
            __m256 next = _mm256_fmadd_ps(s, x, x);
            __asm__ volatile("" : "+x"(next));
            s = next;
        }
    }
    float all = 0;
    for (auto& s : sum) all += _mm256_cvtss_f32(s);
    return all;
}
#endif

inline void read_bytes(const char* p, size_t bytes) {
#if defined(NQ_X86_64)
    if (__builtin_cpu_supports("avx512f")) return read_avx512(p, bytes);
#endif
    uint64_t sum[8] = {};
    for (size_t i = 0; i < bytes; i += 64) {
        uint64_t words[8];
        std::memcpy(words, p + i, 64);
        for (size_t j = 0; j < 8; ++j) sum[j] ^= words[j];
    }
    sink = sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7];
}

// One GiB, larger than any cache, read a piece at a time from where the last piece ended.
class dram {
public:
    dram() {
        void* start = mmap(nullptr, bytes + (2u << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (start == MAP_FAILED) std::abort();
        data_ = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(start) + (2u << 20) - 1) & ~uintptr_t{(2u << 20) - 1});
        madvise(data_, bytes, MADV_HUGEPAGE);
        std::memset(data_, 1, bytes);
    }

    // Reads `amount` bytes on so many threads and adds the rate, in bytes per second.
    void read(size_t amount, uint32_t threads, samples& rates) {
        constexpr size_t piece = 128 << 10;
        const size_t pieces = std::max<size_t>(amount / piece, 1);
        if (position_ + pieces * piece > bytes) position_ = 0;
        const char* start = data_ + position_;
        position_ += pieces * piece;
        const double time = seconds(threads, [&] {
            cpu::thread_pool::shared().parallel_for(
                pieces, 1, threads, [&](size_t begin, size_t end, uint32_t) { read_bytes(start + begin * piece, (end - begin) * piece); });
        });
        rates.add(static_cast<double>(pieces * piece), time);
    }

    static constexpr size_t bytes = size_t{1} << 30;

private:
    char* data_;
    size_t position_ = 0;
};

// Floating-point operations per second of multiply-adds in registers, at the vector width of the implementation. About 2 ms.
inline void fma_peak(const char* implementation, uint32_t threads, samples& rates) {
#if defined(NQ_X86_64)
    constexpr size_t rounds = 40000;
    const bool wide = std::strcmp(implementation, "avx512") == 0;
    if (!wide && !__builtin_cpu_supports("avx2")) return;
    const size_t parts = 8 * threads;
    const double time = seconds(threads, [&] {
        cpu::thread_pool::shared().parallel_for(parts, 1, threads, [&](size_t begin, size_t end, uint32_t) {
            for (; begin < end; ++begin) sink = static_cast<uint64_t>(wide ? fma_avx512(rounds) : fma_avx2(rounds));
        });
    });
    rates.add(static_cast<double>(parts * rounds) * (wide ? 16 * 16 * 2 : 12 * 8 * 2), time);
#else
    (void)implementation, (void)threads, (void)rates;
#endif
}

}  // namespace nq::bench
