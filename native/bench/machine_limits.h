// What this machine can do at best: DRAM read and copy bandwidth, and the peak of the instructions that linear layers are made of. Each
// benchmark samples its limit in turn with the operation itself, so that other load on the machine strikes both alike.
#pragma once

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <span>

#include "cpu/thread_pool.h"
#include "timing.h"

#if defined(NQ_X86_64)
#include <immintrin.h>

#include "tile_peaks.h"
#endif

namespace nq::bench {

inline volatile uint64_t sink;

// ---- memory --------------------------------------------------------------------------------------------------------------

// Bytes are read as `streams` sequential streams side by side, `turn` bytes of each in turn. One stream alone reaches 0.7 to 0.8 of this on
// an Ice Lake Xeon (12.5-13 against 16-17 GB/s on one thread), with or without software prefetch.
constexpr size_t streams = 16, turn = 512, stream_bytes = 32 << 10, piece_bytes = streams * stream_bytes;

#if defined(NQ_X86_64)
__attribute__((target("avx512f"))) inline void read_piece_avx512(const char* p) {
    __m512i sum[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    for (size_t offset = 0; offset < stream_bytes; offset += turn)
        for (size_t s = 0; s < streams; ++s) {
            const char* q = p + s * stream_bytes + offset;
            for (size_t i = 0; i < turn; i += 128) {
                _mm_prefetch(q + i + 1024, _MM_HINT_T0);
                _mm_prefetch(q + i + 1088, _MM_HINT_T0);
                sum[0] = _mm512_xor_si512(sum[0], _mm512_load_si512(q + i));
                sum[1] = _mm512_xor_si512(sum[1], _mm512_load_si512(q + i + 64));
            }
        }
    alignas(64) uint64_t lanes[8];
    _mm512_store_si512(lanes, _mm512_xor_si512(sum[0], sum[1]));
    sink = lanes[0];
}
#endif

inline void read_piece(const char* p) {
#if defined(NQ_X86_64)
    if (__builtin_cpu_supports("avx512f")) return read_piece_avx512(p);
#endif
    uint64_t sum[8] = {};
    for (size_t offset = 0; offset < stream_bytes; offset += turn)
        for (size_t s = 0; s < streams; ++s) {
            const char* q = p + s * stream_bytes + offset;
            for (size_t i = 0; i < turn; i += 64) {
                uint64_t words[8];
                std::memcpy(words, q + i, 64);
                __builtin_prefetch(q + i + 1024);
                for (size_t j = 0; j < 8; ++j) sum[j] ^= words[j];
            }
        }
    sink = sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7];
}

#if defined(NQ_X86_64)
// Stores past the caches: an ordinary store would first read the line.
__attribute__((target("avx512f"))) inline void copy_piece_avx512(char* to, const char* from) {
    for (size_t offset = 0; offset < stream_bytes; offset += turn)
        for (size_t s = 0; s < streams; ++s)
            for (size_t i = s * stream_bytes + offset, end = i + turn; i < end; i += 64)
                _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i), _mm512_load_si512(from + i));
    _mm_sfence();
}
#endif

inline void copy_piece(char* to, const char* from) {
#if defined(NQ_X86_64)
    if (__builtin_cpu_supports("avx512f")) return copy_piece_avx512(to, from);
#endif
    std::memcpy(to, from, piece_bytes);
}

// One GiB in pages of 2 MiB, larger than any cache, used a piece at a time from where the last one ended.
class dram {
public:
    dram() {
        void* start = mmap(nullptr, bytes + (2u << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (start == MAP_FAILED) std::abort();
        data_ = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(start) + (2u << 20) - 1) & ~uintptr_t{(2u << 20) - 1});
        madvise(data_, bytes, MADV_HUGEPAGE);
        std::memset(data_, 1, bytes);
    }

