// One kernel source, three compilers: clang or nvcc for the device, and any C++ compiler for the emulation (see tests/cuda-emulation),
// where simt.h stands for the device. What differs between them is here and in instructions.h, and nowhere else.
//
//   NQ_KERNEL(name, parameters, threads) { ... }  a kernel: extern "C", one trivially copyable structure `p` as its parameter, blocks of at
//                                                 most `threads` threads. The structure is declared in the header beside the .cu file.
//   NQ_RESIDENT_KERNEL(name, parameters, threads, blocks) { ... }  the same, within the registers that let `blocks` of these blocks
//                                                 share a multiprocessor.
//   NQ_DEVICE                                     a function that only kernels call.
//   NQ_HOST_DEVICE                                a function that host code and tests call as well: index arithmetic and number formats.
//   NQ_SHARED(type, name, count)                  a static array in shared memory, 16-byte aligned.
//   NQ_DYNAMIC_SHARED(type, name)                 the shared memory asked for at launch.
//   NQ_UNROLL, NQ_LOOP                            unrolls the loop that follows, leaves it as it is.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__CUDA__) || defined(__CUDACC__)
#define NQ_DEVICE_CODE 1
#if defined(__clang__)
#include "cuda/device/clang_runtime.h"
#endif
#define NQ_DEVICE __device__ __forceinline__
#define NQ_HOST_DEVICE __host__ __device__ __forceinline__
#define NQ_KERNEL(name, parameters, threads) extern "C" __global__ void __launch_bounds__(threads) name(const parameters p)
#define NQ_RESIDENT_KERNEL(name, parameters, threads, blocks) \
    extern "C" __global__ void __launch_bounds__(threads, blocks) name(const parameters p)
#define NQ_SHARED(type, name, count) __shared__ __align__(16) type name[count]
#define NQ_DYNAMIC_SHARED(type, name)                                  \
    extern __shared__ __align__(16) unsigned char nq_dynamic_shared[]; \
    type* name = reinterpret_cast<type*>(nq_dynamic_shared)
#define NQ_UNROLL _Pragma("unroll")
#define NQ_LOOP _Pragma("unroll 1")
#else
#define NQ_HOST_DEVICE inline
#if defined(NQ_SIMT)
#include "simt.h"
#define NQ_DEVICE inline
#define NQ_KERNEL(name, parameters, threads)                                                                                   \
    static void name(const parameters& p);                                                                                     \
    static const simt::kernel_registration name##_registration(                                                                \
        #name, sizeof(parameters), threads, [](const void* p) { name(*static_cast<const parameters*>(p)); }, NQ_ARCHITECTURE); \
    static void name(const parameters& p)
#define NQ_RESIDENT_KERNEL(name, parameters, threads, blocks) NQ_KERNEL(name, parameters, threads)
#define NQ_SHARED(type, name, count)   \
    static const char name##_site = 0; \
    type* const name = static_cast<type*>(simt::static_shared(&name##_site, sizeof(type) * (count)))
#define NQ_DYNAMIC_SHARED(type, name) type* const name = static_cast<type*>(simt::dynamic_shared())
#define NQ_UNROLL
#define NQ_LOOP
#endif
#endif
