// What the environment says about the emulated device.
#pragma once

#include <cstddef>
#include <optional>

namespace emulation {

struct settings {
    int devices = 1;                             // NQ_EMULATED_DEVICES
    int driver_version = 12040;                  // NQ_EMULATED_DRIVER_VERSION
    std::optional<unsigned> compute_capability;  // NQ_EMULATED_COMPUTE_CAPABILITY, "7.5"; else the engine's own
    size_t memory_bytes = size_t{4} << 30;       // NQ_EMULATED_MEMORY
    // NQ_EMULATED_STREAM=late: what is enqueued runs when something waits for it, and copies from pinned memory read it then; early
    // (default): at once.
    bool late = false;

    // Throws failure, naming a variable that is not understood.
    static settings of_environment();
};

}  // namespace emulation