    // Reads about `amount` bytes on so many threads and adds the rate, in bytes per second.
    void read(size_t amount, uint32_t threads, samples& rates) {
        const size_t pieces = std::max<size_t>(amount / piece_bytes, 1);
        const char* start = next(pieces * piece_bytes);
        const double time = seconds(threads, [&] {
            cpu::thread_pool::shared().parallel_for(pieces, 1, threads, [&](size_t begin, size_t end, uint32_t) {
                for (; begin < end; ++begin) read_piece(start + begin * piece_bytes);
            });
        });
        rates.add(static_cast<double>(pieces * piece_bytes), time);
    }

    // Copies half of about `amount` bytes onto the other half; the rate counts the bytes read and the bytes written.
    void copy(size_t amount, uint32_t threads, samples& rates) {
        const size_t pieces = std::max<size_t>(amount / (2 * piece_bytes), 1), half = pieces * piece_bytes;
        char* start = next(2 * half);
        const double time = seconds(threads, [&] {
            cpu::thread_pool::shared().parallel_for(pieces, 1, threads, [&](size_t begin, size_t end, uint32_t) {
                for (; begin < end; ++begin) copy_piece(start + half + begin * piece_bytes, start + begin * piece_bytes);
            });
        });
        rates.add(static_cast<double>(2 * half), time);
    }

    static constexpr size_t bytes = size_t{1} << 30;

private:
    char* next(size_t amount) {
        if (position_ + amount > bytes) position_ = 0;
        char* start = data_ + position_;
        position_ += amount;
        return start;
    }

    char* data_;
    size_t position_ = 0;
};

inline dram& main_memory() {
    static dram buffer;
    return buffer;
}

// ---- arithmetic ----------------------------------------------------------------------------------------------------------

// The highest rate of one kind of instruction, operands in registers. `run` does `rounds` rounds of `operations` each.
struct peak {
    const char* name;
    bool (*supported)();
    void (*run)(size_t rounds);
    double operations;
};

#if defined(NQ_X86_64)
// The empty assembly keeps the compiler from merging chains that compute the same.
#define NQ_PEAK_ROUNDS(vector, count, start, constraint, step) \
    vector sum[count];                                         \
    for (auto& s : sum) s = start;                             \
    for (size_t i = 0; i < rounds; ++i)                        \
        for (auto& s : sum) {                                  \
            vector next = step;                                \
            __asm__ volatile("" : "+" constraint(next));       \
            s = next;                                          \
        }                                                      \
    for (auto& s : sum) __asm__ volatile("" : "+" constraint(s));

__attribute__((target("avx512f"))) inline void fma_avx512(size_t rounds) {
    const __m512 x = _mm512_set1_ps(0.999f);
    NQ_PEAK_ROUNDS(__m512, 16, _mm512_set1_ps(1.0f), "v", _mm512_fmadd_ps(s, x, x))
}

__attribute__((target("avx512f,avx512vnni"))) inline void vpdpbusd_avx512(size_t rounds) {
    const __m512i x = _mm512_set1_epi8(1);
    NQ_PEAK_ROUNDS(__m512i, 16, _mm512_setzero_si512(), "v", _mm512_dpbusd_epi32(s, x, x))
}

__attribute__((target("avx2,fma"))) inline void fma_avx2(size_t rounds) {
    const __m256 x = _mm256_set1_ps(0.999f);
    NQ_PEAK_ROUNDS(__m256, 12, _mm256_set1_ps(1.0f), "x", _mm256_fmadd_ps(s, x, x))
}

// What AVX2 has for int8: pairs to 16 bits, pairs of those to 32 bits, and a sum.
__attribute__((target("avx2"))) inline void vpmaddubsw_avx2(size_t rounds) {
    __m256i sum[8], x = _mm256_set1_epi8(1);
    const __m256i ones = _mm256_set1_epi16(1);
    for (auto& s : sum) s = ones;
    for (size_t i = 0; i < rounds; ++i)
        for (auto& s : sum) {
            __asm__ volatile("" : "+x"(x));
            s = _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(x, x), ones));
        }
    for (auto& s : sum) __asm__ volatile("" : "+x"(s));
}
#undef NQ_PEAK_ROUNDS

