// Integers, bits, floating point of 16, 32 and 64 bits: rounding, NaN, ends of the ranges.
#include <cmath>
#include <limits>
#include <random>

#include "kernel_text.h"

namespace ptx::testing {
namespace {

constexpr uint32_t nan = 0x7fc00000, least_subnormal = 1;
const std::string to_float = "mov.b32 %f1, %r1; ", from_float = " mov.b32 %r2, %f2;";

TEST(Integers, wrap_and_divide_as_documented) {
    EXPECT_EQ(result("mul.hi.u64 %rd6, 0x8000000000000000, 6; cvt.u32.u64 %r2, %rd6;"), 3u);
    EXPECT_EQ(result("mul.hi.s32 %r2, %r1, 2;", 0x80000000), 0xffffffffu);
    EXPECT_EQ(result("mul.wide.s16 %r2, -3, 5;"), static_cast<uint32_t>(-15));
    EXPECT_EQ(result("mul.wide.u32 %rd6, %r1, 16; shr.u64 %rd6, %rd6, 32; cvt.u32.u64 %r2, %rd6;", 0xf0000000), 15u);
    EXPECT_EQ(result("mad.lo.s32 %r2, %r1, 3, 4;", 5), 19u);
    EXPECT_EQ(result("mad.wide.u32 %rd6, %r1, 4, 7; cvt.u32.u64 %r2, %rd6;", 5), 27u);
    EXPECT_EQ(result("mad.hi.u32 %r2, %r1, 4, 7;", 0xc0000000), 10u);
    EXPECT_EQ(result("mov.u64 %rd6, 0x100000005; rem.u64 %rd7, %rd6, 7; cvt.u32.u64 %r2, %rd7;"), 0x100000005u % 7);
    EXPECT_EQ(result("rem.s32 %r2, 0x80000000, -1;"), 0u);
    EXPECT_EQ(result("div.s32 %r2, 0x80000000, -1;"), 0x80000000u);
    EXPECT_EQ(result("div.u32 %r2, %r1, 0;", 7), 0xffffffffu);
    EXPECT_EQ(result("div.s32 %r2, %r1, 2;", static_cast<uint32_t>(-7)), static_cast<uint32_t>(-3));
    EXPECT_EQ(result("min.s32 %r2, %r1, 2;", static_cast<uint32_t>(-7)), static_cast<uint32_t>(-7));
    EXPECT_EQ(result("min.u32 %r2, %r1, 2;", static_cast<uint32_t>(-7)), 2u);
    EXPECT_EQ(result("abs.s32 %r2, %r1;", static_cast<uint32_t>(-7)), 7u);
    EXPECT_EQ(result("neg.s32 %r2, %r1;", 7), static_cast<uint32_t>(-7));
    EXPECT_EQ(result("sad.u32 %r2, %r1, 10, 5;", 3), 12u);
    EXPECT_EQ(result("add.sat.s32 %r2, %r1, 1;", 0x7fffffff), 0x7fffffffu);
    EXPECT_EQ(result("add.s16 %h1, 0x7fff, 1; cvt.s32.s16 %r2, %h1;"), 0xffff8000u);
}

TEST(Integers, pass_carries_on) {
    EXPECT_EQ(result("add.cc.u32 %r3, %r1, 1; addc.u32 %r2, 5, 0;", 0xffffffff), 6u);
    EXPECT_EQ(result("sub.cc.u32 %r3, %r1, 1; subc.u32 %r2, 5, 0;", 0), 4u);
    EXPECT_EQ(result("mad.lo.cc.u32 %r3, %r1, 2, 2; madc.hi.u32 %r2, %r1, 2, 0;", 0xffffffff), 2u);
    EXPECT_EQ(result("add.cc.s64 %rd6, -1, 1; addc.cc.s64 %rd7, -1, 0; addc.s64 %rd8, 2, 0; cvt.u32.u64 %r2, %rd8;"), 3u);
}

TEST(Integers, sum_products_of_bytes_with_and_without_sign) {
    EXPECT_EQ(result("dp4a.s32.s32 %r2, %r1, 0x01010101, 10;", 0xff02fe01), 10u);
    EXPECT_EQ(result("dp4a.u32.u32 %r2, %r1, 0x01010101, 10;", 0xff02fe01), 10u + 255 + 2 + 254 + 1);
    EXPECT_EQ(result("dp4a.u32.s32 %r2, %r1, 0xff000000, 0;", 0xff000000), static_cast<uint32_t>(-255));
    EXPECT_EQ(result("dp2a.lo.s32.s32 %r2, %r1, 0x0000ff02, 1;", 0x0003fffe), static_cast<uint32_t>(1 - 4 - 3));
}

TEST(Bits, are_moved_and_counted) {
    EXPECT_EQ(result("bfe.s32 %r2, %r1, 28, 8;", 0x90000000), 0xfffffff9u);
    EXPECT_EQ(result("bfe.u32 %r2, %r1, 4, 8;", 0x12345678), 0x67u);
    EXPECT_EQ(result("bfe.s32 %r2, %r1, 40, 8;", 0x80000000), 0xffffffffu);
    EXPECT_EQ(result("bfe.u32 %r2, %r1, 4, 0;", 0x12345678), 0u);
    EXPECT_EQ(result("bfi.b32 %r2, %r1, 0, 8, 4;", 0xff), 0xf00u);
    EXPECT_EQ(result("bfi.b32 %r2, %r1, 7, 32, 4;", 0xff), 7u);
    EXPECT_EQ(result("mov.u64 %rd6, 1; clz.b64 %r2, %rd6;"), 63u);
    EXPECT_EQ(result("clz.b32 %r2, %r1;", 0), 32u);
    EXPECT_EQ(result("popc.b32 %r2, %r1;", 0xf0f), 8u);
    EXPECT_EQ(result("brev.b32 %r2, %r1;", 1), 0x80000000u);
    EXPECT_EQ(result("bfind.u32 %r2, %r1;", 0x100), 8u);
    EXPECT_EQ(result("bfind.shiftamt.u32 %r2, %r1;", 0x100), 23u);
    EXPECT_EQ(result("bfind.s32 %r2, %r1;", 0xffffffff), 0xffffffffu);
    EXPECT_EQ(result("shl.b32 %r2, %r1, 32;", 1), 0u);
    EXPECT_EQ(result("shr.s32 %r2, %r1, 40;", 0x80000000), 0xffffffffu);
    EXPECT_EQ(result("shr.u32 %r2, %r1, 4;", 0x80000000), 0x08000000u);
    EXPECT_EQ(result("shf.l.wrap.b32 %r2, %r1, 0x1, 36;", 0xf0000000), 0x1fu);
    EXPECT_EQ(result("shf.r.clamp.b32 %r2, %r1, 0x1, 36;", 0xf0000000), 1u);
    EXPECT_EQ(result("prmt.b32 %r2, %r1, 0xddccbbaa, 0x8740;", 0x44332291), 0xffddaa91u) << "a byte's sign by the selector's highest bit";
    EXPECT_EQ(result("lop3.b32 %r2, %r1, 0x0ff0, 0x00ff, 0x96;", 0x3333), 0x3333u ^ 0x0ff0 ^ 0x00ff);
    EXPECT_EQ(result("not.b32 %r2, %r1;", 5), ~5u);
    EXPECT_EQ(result("cnot.b32 %r2, %r1;", 0), 1u);
}

TEST(Floats, keep_or_flush_subnormals_as_asked) {
    EXPECT_EQ(result(to_float + "mul.ftz.f32 %f2, %f1, 0f3f800000;" + from_float, least_subnormal), 0u);
    EXPECT_EQ(result(to_float + "mul.f32 %f2, %f1, 0f3f800000;" + from_float, least_subnormal), 1u);
    EXPECT_EQ(result(to_float + "mul.rn.f32 %f2, %f1, 0f3f800000;" + from_float, least_subnormal), 1u);
}

TEST(Floats, treat_nan_and_signs_of_zero_as_documented) {
    EXPECT_EQ(result(to_float + "max.f32 %f2, 0f40000000, %f1;" + from_float, nan), bits(2.0f));
    EXPECT_EQ(result(to_float + "max.NaN.f32 %f2, 0f40000000, %f1; setp.nan.f32 %p1, %f2, %f2; selp.u32 %r2, 1, 0, %p1;", nan), 1u);
    EXPECT_EQ(result(to_float + "min.f32 %f2, 0f00000000, %f1;" + from_float, 0x80000000), 0x80000000u);
    EXPECT_EQ(result(to_float + "max.f32 %f2, %f1, 0f00000000;" + from_float, 0x80000000), 0u);
    EXPECT_EQ(result(to_float + "setp.ne.f32 %p1, %f1, %f1; selp.u32 %r2, 1, 0, %p1;", nan), 0u);
    EXPECT_EQ(result(to_float + "setp.neu.f32 %p1, %f1, %f1; selp.u32 %r2, 1, 0, %p1;", nan), 1u);
    EXPECT_EQ(result(to_float + "setp.num.f32 %p1, %f1, %f1; selp.u32 %r2, 1, 0, %p1;", nan), 0u);
    EXPECT_EQ(result(to_float + "abs.f32 %f2, %f1;" + from_float, 0x80000000), 0u);
    EXPECT_EQ(result(to_float + "copysign.f32 %f2, %f1, 0f40000000;" + from_float, 0x80000000), bits(-2.0f));
    EXPECT_EQ(result(to_float + "testp.infinite.f32 %p1, %f1; selp.u32 %r2, 1, 0, %p1;", 0x7f800000), 1u);
    EXPECT_EQ(result(to_float + "testp.normal.f32 %p1, %f1; selp.u32 %r2, 1, 0, %p1;", least_subnormal), 0u);
}

TEST(Floats, round_a_fused_product_once) {
    const float a = 1.0f + 0x1p-12f;
    EXPECT_EQ(result(to_float + "fma.rn.f32 %f2, %f1, %f1, 0fbf800000;" + from_float, bits(a)), bits(std::fma(a, a, -1.0f)));
    EXPECT_NE(std::fma(a, a, -1.0f), a * a - 1.0f);
    EXPECT_EQ(result(to_float + "div.rn.f32 %f2, %f1, 0f40400000;" + from_float, bits(1.0f)), bits(1.0f / 3.0f));
    EXPECT_EQ(result(to_float + "sqrt.rn.f32 %f2, %f1;" + from_float, bits(2.0f)), bits(std::sqrt(2.0f)));
    EXPECT_EQ(result(to_float + "ex2.approx.ftz.f32 %f2, %f1;" + from_float, bits(3.0f)), bits(8.0f));
    EXPECT_EQ(result(to_float + "lg2.approx.f32 %f2, %f1;" + from_float, bits(8.0f)), bits(3.0f));
    EXPECT_EQ(result(to_float + "rcp.approx.f32 %f2, %f1;" + from_float, bits(4.0f)), bits(0.25f));
    EXPECT_EQ(result(to_float + "rsqrt.approx.f32 %f2, %f1;" + from_float, bits(4.0f)), bits(0.5f));
    EXPECT_EQ(result("mov.f64 %fd1, 0d3ff0000000000000; add.f64 %fd2, %fd1, 0d3ca0000000000000; sub.f64 %fd3, %fd2, %fd1; "
                     "cvt.rn.f32.f64 %f2, %fd3;" +
                     from_float),
              0u)
        << "2^-53 is half of the last place of 1";
}

TEST(Halves, round_every_operation_once_ties_to_even) {
    // 0x1400 is 2^-10, 0x3c00 is 1.
    EXPECT_EQ(result("mov.b32 %r3, 0x14001400; fma.rn.f16x2 %r2, %r1, %r3, 0x3c003c00;", 0x38003801), 0x3c003c01u);
    EXPECT_EQ(result("mov.b32 %r3, 0x00010001; mul.f16x2 %r2, %r1, %r3;", 0x38003a00), 0x00000001u) << "subnormals";
    EXPECT_EQ(result("mov.b32 %r3, 0x3f803f80; add.rn.bf16x2 %r2, %r1, %r3;", 0x3b803c40), 0x3f803f82u);
    EXPECT_EQ(result("mov.b32 %r3, 0x7bff7bff; add.f16x2 %r2, %r1, %r3;", 0x40007bff), 0x7bff7c00u) << "overflow to infinity";
    EXPECT_EQ(result("mov.b32 {%h1, %h2}, %r1; min.f16 %h3, %h1, %h2; cvt.u32.u16 %r2, %h3;", 0x3c007e00), 0x3c00u) << "not the NaN";
    EXPECT_EQ(result("neg.bf16x2 %r2, %r1;", 0x3f80bf80), 0xbf803f80u);
    EXPECT_EQ(result("mov.b32 {%h1, %h2}, %r1; setp.lt.f16 %p1, %h1, %h2; selp.u32 %r2, 1, 0, %p1;", 0x40003c00), 1u);
}

// Every f16 sum, difference and product of an assortment, against arithmetic in f64, which holds them all.
TEST(Halves, agree_with_exact_arithmetic) {
    std::mt19937 random(7);
    std::vector<uint32_t> pairs(1024);
    for (uint32_t& p : pairs) {
        p = random();
    }
    const auto check = [&](const char* instruction, auto exact) {
        const auto out = run(kernel(std::string("mov.b32 {%h1, %h2}, %r1; ") + instruction +
                                    " %h3, %h1, %h2; cvt.u32.u16 %r2, %h3; st.global.u32 [%rd4], %r2;"),
                             {pairs, 1024});
        for (size_t k = 0; k < pairs.size(); ++k) {
            const double a = f16_to_float(static_cast<uint16_t>(pairs[k])), b = f16_to_float(static_cast<uint16_t>(pairs[k] >> 16));
            const double expected = exact(a, b);
            if (std::isnan(expected)) {
                EXPECT_EQ(out[k], nan_16);
            } else {
                EXPECT_EQ(out[k], narrow_once<f16>(expected)) << instruction << " " << a << " " << b;
            }
        }
    };
    check("add.f16", [](double a, double b) { return a + b; });
    check("sub.f16", [](double a, double b) { return a - b; });
    check("mul.f16", [](double a, double b) { return a * b; });
}

TEST(Comparisons, combine_with_a_predicate_and_select) {
    EXPECT_EQ(result("setp.eq.s32 %p2, 1, 2; setp.lt.and.s32 %p1, %r1, 9, %p2; selp.u32 %r2, 1, 0, %p1;", 5), 0u);
    EXPECT_EQ(result("setp.eq.s32 %p2, 1, 1; setp.lt.xor.s32 %p1, %r1, 9, %p2; selp.u32 %r2, 1, 0, %p1;", 5), 0u);
    EXPECT_EQ(result("setp.lt.s32 %p1|%p2, %r1, 9; selp.u32 %r3, 1, 0, %p1; selp.u32 %r4, 2, 0, %p2; or.b32 %r2, %r3, %r4;", 5), 1u);
    EXPECT_EQ(result("setp.lo.u32 %p1, %r1, 9; not.pred %p2, %p1; selp.u32 %r2, 1, 0, %p2;", 0xffffffff), 1u);
    EXPECT_EQ(result("set.lt.u32.s32 %r2, %r1, 9;", 5), 0xffffffffu);
    EXPECT_EQ(result("slct.b32.s32 %r2, 11, 12, %r1;", 0xffffffff), 12u);
    EXPECT_EQ(result("setp.ge.s16 %p1, -1, 0; selp.u32 %r2, 1, 0, %p1;"), 0u);
}

}  // namespace
}  // namespace ptx::testing
