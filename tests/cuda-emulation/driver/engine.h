// What stands behind the emulated driver for the device: it loads images, runs kernels, and is told what happens to memory. Each emulated
// driver is this driver linked with one engine.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>

#include "cuda/driver/driver.h"
#include "memory/memory.h"

namespace emulation {

using result = nq::cuda::driver::result;

// Results of the driver API by their documented values, where the library needs no name for them.
inline constexpr result invalid_value = 1, not_initialized = 3, invalid_image = 200, invalid_context = 201, no_binary_for_device = 209,
                        invalid_ptx = 218, invalid_handle = 400, illegal_address = 700, launch_timeout = 702, illegal_instruction = 715,
                        misaligned_address = 716, launch_failed = 719;

// A call that fails, with what to print.
class failure : public std::runtime_error {
public:
    failure(result code, const std::string& what) : std::runtime_error(what), code_(code) {}
    result code() const noexcept { return code_; }

private:
    result code_;
};

struct extent {
    unsigned x = 1;
    unsigned y = 1;
    unsigned z = 1;
};

inline constexpr unsigned multiprocessors = 4;

class kernel {
public:
    virtual ~kernel() = default;
    virtual size_t parameter_bytes() const = 0;
    virtual size_t static_shared_bytes() const { return 0; }
    virtual unsigned most_threads() const = 0;
};

class loaded_module {
public:
    virtual ~loaded_module() = default;
    // Null if there is none of that name. Throws failure: there is one, but it cannot run.
    virtual const kernel* find(const char* name) = 0;
};

class engine {
public:
    virtual ~engine() = default;

    virtual const char* name() const = 0;
    // 80 for compute capability 8.0.
    virtual unsigned compute_capability() const = 0;
    // Throws failure.
    virtual std::unique_ptr<loaded_module> load(const char* image) = 0;
    // Runs a kernel to its end. Throws failure: what a device would report afterwards.
    virtual void launch(const kernel& k, const extent& grid, const extent& block, size_t dynamic_shared_bytes,
                        std::span<const std::byte> parameters) = 0;

    // Of all threads so far, where the engine counts them.
    virtual uint64_t instructions() const { return 0; }

    virtual void allocated(const std::byte*, size_t) {}
    virtual void released(const std::byte*) {}
    virtual void host_wrote(const std::byte*, size_t) {}
    virtual void copied(const std::byte* /*to*/, const std::byte* /*from*/, size_t) {}
};

// The engine of this driver. Throws failure for settings it does not know.
std::unique_ptr<engine> make_engine(memory& device_memory);

}  // namespace emulation
