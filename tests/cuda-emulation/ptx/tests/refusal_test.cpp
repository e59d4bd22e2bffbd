// What is refused before it runs: each message quotes the instruction.
#include "kernel_text.h"

namespace ptx::testing {
namespace {

void refused(const std::string& instruction) {
    const std::string text = refusal_of([&] { run(kernel(instruction)); });
    EXPECT_NE(text.find(instruction), std::string::npos) << text;
}

TEST(Refusals, unknown_instructions_and_modifiers_are_quoted) {
    refused("add.rz.f32 %f2, %f1, %f1;");
    refused("mma.sp.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2}, {%r3,%r4}, {%f1,%f2,%f3,%f4}, %r5, 0;");
    refused("mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2}, {%r3}, {%f1,%f2,%f3,%f4};");
    refused("wgmma.fence.sync.aligned;");
    refused("mbarrier.init.shared.b64 [%r1], 1;");
    refused("ld.shared::cluster.u32 %r1, [%r2];");
    refused("cvt.rn.relu.f16.f32 %h1, %f1;");
    refused("prmt.b32.f4e %r1, %r2, %r3, %r4;");
    refused("atom.global.add.noftz.f16x2 %r1, [%rd1], %r2;");
    refused("bar.sync 3;");
}

TEST(Refusals, operands_that_do_not_fit_are_quoted) {
    refused("@%p99 mov.u32 %r2, 1;");
    refused("add.u32 %r2, %r1, %nothing;");
    refused("add.u32 %r2, %r1;");
    refused("mov.u32 %tid.x, 1;");
    refused("selp.u32 %r2, 1, 0, %r1;");
    refused("st.param.u32 [k_param_0], %r1;");
    refused("ld.global.v4.u32 {%r1, %r2}, [%rd1];");
}

TEST(Refusals, come_with_the_kernel_that_uses_them_not_with_its_module) {
    memory global;
    image i(std::string(module_head) + kernel("") + ".visible .entry other()\n{\nwgmma.fence.sync.aligned;\nret;\n}\n", global);
    EXPECT_EQ(i.kernels(), (std::vector<std::string>{"k", "other"}));
    EXPECT_NO_THROW(i.load("k"));
    refusal_of([&] { i.load("other"); });
    refusal_of([&] { i.load("neither"); });
    EXPECT_EQ(i.target(), 80u);
}

TEST(Refusals, of_text_name_the_line) {
    memory global;
    EXPECT_NE(refusal_of([&] { image("\n\n.mystery x;\n", global); }).find("line 3"), std::string::npos);
    EXPECT_NE(refusal_of([&] { image(".visible .entry k()\n{\nret;\n", global); }).find("ends too early"), std::string::npos);
    refusal_of([&] { image(".global .align 4 .u32 few[1] = {1, 2};\n", global); });
    refusal_of([] { run(kernel("bra nowhere;")); });
    EXPECT_NE(refusal_of([] { run(kernel("add.u32 %r2, %r1, 1.5;")); }).find("line 19: decimal number 1.5"), std::string::npos);
}

TEST(Refusals, of_launches_say_what_does_not_fit) {
    memory global;
    image i(module_head + kernel("", ".shared .align 4 .b8 s[1024];\n"), global);
    const program& k = i.load("k");
    const uint64_t parameters[2] = {};
    const auto bytes = std::as_bytes(std::span(parameters));
    refusal_of([&] { launch(k, global, {1}, {32}, 0, bytes.first(8)); });
    refusal_of([&] { launch(k, global, {1}, {1025}, 0, bytes); });
    refusal_of([&] { launch(k, global, {0}, {32}, 0, bytes); });
    refusal_of([&] { launch(k, global, {1}, {32}, size_t{227} << 10, bytes); });
    image limited(std::string(module_head) + ".visible .entry k()\n.maxntid 64, 1, 1\n{\nret;\n}\n", global);
    EXPECT_NO_THROW(launch(limited.load("k"), global, {1}, {64}, 0, {}));
    refusal_of([&] { launch(limited.load("k"), global, {1}, {65}, 0, {}); });
}

}  // namespace
}  // namespace ptx::testing
