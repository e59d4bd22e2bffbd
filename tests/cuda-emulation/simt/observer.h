// What a checker is told while kernels run. Without one the engine only runs them.
#pragma once

#include "simt.h"

namespace simt {

class observer {
public:
    virtual ~observer() = default;

    // Device memory, as the host uses it. Fresh memory is uninitialised until somebody writes to it.
    virtual void allocated(const void* address, size_t bytes) = 0;
    virtual void released(const void* address) = 0;
    virtual void host_wrote(const void* address, size_t bytes) = 0;
    virtual void copied(const void* to, const void* from, size_t bytes) = 0;

    virtual void launch_begins(const kernel_registration& kernel, const void* parameters) = 0;
    // The launch has run; what was found is thrown as a fault.
    virtual void launch_ends() = 0;
    // The dynamic part of shared memory is its first bytes, static arrays follow.
    virtual void block_begins(size_t dynamic_shared_bytes) = 0;
    virtual void static_array(const void* address, size_t bytes) = 0;

    // All threads of the block have met, or the lanes `mask` of a warp; `thread` has passed a fence.
    virtual void block_barrier() = 0;
    virtual void warp_barrier(unsigned warp, uint32_t mask) = 0;
    virtual void fence(unsigned thread) = 0;

    // Accesses by a thread of the block that runs, before they happen; `site` is the address of the instruction.
    virtual void read(unsigned thread, const void* address, size_t bytes, const void* site) = 0;
    // A vector type is assigned by the thread that runs.
    virtual void vector_assigned(const void* to, const void* from, size_t bytes, const void* site) = 0;
    virtual void atomic(unsigned thread, const void* address, size_t bytes, const void* site) = 0;
    // An asynchronous copy is on its way to shared memory, and has landed.
    virtual void copy_begins(unsigned thread, const void* shared, const void* global, size_t bytes, size_t valid, const void* site) = 0;
    virtual void copy_lands(unsigned thread, const void* shared, size_t bytes, const void* site) = 0;
};

// Null unless this program has a checker.
extern observer* current_observer;

}  // namespace simt
