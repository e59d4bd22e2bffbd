// Every instruction that C++ has no word for, one function each: inline PTX on the device, its definition in plain C++ in the emulation.
// No other file holds inline assembly. Fragment layouts are those of the PTX manual, "Matrix multiply-accumulate operation using mma
// instruction"; lane is the lane of the calling thread.
#pragma once

#include "cuda/device/target.h"

namespace nq::cuda {

#if defined(NQ_DEVICE_CODE)
#define NQ_ARCHITECTURE __CUDA_ARCH__
#elif !defined(NQ_ARCHITECTURE)
#define NQ_ARCHITECTURE 800  // what the emulation stands for, unless its build says otherwise
#endif

inline constexpr uint32_t whole_warp = 0xffffffff;

NQ_DEVICE uint32_t bits_of(float value) { return __builtin_bit_cast(uint32_t, value); }
NQ_DEVICE float float_of(uint32_t bits) { return __builtin_bit_cast(float, bits); }

// Lane and warp of a thread in a block of one dimension.
NQ_DEVICE uint32_t lane() { return threadIdx.x % 32; }
NQ_DEVICE uint32_t warp() { return threadIdx.x / 32; }

#if defined(NQ_DEVICE_CODE)

NQ_DEVICE uint32_t shared_address(const void* pointer) {
#if defined(__clang__)
    return static_cast<uint32_t>(__builtin_bit_cast(size_t, (const __attribute__((address_space(3))) void*)pointer));
#else
    return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
#endif
}

// All threads of the block have come here, and see what the others have written.
NQ_DEVICE void sync_block() { asm volatile("bar.sync 0;" ::: "memory"); }
// The same for the lanes of `mask`.
NQ_DEVICE void sync_warp(uint32_t mask = whole_warp) { asm volatile("bar.warp.sync %0;" ::"r"(mask) : "memory"); }
// What this thread wrote before is seen by every thread of the device before what it writes afterwards.
NQ_DEVICE void fence_device() { asm volatile("fence.acq_rel.gpu;" ::: "memory"); }

NQ_DEVICE uint32_t shuffle(uint32_t value, uint32_t from, uint32_t mask = whole_warp) {
    uint32_t result;
    asm volatile("shfl.sync.idx.b32 %0, %1, %2, 31, %3;" : "=r"(result) : "r"(value), "r"(from), "r"(mask));
    return result;
}
NQ_DEVICE uint32_t shuffle_xor(uint32_t value, uint32_t distance, uint32_t mask = whole_warp) {
    uint32_t result;
    asm volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, %3;" : "=r"(result) : "r"(value), "r"(distance), "r"(mask));
    return result;
}
NQ_DEVICE uint32_t ballot(bool condition, uint32_t mask = whole_warp) {
    uint32_t result;
    asm volatile("{.reg .pred p; setp.ne.u32 p, %1, 0; vote.sync.ballot.b32 %0, p, %2;}"
                 : "=r"(result)
                 : "r"(static_cast<uint32_t>(condition)), "r"(mask));
    return result;
}

// Sum of products of four signed bytes, added to `sum`.
NQ_DEVICE int32_t dot4(uint32_t a, uint32_t b, int32_t sum) {
    int32_t result;
    asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}
// Byte i of the result is byte (selector >> 4i) & 7 of the eight bytes high:low.
NQ_DEVICE uint32_t byte_permute(uint32_t low, uint32_t high, uint32_t selector) {
    uint32_t result;
    asm("prmt.b32 %0, %1, %2, %3;" : "=r"(result) : "r"(low), "r"(high), "r"(selector));
    return result;
}

// Bits that are 1.
NQ_DEVICE uint32_t count_bits(uint32_t bits) {
    uint32_t result;
    asm("popc.b32 %0, %1;" : "=r"(result) : "r"(bits));
    return result;
}

// 16 bytes of read-only data used once: not kept in L1.
NQ_DEVICE uint4 load_once(const uint4* address) {
    uint4 v;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(address));
    return v;
}

