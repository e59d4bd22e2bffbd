// What a kernel sees of the SIMT emulation, through device/target.h and device/instructions.h. Every CUDA thread is a fiber; the fibers of
// a block share one operating system thread and switch only where they synchronise. Lanes do not run in lockstep: between synchronisation
// points the order is the caller's choice (engine.h), which devices from sm_70 on permit and which exposes missing barriers.
#pragma once

#include <cstddef>
#include <cstdint>

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};

namespace simt {
// The checked build's assignment of a vector type: to memory whole, as one instruction; the compiler would store its elements.
void assign_vector(void* to, const void* from, size_t bytes);
}  // namespace simt

#if defined(NQ_SIMT_CHECKED)
#define NQ_VECTOR_ASSIGNMENT(type)                       \
    type& operator=(const type& other) {                 \
        simt::assign_vector(this, &other, sizeof other); \
        return *this;                                    \
    }
#else
#define NQ_VECTOR_ASSIGNMENT(type)
#endif
struct alignas(8) uint2 {
    uint32_t x, y;
    NQ_VECTOR_ASSIGNMENT(uint2)
};
struct alignas(16) uint4 {
    uint32_t x, y, z, w;
    NQ_VECTOR_ASSIGNMENT(uint4)
};
#undef NQ_VECTOR_ASSIGNMENT

namespace simt {

// A kernel of this program. `body` takes the address of the parameter structure.
struct kernel_registration {
    kernel_registration(const char* name, size_t parameter_bytes, unsigned most_threads, void (*body)(const void*), unsigned architecture);
    const char* name;
    size_t parameter_bytes;
    unsigned most_threads;
    void (*body)(const void*);
    unsigned architecture;  // 800 for compute capability 8.0
};

struct position {
    dim3 thread, block, block_dim, grid_dim;
};
extern position current_position;
inline const position& here() { return current_position; }

void* static_shared(const void* declaration, size_t bytes);
void* dynamic_shared();

void sync_block();
void fence_device();

// `site` is the address of the call: lanes that meet in different ones are an error.
void sync_warp(uint32_t mask, const void* site);
uint32_t shuffle(uint32_t mask, uint32_t value, uint32_t from, const void* site);
uint32_t ballot(uint32_t mask, bool condition, const void* site);
enum class mma_kind { bf16_m16n8k16, f16_m16n8k16, f16_m16n8k8, s8_m16n8k32, s8_m8n8k16 };
void mma(mma_kind kind, void* c, const uint32_t* a, const uint32_t* b, const void* site);
void load_matrix(uint32_t* result, int matrices, const void* row, bool transposed, const void* site);

void copy_async(void* shared, const void* global, uint32_t bytes, uint32_t valid);
void copy_async_commit();
void copy_async_wait(int pending);

enum class atomic_operation { add, bitwise_or, minimum, maximum, exchange };
// Returns the value before.
uint32_t atomic(uint32_t* address, atomic_operation operation, uint32_t operand);

}  // namespace simt

#define threadIdx (simt::here().thread)
#define blockIdx (simt::here().block)
#define blockDim (simt::here().block_dim)
#define gridDim (simt::here().grid_dim)
