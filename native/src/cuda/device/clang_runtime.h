// What CUDA's own headers would declare, for clang's NVPTX back end without any of them. Only what the kernels use; built on clang's
// built-in functions.
#pragma once

#include <cstddef>
#include <cstdint>

#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __host__ __attribute__((host))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))

// threadIdx.x and its like read special registers.
#define NQ_SPECIAL_REGISTER(name, r)                                                        \
    struct name##_registers {                                                               \
        struct {                                                                            \
            __device__ operator unsigned() const { return __nvvm_read_ptx_sreg_##r##_x(); } \
        } x;                                                                                \
        struct {                                                                            \
            __device__ operator unsigned() const { return __nvvm_read_ptx_sreg_##r##_y(); } \
        } y;                                                                                \
        struct {                                                                            \
            __device__ operator unsigned() const { return __nvvm_read_ptx_sreg_##r##_z(); } \
        } z;                                                                                \
    };                                                                                      \
    extern const __device__ __attribute__((weak)) name##_registers name;
NQ_SPECIAL_REGISTER(threadIdx, tid)
NQ_SPECIAL_REGISTER(blockIdx, ctaid)
NQ_SPECIAL_REGISTER(blockDim, ntid)
NQ_SPECIAL_REGISTER(gridDim, nctaid)
#undef NQ_SPECIAL_REGISTER

struct alignas(8) uint2 {
    uint32_t x, y;
};
struct alignas(16) uint4 {
    uint32_t x, y, z, w;
};