inline constexpr peak fma_avx512_peak = {"fma_avx512", [] { return __builtin_cpu_supports("avx512f") != 0; }, fma_avx512, 16 * 16 * 2};
inline constexpr peak int8_avx512_peak = {"vpdpbusd_avx512", [] { return __builtin_cpu_supports("avx512vnni") != 0; }, vpdpbusd_avx512,
                                          16 * 64 * 2};
inline constexpr peak fma_avx2_peak = {"fma_avx2", [] { return __builtin_cpu_supports("fma") != 0; }, fma_avx2, 12 * 8 * 2};
inline constexpr peak int8_avx2_peak = {"vpmaddubsw_avx2", [] { return __builtin_cpu_supports("avx2") != 0; }, vpmaddubsw_avx2, 8 * 32 * 2};
// What bounds products is the tiles' peak with operands loaded from L1.
inline constexpr peak bf16_amx_peak = {"tdpbf16ps_amx_l1", tiles_usable, tile_loads<bf16_tiles>, bf16_tile_operations};
inline constexpr peak int8_amx_peak = {"tdpbusd_amx_l1", tiles_usable, tile_loads<int8_tiles>, int8_tile_operations};
inline constexpr peak bf16_amx_register_peak = {"tdpbf16ps_amx", tiles_usable, tile_registers<bf16_tiles>, bf16_tile_operations};
inline constexpr peak int8_amx_register_peak = {"tdpbusd_amx", tiles_usable, tile_registers<int8_tiles>, int8_tile_operations};
inline constexpr peak all_peaks[] = {bf16_amx_peak,   bf16_amx_register_peak, int8_amx_peak, int8_amx_register_peak,
                                     fma_avx512_peak, int8_avx512_peak,       fma_avx2_peak, int8_avx2_peak};

// The peak that bounds an implementation's products with such operands; null where none is known.
enum class operands { f32, bf16, int8 };

inline const peak* product_peak(const char* implementation, operands kind) {
    static constexpr struct {
        const char* implementation;
        const peak *f32, *bf16, *int8;
    } peaks[] = {{"amx", &fma_avx512_peak, &bf16_amx_peak, &int8_amx_peak},
                 {"avx512", &fma_avx512_peak, &fma_avx512_peak, &int8_avx512_peak},
                 {"avx2", &fma_avx2_peak, &fma_avx2_peak, &int8_avx2_peak}};
    for (const auto& p : peaks) {
        const peak* found = kind == operands::f32 ? p.f32 : kind == operands::bf16 ? p.bf16 : p.int8;
        if (std::strcmp(implementation, p.implementation) == 0 && found->supported()) return found;
    }
    return nullptr;
}
#else
inline constexpr std::span<const peak> all_peaks;
enum class operands { f32, bf16, int8 };
inline const peak* product_peak(const char*, operands) { return nullptr; }
#endif

// So many rounds in all, spread over the threads.
inline void run_peak(const peak& p, size_t rounds, uint32_t threads) {
    const size_t parts = 8 * threads, share = std::max<size_t>(rounds / parts, 1);
    cpu::thread_pool::shared().parallel_for(parts, 1, threads, [&](size_t begin, size_t end, uint32_t) {
        for (; begin < end; ++begin) p.run(share);
    });
}

// Adds the rate in operations per second. Takes 1 to 2 ms.
inline void sample_peak(const peak& p, uint32_t threads, samples& rates) {
    const size_t rounds = size_t{p.operations > 1e5 ? 40000u : 320000u} * threads;
    const double time = seconds(threads, [&] { run_peak(p, rounds, threads); });
    rates.add(static_cast<double>(rounds) * p.operations, time);
}

inline void fma_peak(const char* implementation, uint32_t threads, samples& rates) {
    if (const peak* p = product_peak(implementation, operands::f32)) sample_peak(*p, threads, rates);
}

}  // namespace nq::bench
