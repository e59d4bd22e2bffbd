// An interpreter for the PTX that clang and nvcc make of the project's kernels: it runs the device code itself, inline assembly and
// fragment registers included, without a device. Lanes have positions of their own and meet again where they can; every access is checked.
//
// Not seen by it: read-only loads of memory that the launch writes, missing fences (memory is consistent), registers nobody has set, and
// whatever approximate functions round differently on a device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fault.h"
#include "instruction.h"
#include "memory/memory.h"
#include "program.h"
#include "syntax.h"
#include "warp.h"

namespace ptx {

class image {
public:
    // Reads the text and gives its variables their places in memory. Throws load_error. The memory must outlive the image.
    image(std::string text, memory& global);
    ~image();
    image(const image&) = delete;
    image& operator=(const image&) = delete;

    bool has(std::string_view kernel) const;
    std::vector<std::string> kernels() const;
    // Decoded when first asked for. Throws load_error: no such kernel, or one with an instruction that is not supported.
    const program& load(std::string_view kernel);
    // A .global or .const variable; empty where there is none.
    std::span<std::byte> variable(std::string_view name) const;
    unsigned target() const noexcept { return syntax_.target; }

private:
    void initialize(const ptx::variable& v) const;

    std::string text_;
    memory& memory_;
    module_syntax syntax_;
    variable_addresses addresses_;
    std::map<std::string, program, std::less<>> programs_;
};

struct launch_options {
    // Random: warps take turns of random length, diverged lanes run in random order, asynchronous copies land early or late.
    bool random = false;
    uint64_t seed = 0;
    // Blocks at a time. Kernels whose blocks wait for each other need as many as wait.
    unsigned resident_blocks = 1;
    uint64_t most_warp_instructions = ~uint64_t{0};
    size_t most_shared_bytes = size_t{227} << 10;
};

struct launch_statistics {
    uint64_t warp_instructions = 0;
    uint64_t thread_instructions = 0;
};

// Runs a kernel to its end. Throws fault. The arguments are laid out as the kernel's parameters are.
launch_statistics launch(const program& kernel, const memory& global, extent grid, extent block, size_t dynamic_shared_bytes,
                         std::span<const std::byte> parameters, const launch_options& options = {});

}  // namespace ptx
