// State spaces, vectors, atomic operations, asynchronous copies; accesses that must be refused.
#include "kernel_text.h"

namespace ptx::testing {
namespace {

const std::string store = " st.global.u32 [%rd4], %r2;";

TEST(Memory, freed_and_foreign_addresses_are_nobody_s) {
    memory m;
    std::byte* const a = m.allocate(100);
    EXPECT_TRUE(m.contains(a, 100));
    EXPECT_FALSE(m.contains(a, 101));
    EXPECT_FALSE(m.contains(a - 1, 2));
    EXPECT_EQ(a[99], std::byte{0xff});
    EXPECT_EQ(m.bytes(), 100u);
    EXPECT_TRUE(m.release(a));
    EXPECT_FALSE(m.release(a));
    EXPECT_FALSE(m.contains(a, 1));
    EXPECT_NE(m.allocate(100), a) << "handed out again at once";
}

TEST(Memory, vectors_of_every_width_are_loaded_and_stored) {
    const std::vector<uint32_t> in = {0x03020180, 0x07060504, 0x11111111, 0x22222222};
    const auto word = [&](const std::string& instructions) { return run(kernel(instructions + store), {in, 32})[0]; };
    EXPECT_EQ(word("ld.global.v4.u32 {%r3, %r4, %r5, %r2}, [%rd2];"), 0x22222222u);
    EXPECT_EQ(word("ld.global.nc.L1::no_allocate.v4.u32 {%r3, %r2, %r5, %r6}, [%rd2];"), 0x07060504u);
    EXPECT_EQ(word("ld.global.nc.v2.u64 {%rd6, %rd7}, [%rd2]; cvt.u32.u64 %r2, %rd7;"), 0x11111111u);
    EXPECT_EQ(word("ld.global.cs.v4.u8 {%h1, %h2, %h3, %h4}, [%rd2+4]; cvt.u32.u16 %r2, %h3;"), 6u);
    EXPECT_EQ(word("ld.global.s8 %r2, [%rd2];"), 0xffffff80u);
    EXPECT_EQ(word("ld.global.v2.u16 {%h1, %h2}, [%rd2]; cvt.u32.u16 %r2, %h2;"), 0x0302u);
    EXPECT_EQ(word("ld.global.v2.f32 {%f1, %f2}, [%rd2+8]; mov.b32 %r2, %f2;"), 0x22222222u);
    EXPECT_EQ(word("st.global.v4.b32 [%rd1+64], {%r1, 5, 6, 7}; ld.u32 %r2, [%rd1+72];"), 6u);
    EXPECT_EQ(word("ld.v2.b32 {_, %r2}, [%rd2];"), 0x07060504u);
}

TEST(Memory, arguments_constants_and_initial_values_are_there) {
    memory global;
    image i(
        std::string(module_head) +
            ".const .align 4 .u32 c[4] = {7, 8};\n.global .align 8 .u64 pointers[2] = {generic(c), generic(c)+4};\n"
            ".global .align 4 .f32 values[2] = {0f3F800000, 0f40000000};\n"
            ".visible .entry k(.param .align 8 .b8 p[24])\n{\n.reg .b64 %rd<9>;\n.reg .b32 %r<9>;\n.reg .b16 %h1;\n.reg .f32 %f1;\n"
            "ld.param.u64 %rd1, [p];\nld.param.u32 %r1, [p+16];\nld.param.u16 %h1, [p+20];\ncvt.u32.u16 %r2, %h1;\nadd.u32 %r1, %r1, %r2;\n"
            "ld.const.u32 %r2, [c+4];\nadd.u32 %r1, %r1, %r2;\nld.const.u32 %r2, [c+8];\nadd.u32 %r1, %r1, %r2;\n"
            "mov.u64 %rd2, pointers;\nld.global.u64 %rd3, [%rd2+8];\nld.u32 %r2, [%rd3];\nadd.u32 %r1, %r1, %r2;\n"
            "ld.global.f32 %f1, [values+4];\ncvt.rni.u32.f32 %r2, %f1;\nadd.u32 %r1, %r1, %r2;\n"
            "mov.b64 %rd4, p;\nadd.s64 %rd5, %rd4, 16;\nld.param.u32 %r2, [%rd5];\nadd.u32 %r1, %r1, %r2;\nst.global.u32 [%rd1], "
            "%r1;\nret;\n}\n",
        global);
    std::byte* const out = global.allocate(4);
    struct {
        std::byte* out;
        uint64_t unused = 0;
        uint32_t word = 1000;
        uint16_t half = 500;
        uint16_t padding = 0;
    } parameters{out};
    launch(i.load("k"), global, {1}, {1}, 0, std::as_bytes(std::span(&parameters, 1)));
    uint32_t value;
    std::memcpy(&value, out, sizeof value);
    EXPECT_EQ(value, 1000u + 500 + 8 + 0 + 8 + 2 + 1000);
    EXPECT_EQ(i.variable("values").size(), 8u);
    EXPECT_EQ(i.load("k").parameter_bytes, 24u);
}

TEST(Memory, local_and_shared_addresses_may_be_generic) {
    const auto local =
        run(kernel("mov.u64 %rd6, d; cvta.local.u64 %rd7, %rd6; st.u32 [%rd7+4], %r1; ld.local.u32 %r2, [%rd6+4];"
                   "isspacep.local %p1, %rd7; @!%p1 trap; isspacep.global %p1, %rd7; @%p1 trap;" +
                       store,
                   ".local .align 8 .b8 d[16];\n"));
    const auto shared =
        run(kernel("mov.u64 %rd6, s; cvta.shared.u64 %rd7, %rd6; add.s64 %rd7, %rd7, %rd3; st.u32 [%rd7], %r1;"
                   "isspacep.shared %p1, %rd7; @!%p1 trap; cvta.to.shared.u64 %rd8, %rd7; ld.shared.u32 %r2, [%rd8];" +
                       store,
                   ".shared .align 4 .b8 s[128];\n"));
    EXPECT_EQ(local[31], 31u);
    EXPECT_EQ(shared[31], 31u);
}

TEST(Memory, dynamic_shared_memory_lies_behind_the_static_arrays_the_kernel_names) {
    memory global;
    image i(
        std::string(module_head) +
            ".extern .shared .align 16 .b8 dynamic[];\n.shared .align 4 .b8 used[40];\n.shared .align 4 .b8 of_another_kernel[4096];\n" +
            kernel("mov.u32 %r2, dynamic; mov.u32 %r3, used; sub.u32 %r2, %r2, %r3; st.shared.u32 [dynamic+60], %r2;" + store),
        global);
    EXPECT_EQ(i.load("k").static_shared_bytes, 48u);
    EXPECT_EQ(run(".extern .shared .align 16 .b8 dynamic[];\n" +
                      kernel("mov.u32 %r2, %dynamic_smem_size; st.shared.u32 [dynamic+60], %r2;" + store),
                  {{}, 32, 1, 64})[0],
              64u);
    fault_of(fault_kind::illegal_address, [] {
        run(".extern .shared .align 16 .b8 dynamic[];\n" + kernel("st.shared.u32 [dynamic+64], %r1;"), {{}, 32, 1, 64});
    });
}

TEST(Memory, atomic_operations_return_what_was_there) {
    for (const bool random : {false, true}) {
        setup s{{}, 64};
        s.options.random = random;
        const std::string head = "setp.eq.u32 %p1, %r0, 0; mov.u32 %r5, s; @%p1 st.shared.u32 [%r5], 0; bar.sync 0; ";
        const std::string tail = " bar.sync 0; ld.shared.u32 %r2, [%r5];" + store, shared = ".shared .align 4 .b8 s[4];\n";
        const auto value = [&](const std::string& i) { return run(kernel(head + i + tail, shared), s)[0]; };
        EXPECT_EQ(value("atom.shared.add.u32 %r3, [%r5], 2;"), 128u);
        EXPECT_EQ(value("red.shared.max.u32 [%r5], %r1;"), 63u);
        EXPECT_EQ(value("red.shared.or.b32 [%r5], %r1;"), 63u);
        EXPECT_EQ(value("atom.shared.inc.u32 %r3, [%r5], 6;"), 64u % 7);
        EXPECT_EQ(value("atom.shared.cas.b32 %r3, [%r5], 0, 9; setp.eq.u32 %p2, %r3, 0; @%p2 red.shared.add.u32 [%r5], 100;"), 109u);
        EXPECT_EQ(value("mov.b32 %f1, 0f3f000000; red.shared.add.f32 [%r5], %f1;"), bits(32.0f));
        EXPECT_EQ(value("sub.s32 %r3, 5, %r1; red.shared.min.s32 [%r5], %r3;"), static_cast<uint32_t>(-58));
        EXPECT_EQ(value("atom.shared.exch.b32 %r3, [%r5], 5;"), 5u);
    }
    EXPECT_EQ(result("atom.global.add.u64 %rd6, [%rd1+64], 1; cvt.u32.u64 %r2, %rd6;", 0), 0u);
}

class AsynchronousCopies : public ::testing::TestWithParam<uint64_t> {
protected:
    // The first words that a thread reads of what the instructions copy to [%r6].
    static uint32_t copied(const std::string& instructions, bool waits = true) {
        setup s{{10, 20, 30, 40, 50, 60, 70, 80}, 32};
        s.options.random = GetParam() != 0;
        s.options.seed = GetParam();
        return run(kernel("mov.u32 %r5, s; mad.lo.u32 %r6, %r0, 16, %r5; setp.eq.u32 %p3, 1, 1; " + instructions +
                              " cp.async.commit_group;" + (waits ? " cp.async.wait_group 0;" : "") +
                              " ld.shared.u32 %r2, [%r6]; ld.shared.u32 %r7, [%r6+4]; add.u32 %r2, %r2, %r7;" + store,
                          ".shared .align 16 .b8 s[2048];\n"),
                   s)[0];
    }
};

TEST_P(AsynchronousCopies, copy_fill_with_zeros_and_leave_the_source_alone) {
    EXPECT_EQ(copied("cp.async.cg.shared.global [%r6], [%rd2], 16;"), 30u);
    EXPECT_EQ(copied("cp.async.ca.shared.global.L2::128B [%r6], [%rd2+8], 8;"), 70u);
    EXPECT_EQ(copied("mov.u32 %r8, 4; cp.async.ca.shared.global [%r6], [%rd2], 16, %r8;"), 10u);
    EXPECT_EQ(copied("mov.u32 %r8, 0; mov.u64 %rd6, 16; cp.async.cg.shared.global [%r6], [%rd6], 16, %r8;"), 0u);
    EXPECT_EQ(copied("mov.u64 %rd6, 16; cp.async.cg.shared.global [%r6], [%rd6], 16, %p3;"), 0u);
    EXPECT_EQ(copied("createpolicy.fractional.L2::evict_first.b64 %rd7, 1.0;"
                     "cp.async.cg.shared.global.L2::cache_hint [%r6], [%rd2], 16, %rd7;"),
              30u);
    EXPECT_EQ(copied("cp.async.cg.shared.global [%r6], [%rd2], 16; cp.async.commit_group;"
                     "cp.async.cg.shared.global [%r6], [%rd2+16], 16; cp.async.commit_group; cp.async.wait_group 0;"),
              110u);
}

TEST_P(AsynchronousCopies, from_nowhere_or_of_too_much_are_refused) {
    fault_of(fault_kind::illegal_instruction, [] { copied("mov.u32 %r8, 32; cp.async.cg.shared.global [%r6], [%rd2], 16, %r8;"); });
    fault_of(fault_kind::illegal_address, [] { copied("mov.u64 %rd6, 16; cp.async.cg.shared.global [%r6], [%rd6], 16;"); });
    fault_of(fault_kind::misaligned_address, [] { copied("cp.async.cg.shared.global [%r6], [%rd2+4], 16;"); });
    fault_of(fault_kind::illegal_address, [] { copied("add.u32 %r6, %r6, 4096; cp.async.cg.shared.global [%r6], [%rd2], 16;"); });
}

INSTANTIATE_TEST_SUITE_P(Orders, AsynchronousCopies, ::testing::Values(0, 1, 2));

TEST(AsynchronousCopiesInOrder, land_when_they_are_waited_for) {
    const std::string body =
        "mov.u32 %r5, s; cp.async.ca.shared.global [%r5], [%rd2+4], 4; cp.async.commit_group;"
        "ld.shared.u32 %r2, [%r5]; cp.async.wait_all; st.global.u32 [%rd4], %r2;";
    EXPECT_EQ(run(kernel(body, ".shared .align 16 .b8 s[16];\n"))[0], 0xffffffffu);
}

TEST(Memory, accesses_out_of_bounds_misaligned_or_after_the_end_are_refused) {
    const auto text = [](const std::string& instructions) {
        return fault_of(fault_kind::illegal_address, [&] { run(kernel(instructions)); });
    };
    const std::string message = text("setp.eq.u32 %p1, %r0, 7; @%p1 ld.global.u32 %r2, [%rd2+128];");
    EXPECT_NE(message.find("lane 7"), std::string::npos) << message;
    EXPECT_NE(message.find("line 19: @%p1 ld.global.u32"), std::string::npos) << message;
    text("ld.global.v4.u32 {%r2, %r3, %r4, %r5}, [%rd2+120];");
    text("st.global.u32 [%rd1+-4], %r1;");
    text("mov.u64 %rd6, 0; ld.u32 %r2, [%rd6];");
    fault_of(fault_kind::illegal_address, [] { run(".const .align 4 .u32 c[2] = {1, 2};\n" + kernel("ld.const.u32 %r2, [c+8];")); });
    fault_of(fault_kind::illegal_address, [] { run(kernel("ld.shared.u32 %r2, [s+16];", ".shared .align 4 .b8 s[16];\n")); });
    fault_of(fault_kind::illegal_address, [] { run(kernel("ld.local.u32 %r2, [d+16];", ".local .align 4 .b8 d[16];\n")); });
    fault_of(fault_kind::illegal_address, [] { run(kernel("ld.param.u32 %r2, [k_param_0+16];")); });
    fault_of(fault_kind::misaligned_address, [] { run(kernel("ld.global.u32 %r2, [%rd2+2];")); });
    fault_of(fault_kind::misaligned_address, [] { run(kernel("ld.global.v2.u32 {%r2, %r3}, [%rd2+4];")); });
    fault_of(fault_kind::misaligned_address, [] { run(kernel("st.shared.u64 [s+4], %rd1;", ".shared .align 8 .b8 s[16];\n")); });
}

}  // namespace
}  // namespace ptx::testing
