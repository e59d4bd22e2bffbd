// Hand-written PTX for tests: a kernel that gives every thread a word of input in %r1 and the address of its word of output in %rd4.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include "numbers.h"
#include "ptx.h"

namespace ptx::testing {

inline constexpr const char* module_head = ".version 7.8\n.target sm_80\n.address_size 64\n";

// Registers: %r0 the thread, %r1 its input, %rd1 and %rd2 the arrays, %rd4 and %rd5 the thread's elements of them.
inline std::string kernel(const std::string& body, const std::string& declarations = "") {
    return ".visible .entry k(.param .align 8 .b8 k_param_0[16])\n{\n"
           ".reg .b64 %rd<20>;\n.reg .b32 %r<60>;\n.reg .f32 %f<20>;\n.reg .f64 %fd<10>;\n.reg .b16 %h<20>;\n.reg .pred %p<10>;\n" +
           declarations +
           "ld.param.u64 %rd1, [k_param_0];\nld.param.u64 %rd2, [k_param_0+8];\nmov.u32 %r0, %tid.x;\nmul.wide.u32 %rd3, %r0, 4;\n"
           "add.s64 %rd4, %rd1, %rd3;\nadd.s64 %rd5, %rd2, %rd3;\nld.global.u32 %r1, [%rd5];\n" +
           body + "\nret;\n}\n";
}

struct setup {
    std::vector<uint32_t> input;  // repeated as needed; empty: the thread's number
    unsigned threads = 32;
    unsigned blocks = 1;
    size_t dynamic_shared_bytes = 0;
    launch_options options{};
};

// Runs kernel k of the text and returns a word of output for each thread of a block.
inline std::vector<uint32_t> run(const std::string& text, const setup& s = {}) {
    memory global;
    image i(module_head + text, global);
    const size_t bytes = 4 * s.threads;
    auto* const out = reinterpret_cast<uint32_t*>(global.allocate(bytes));
    auto* const in = reinterpret_cast<uint32_t*>(global.allocate(bytes));
    std::memset(out, 0, bytes);
    for (unsigned t = 0; t < s.threads; ++t) {
        in[t] = s.input.empty() ? t : s.input[t % s.input.size()];
    }
    const uint64_t parameters[] = {reinterpret_cast<uintptr_t>(out), reinterpret_cast<uintptr_t>(in)};
    launch_options options = s.options;
    options.most_warp_instructions = std::min<uint64_t>(options.most_warp_instructions, 2000000);
    launch(i.load("k"), global, {s.blocks}, {s.threads}, s.dynamic_shared_bytes, std::as_bytes(std::span(parameters)), options);
    return {out, out + s.threads};
}

// What the instructions leave in %r2 for an input.
inline uint32_t result(const std::string& instructions, uint32_t input = 0) {
    return run(kernel(instructions + "\nst.global.u32 [%rd4], %r2;"), {{input}})[0];
}

inline uint32_t bits(float f) { return std::bit_cast<uint32_t>(f); }

// What a fault says; fails where there is none or one of another kind.
template <class F>
std::string fault_of(fault_kind kind, F&& f) {
    try {
        f();
    } catch (const fault& e) {
        EXPECT_EQ(e.kind(), kind) << e.what();
        return e.what();
    }
    ADD_FAILURE() << "no fault";
    return {};
}

template <class F>
std::string refusal_of(F&& f) {
    try {
        f();
    } catch (const load_error& e) {
        return e.what();
    }
    ADD_FAILURE() << "not refused";
    return {};
}

}  // namespace ptx::testing