NQ_DEVICE uint32_t atomic_add(uint32_t* address, uint32_t value) {
    uint32_t old;
    asm volatile("atom.add.u32 %0, [%1], %2;" : "=r"(old) : "l"(address), "r"(value) : "memory");
    return old;
}
NQ_DEVICE uint32_t atomic_or(uint32_t* address, uint32_t value) {
    uint32_t old;
    asm volatile("atom.or.b32 %0, [%1], %2;" : "=r"(old) : "l"(address), "r"(value) : "memory");
    return old;
}
NQ_DEVICE uint32_t atomic_exchange(uint32_t* address, uint32_t value) {
    uint32_t old;
    asm volatile("atom.exch.b32 %0, [%1], %2;" : "=r"(old) : "l"(address), "r"(value) : "memory");
    return old;
}
NQ_DEVICE uint32_t atomic_min(uint32_t* address, uint32_t value) {
    uint32_t old;
    asm volatile("atom.min.u32 %0, [%1], %2;" : "=r"(old) : "l"(address), "r"(value) : "memory");
    return old;
}

// 2^x and log2(x) to about 2^-22 relative, 1/x and 1/sqrt(x) to 1 and 2 units in the last place.
NQ_DEVICE float exp2_approximate(float x) {
    float y;
    asm("ex2.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
NQ_DEVICE float log2_approximate(float x) {
    float y;
    asm("lg2.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
// Rounded to nearest, each operation on its own.
NQ_DEVICE float divide(float a, float b) {
    float y;
    asm("div.rn.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
    return y;
}
NQ_DEVICE float square_root(float x) {
    float y;
    asm("sqrt.rn.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
NQ_DEVICE float fused_multiply_add(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
// To the nearest integer, ties to even.
NQ_DEVICE int32_t round_to_int(float x) {
    int32_t y;
    asm("cvt.rni.s32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return y;
}

// 16 bytes from device to shared memory without passing registers; `valid` (0 or 16) bytes are read, the rest becomes zero.
#if NQ_ARCHITECTURE >= 800
NQ_DEVICE void copy_async16(void* shared, const void* global, uint32_t valid = 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(valid) : "memory");
}
NQ_DEVICE void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// All but the last `pending` groups of this thread have landed.
template <int pending>
NQ_DEVICE void copy_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}
#endif

// Four 8x8 matrices of 16-bit elements; lane 8i + r gives the address of row r of matrix i; result i of a lane is row lane / 4, columns
// 2 (lane % 4) and the next of matrix i.
NQ_DEVICE void load_matrix_x4(uint32_t (&result)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(result[0]), "=r"(result[1]), "=r"(result[2]), "=r"(result[3])
                 : "r"(shared_address(row))
                 : "memory");
}
NQ_DEVICE void load_matrix_x4_transposed(uint32_t (&result)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(result[0]), "=r"(result[1]), "=r"(result[2]), "=r"(result[3])
                 : "r"(shared_address(row))
                 : "memory");
}

// c (16 x 8, f32) += a (16 x 16, row) * b (16 x 8, column).
#if NQ_ARCHITECTURE >= 800
NQ_DEVICE void mma_bf16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
NQ_DEVICE void mma_f16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// c (16 x 8, s32) += a (16 x 32, row) * b (32 x 8, column).
NQ_DEVICE void mma_s8(int32_t (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#else
// Half as deep: what sm_75 has.
NQ_DEVICE void mma_f16_k8(float (&c)[4], const uint32_t (&a)[2], uint32_t b) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(b));
}
// c (8 x 8, s32) += a (8 x 16, row) * b (16 x 8, column).
NQ_DEVICE void mma_s8_k16(int32_t (&c)[2], uint32_t a, uint32_t b) {
    asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};" : "+r"(c[0]), "+r"(c[1]) : "r"(a), "r"(b));
}
#endif

#elif defined(NQ_SIMT)

NQ_DEVICE void sync_block() { simt::sync_block(); }
__attribute__((noinline)) inline void sync_warp(uint32_t mask = whole_warp) { simt::sync_warp(mask, __builtin_return_address(0)); }
NQ_DEVICE void fence_device() { simt::fence_device(); }
__attribute__((noinline)) inline uint32_t shuffle(uint32_t value, uint32_t from, uint32_t mask = whole_warp) {
    return simt::shuffle(mask, value, from % 32, __builtin_return_address(0));
}
__attribute__((noinline)) inline uint32_t shuffle_xor(uint32_t value, uint32_t distance, uint32_t mask = whole_warp) {
    return simt::shuffle(mask, value, lane() ^ distance, __builtin_return_address(0));
}
__attribute__((noinline)) inline uint32_t ballot(bool condition, uint32_t mask = whole_warp) {
    return simt::ballot(mask, condition, __builtin_return_address(0));
}
NQ_DEVICE int32_t dot4(uint32_t a, uint32_t b, int32_t sum) {
    for (int i = 0; i < 32; i += 8) sum += static_cast<int8_t>(a >> i) * static_cast<int8_t>(b >> i);
    return sum;
}
NQ_DEVICE uint32_t byte_permute(uint32_t low, uint32_t high, uint32_t selector) {
    const uint64_t bytes = static_cast<uint64_t>(high) << 32 | low;
    uint32_t result = 0;
    for (int i = 0; i < 4; i++) {
        const uint32_t s = selector >> 4 * i;
        uint32_t byte = static_cast<uint32_t>(bytes >> 8 * (s & 7)) & 255;
        if (s & 8) byte = byte & 128 ? 255 : 0;
        result |= byte << 8 * i;
    }
    return result;
}
NQ_DEVICE uint32_t count_bits(uint32_t bits) { return static_cast<uint32_t>(__builtin_popcount(bits)); }
NQ_DEVICE uint4 load_once(const uint4* address) { return *address; }
NQ_DEVICE uint32_t atomic_add(uint32_t* address, uint32_t value) { return simt::atomic(address, simt::atomic_operation::add, value); }
NQ_DEVICE uint32_t atomic_or(uint32_t* address, uint32_t value) { return simt::atomic(address, simt::atomic_operation::bitwise_or, value); }
NQ_DEVICE uint32_t atomic_exchange(uint32_t* address, uint32_t value) {
    return simt::atomic(address, simt::atomic_operation::exchange, value);
}
NQ_DEVICE uint32_t atomic_min(uint32_t* address, uint32_t value) { return simt::atomic(address, simt::atomic_operation::minimum, value); }
NQ_DEVICE float exp2_approximate(float x) { return __builtin_exp2f(x); }
NQ_DEVICE float log2_approximate(float x) { return __builtin_log2f(x); }
NQ_DEVICE float divide(float a, float b) { return a / b; }
NQ_DEVICE float square_root(float x) { return __builtin_sqrtf(x); }
NQ_DEVICE float fused_multiply_add(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
NQ_DEVICE int32_t round_to_int(float x) { return static_cast<int32_t>(__builtin_rintf(x)); }
NQ_DEVICE void copy_async16(void* shared, const void* global, uint32_t valid = 16) { simt::copy_async(shared, global, 16, valid); }
NQ_DEVICE void copy_async_commit() { simt::copy_async_commit(); }
template <int pending>
NQ_DEVICE void copy_async_wait() {
    simt::copy_async_wait(pending);
}
__attribute__((noinline)) inline void load_matrix_x4(uint32_t (&result)[4], const void* row) {
    simt::load_matrix(result, 4, row, false, __builtin_return_address(0));
}
__attribute__((noinline)) inline void load_matrix_x4_transposed(uint32_t (&result)[4], const void* row) {
    simt::load_matrix(result, 4, row, true, __builtin_return_address(0));
}
__attribute__((noinline)) inline void mma_bf16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    simt::mma(simt::mma_kind::bf16_m16n8k16, c, a, b, __builtin_return_address(0));
}
__attribute__((noinline)) inline void mma_f16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    simt::mma(simt::mma_kind::f16_m16n8k16, c, a, b, __builtin_return_address(0));
}
__attribute__((noinline)) inline void mma_s8(int32_t (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    simt::mma(simt::mma_kind::s8_m16n8k32, c, a, b, __builtin_return_address(0));
}
__attribute__((noinline)) inline void mma_f16_k8(float (&c)[4], const uint32_t (&a)[2], uint32_t b) {
    simt::mma(simt::mma_kind::f16_m16n8k8, c, a, &b, __builtin_return_address(0));
}
__attribute__((noinline)) inline void mma_s8_k16(int32_t (&c)[2], uint32_t a, uint32_t b) {
    simt::mma(simt::mma_kind::s8_m8n8k16, c, &a, &b, __builtin_return_address(0));
}

#endif

// Floats through the integer shuffles.
NQ_DEVICE float shuffle(float value, uint32_t from) { return float_of(shuffle(bits_of(value), from)); }
NQ_DEVICE float shuffle_xor(float value, uint32_t distance) { return float_of(shuffle_xor(bits_of(value), distance)); }
NQ_DEVICE double shuffle_xor(double value, uint32_t distance) {
    const uint64_t bits = __builtin_bit_cast(uint64_t, value);
    const uint32_t low = shuffle_xor(static_cast<uint32_t>(bits), distance),
                   high = shuffle_xor(static_cast<uint32_t>(bits >> 32), distance);
    return __builtin_bit_cast(double, static_cast<uint64_t>(high) << 32 | low);
}

}  // namespace nq::cuda
