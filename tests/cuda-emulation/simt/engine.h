// The host's side of the SIMT emulation: which kernels there are, in what order threads run, launches.
#pragma once

#include <stdexcept>
#include <string>

#include "simt.h"

namespace simt {

enum class order { forward, reverse, random };
struct settings {
    enum order order = order::forward;
    uint64_t seed = 1;
    bool late_copies = true;  // asynchronous copies land when they are waited for, else at once
};
extern settings current_settings;

// NQ_SIMT_ORDER = forward (default) | reverse | random:SEED, NQ_SIMT_COPIES = late (default) | early. Throws std::invalid_argument.
settings settings_of_environment();

// A program broke a rule of the device. what() names kernel, block, thread and, where the debug information has it, the source line.
class fault : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// Null if there is none of that name.
const kernel_registration* find_kernel(const char* name);
// Of all kernels of this program.
unsigned architecture();
// Shared memory of a block, static and dynamic, on that architecture.
size_t shared_memory_limit();

// Runs every block of a grid; throws fault.
void launch(const kernel_registration& kernel, dim3 grid, dim3 block, size_t dynamic_shared_bytes, const void* parameters);

}  // namespace simt
