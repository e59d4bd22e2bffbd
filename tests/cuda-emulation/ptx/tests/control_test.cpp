// Where lanes go: branches, tables, calls, scopes, barriers, blocks that wait for one another; and what must not be waited for.
#include "kernel_text.h"

namespace ptx::testing {
namespace {

setup in_random_order(uint64_t seed, unsigned threads = 32, unsigned blocks = 1) {
    setup s{{}, threads, blocks, 0, {}};
    s.options.random = true;
    s.options.seed = seed;
    s.options.resident_blocks = 2;
    return s;
}

TEST(Control, names_belong_to_their_scope) {
    EXPECT_EQ(result("mov.u32 %r2, 0; {.reg .b32 t; mov.u32 t, 1; bra L; mov.u32 t, 9; L: add.u32 %r2, %r2, t;} "
                     "{.reg .b32 t; mov.u32 t, 2; bra L; mov.u32 t, 9; L: add.u32 %r2, %r2, t;}"),
              3u);
}

TEST(Control, lanes_part_at_a_branch_and_meet_again) {
    const std::string text = kernel(
        "mov.u32 %r2, 0; L: setp.ge.u32 %p1, %r2, %r1; @%p1 bra D; add.u32 %r2, %r2, 1; bra L; D: activemask.b32 %r3; "
        "setp.eq.u32 %p2, %r3, 0xffffffff; @%p2 add.u32 %r2, %r2, 100; st.global.u32 [%rd4], %r2;");
    const auto out = run(text);
    for (unsigned t = 0; t < 32; ++t) {
        EXPECT_EQ(out[t], t + 100);
    }
}

TEST(Control, a_table_of_branches_takes_each_lane_to_its_own) {
    const std::string text = kernel(
        "and.b32 %r3, %r1, 3; mov.u32 %r2, 9; T: .branchtargets A, B, C, D; brx.idx %r3, T; A: mov.u32 %r2, 10; bra E; B: mov.u32 %r2, 11; "
        "bra E; C: mov.u32 %r2, 12; bra E; D: mov.u32 %r2, 13; E: st.global.u32 [%rd4], %r2;");
    const auto out = run(text);
    for (unsigned t = 0; t < 32; ++t) {
        EXPECT_EQ(out[t], 10 + t % 4);
    }
    fault_of(fault_kind::illegal_instruction, [] { run(kernel("T: .branchtargets A, A; brx.idx %r1, T; A:")); });
}

constexpr const char* functions =
    ".func (.param .b32 twice_result) twice(.param .b32 twice_param)\n{\n.reg .b32 %r<4>;\nld.param.u32 %r1, [twice_param];\n"
    "add.u32 %r2, %r1, %r1;\nst.param.b32 [twice_result], %r2;\nret;\n}\n"
    ".func (.param .b32 sum_result) sum(.param .align 8 .b8 sum_param_0[8], .param .b32 sum_param_1)\n{\n"
    ".local .align 4 .b8 depot[4];\n.reg .b32 %r<9>;\n.reg .b64 %rd<3>;\nmov.u64 %rd1, depot;\n"
    "ld.param.u32 %r1, [sum_param_0];\nld.param.u32 %r2, [sum_param_0+4];\nadd.u32 %r3, %r1, %r2;\nst.local.u32 [%rd1], %r3;\n"
    "{ .param .b32 p;\nst.param.b32 [p+0], %r3;\n.param .b32 q;\ncall.uni (q), twice, (p);\nld.param.b32 %r4, [q+0];\n}\n"
    "ld.local.u32 %r5, [%rd1];\nadd.u32 %r4, %r4, %r5;\nld.param.u32 %r6, [sum_param_1];\nadd.u32 %r4, %r4, %r6;\n"
    "st.param.b32 [sum_result+0], %r4;\nret;\n}\n";

TEST(Control, functions_are_called_with_arguments_and_results_by_some_lanes) {
    const std::string text = functions + kernel(
                                             "mov.u32 %r2, 7; setp.lt.u32 %p1, %r1, 16; @!%p1 bra D;"
                                             "{ .param .align 8 .b8 a[8]; st.param.b32 [a+0], %r1; st.param.b32 [a+4], 5; .param .b32 b; "
                                             "st.param.b32 [b+0], 1000; .param .b32 c;"
                                             " call.uni (c), sum, (a, b); ld.param.b32 %r2, [c+0]; } D: st.global.u32 [%rd4], %r2;");
    for (const setup& s : {setup{}, in_random_order(1), in_random_order(2)}) {
        const auto out = run(text, s);
        for (unsigned t = 0; t < 32; ++t) {
            EXPECT_EQ(out[t], t < 16 ? 3 * (t + 5) + 1000 : 7);
        }
    }
}

TEST(Control, recursion_and_functions_without_a_body_are_refused) {
    const std::string recursive = ".func again()\n{\ncall.uni again;\nret;\n}\n" + kernel("call.uni again;");
    EXPECT_NE(refusal_of([&] { run(recursive); }).find("recursion"), std::string::npos);
    refusal_of([] { run(".extern .func elsewhere();\n" + kernel("call.uni elsewhere;")); });
}

TEST(Control, a_barrier_orders_the_warps_of_a_block) {
    const std::string text = kernel(
        "mov.u32 %r5, s; shl.b32 %r6, %r0, 2; add.u32 %r7, %r5, %r6; st.shared.u32 [%r7], %r1; bar.sync 0; sub.u32 %r8, 255, %r0;"
        "shl.b32 %r8, %r8, 2; add.u32 %r8, %r5, %r8; ld.shared.u32 %r2, [%r8]; st.global.u32 [%rd4], %r2;",
        ".shared .align 4 .b8 s[1024];\n");
    for (const setup& s : {setup{{}, 256}, in_random_order(1, 256), in_random_order(5, 256)}) {
        const auto out = run(text, s);
        for (unsigned t = 0; t < 256; ++t) {
            EXPECT_EQ(out[t], 255 - t);
        }
    }
}

TEST(Control, without_its_barrier_the_same_kernel_reads_what_nobody_wrote) {
    const std::string text = kernel(
        "mov.u32 %r5, s; shl.b32 %r6, %r0, 2; add.u32 %r7, %r5, %r6; st.shared.u32 [%r7], %r1; sub.u32 %r8, 255, %r0;"
        "shl.b32 %r8, %r8, 2; add.u32 %r8, %r5, %r8; ld.shared.u32 %r2, [%r8]; st.global.u32 [%rd4], %r2;",
        ".shared .align 4 .b8 s[1024];\n");
    EXPECT_EQ(run(text, {{}, 256})[0], 0xffffffffu);
}

TEST(Control, warps_that_ended_are_not_waited_for) {
    EXPECT_EQ(run(kernel("setp.ge.u32 %p1, %r0, 32; @%p1 exit; bar.sync 0; mov.u32 %r2, 5; st.global.u32 [%rd4], %r2;"), {{}, 64})[31], 5u);
    EXPECT_EQ(run(kernel("setp.ge.u32 %p1, %r0, 9; @%p1 exit; bar.sync 0; mov.u32 %r2, 5; st.global.u32 [%rd4], %r2;"), {{}, 64})[8], 5u);
}

// Block 0 spins until block 1 has counted.
TEST(Control, blocks_that_wait_for_each_other_need_to_be_resident) {
    const std::string text = kernel(
        "mov.u32 %r3, %ctaid.x; setp.eq.u32 %p1, %r3, 1; @%p1 bra W; S: ld.global.acquire.gpu.b32 %r4, [%rd1]; setp.ne.u32 %p2, %r4, 32;"
        "@%p2 bra S; bra.uni E; W: red.relaxed.gpu.global.add.u32 [%rd1], 1; E:");
    setup s{{}, 32, 2, 0, {}};
    s.options.resident_blocks = 2;
    EXPECT_EQ(run(text, s)[0], 32u);
    EXPECT_EQ(run(text, in_random_order(3, 32, 2))[0], 32u);
    s.options.resident_blocks = 1;
    EXPECT_NE(fault_of(fault_kind::time_limit, [&] { run(text, s); }).find("block (0, 0, 0)"), std::string::npos);
}

TEST(Control, special_registers_say_where_a_thread_is) {
    const std::string text = kernel(
        "mov.u32 %r3, %warpid; mov.u32 %r4, %laneid; mov.u32 %r5, %ntid.x; mov.u32 %r6, %nctaid.x; mov.u32 %r7, %lanemask_lt;"
        "popc.b32 %r7, %r7; mad.lo.u32 %r2, %r3, 1000, %r4; mad.lo.u32 %r2, %r5, 100000, %r2; mad.lo.u32 %r2, %r7, 1000000, %r2;"
        "st.global.u32 [%rd4], %r2;");
    EXPECT_EQ(run(text, {{}, 64})[37], 1000u + 5 + 6400000 + 5000000);
}

TEST(Control, divergence_where_all_must_come_is_refused) {
    EXPECT_NE(fault_of(fault_kind::failed,
                       [] { run(kernel("setp.lt.u32 %p1, %r0, 16; @%p1 bar.sync 0; shfl.sync.idx.b32 %r2|%p2, %r1, 0, 31, 0xffffffff;")); })
                  .find("part of the lanes"),
              std::string::npos);
    fault_of(fault_kind::failed, [] {
        run(
            kernel("setp.lt.u32 %p1, %r0, 16; @!%p1 bra D; shfl.sync.idx.b32 %r2|%p2, %r1, 0, 31, 0xffffffff; bar.sync 0; bra E; "
                   "D: bar.sync 0; E:"));
    });
    refusal_of([] { run(kernel("bar.sync 1, 32;")); });
}

TEST(Control, a_trap_names_its_place) {
    const std::string text = fault_of(fault_kind::illegal_instruction, [] {
        run(kernel("setp.eq.u32 %p1, %r0, 45; @%p1 trap;"), {{}, 64});
    });
    EXPECT_NE(text.find("warp 1, lane 13"), std::string::npos) << text;
    EXPECT_NE(text.find("@%p1 trap;"), std::string::npos) << text;
}

}  // namespace
}  // namespace ptx::testing
