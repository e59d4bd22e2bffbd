// cvt in every direction and rounding.
#include <cmath>
#include <random>

#include "kernel_text.h"

namespace ptx::testing {
namespace {

const std::string to_float = "mov.b32 %f1, %r1; ", from_float = " mov.b32 %r2, %f2;", from_half = " cvt.u32.u16 %r2, %h1;";

TEST(Conversions, to_integers_round_clamp_and_turn_nan_into_zero) {
    EXPECT_EQ(result(to_float + "cvt.rni.s32.f32 %r2, %f1;", bits(2.5f)), 2u);
    EXPECT_EQ(result(to_float + "cvt.rpi.s32.f32 %r2, %f1;", bits(2.1f)), 3u);
    EXPECT_EQ(result(to_float + "cvt.rmi.s32.f32 %r2, %f1;", bits(-2.1f)), static_cast<uint32_t>(-3));
    EXPECT_EQ(result(to_float + "cvt.rzi.s32.f32 %r2, %f1;", bits(1e10f)), 0x7fffffffu);
    EXPECT_EQ(result(to_float + "cvt.rzi.s32.f32 %r2, %f1;", 0x7fc00000), 0u);
    EXPECT_EQ(result(to_float + "cvt.rzi.u32.f32 %r2, %f1;", bits(-3.0f)), 0u);
    EXPECT_EQ(result(to_float + "cvt.rzi.u64.f32 %rd6, %f1; shr.u64 %rd6, %rd6, 32; cvt.u32.u64 %r2, %rd6;", bits(0x1p40f)), 256u);
    EXPECT_EQ(result(to_float + "cvt.rni.s8.f32 %r2, %f1;", bits(-200.0f)), static_cast<uint32_t>(-128));
    EXPECT_EQ(result(to_float + "cvt.rzi.s64.f32 %rd6, %f1; cvt.u32.u64 %r2, %rd6;", bits(-1.5f)), 0xffffffffu);
}

TEST(Conversions, between_integers_extend_cut_or_saturate) {
    EXPECT_EQ(result("cvt.sat.s8.s32 %r2, %r1;", 300), 127u);
    EXPECT_EQ(result("cvt.s32.s8 %r2, %r1;", 0x80), 0xffffff80u);
    EXPECT_EQ(result("cvt.u32.u8 %r2, %r1;", 0x1ff), 0xffu);
    EXPECT_EQ(result("cvt.s64.s32 %rd6, %r1; shr.u64 %rd6, %rd6, 32; cvt.u32.u64 %r2, %rd6;", 0x80000000), 0xffffffffu);
    EXPECT_EQ(result("cvt.sat.u8.s32 %r2, %r1;", static_cast<uint32_t>(-5)), 0u);
    EXPECT_EQ(result("cvt.pack.sat.s8.s32.b32 %r2, %r1, 5, 0x1234;", 300), 0x12347f05u);
    EXPECT_EQ(result("cvt.pack.sat.s16.s32 %r2, %r1, -70000;", 5), 0x00058000u);
}

TEST(Conversions, from_integers_round) {
    EXPECT_EQ(result("cvt.rn.f32.s32 %f2, %r1;" + from_float, 0x01000001), bits(16777216.0f));
    EXPECT_EQ(result("cvt.rz.f32.u32 %f2, %r1;" + from_float, 0xffffffff), 0x4f7fffffu);
    EXPECT_EQ(result("cvt.rp.f32.u32 %f2, %r1;" + from_float, 0xffffffff), 0x4f800000u);
    EXPECT_EQ(result("cvt.rn.f32.u64 %f2, 0xffffffffffffffff;" + from_float), 0x5f800000u);
    EXPECT_EQ(result("cvt.rn.f16.s32 %h1, %r1;" + from_half, 70000), 0x7c00u);
    EXPECT_EQ(result("cvt.rz.f16.s32 %h1, %r1;" + from_half, 70000), 0x7bffu);
}

TEST(Conversions, between_floating_point_types_round_as_asked) {
    EXPECT_EQ(result(to_float + "cvt.rmi.f32.f32 %f2, %f1;" + from_float, bits(-1.5f)), bits(-2.0f));
    EXPECT_EQ(result(to_float + "cvt.rzi.f32.f32 %f2, %f1;" + from_float, bits(-0.5f)), bits(-0.0f));
    EXPECT_EQ(result(to_float + "cvt.sat.f32.f32 %f2, %f1;" + from_float, bits(1.5f)), bits(1.0f));
    EXPECT_EQ(result(to_float + "cvt.sat.f32.f32 %f2, %f1;" + from_float, 0x7fc00000), 0u);
    EXPECT_EQ(result(to_float + "cvt.rn.f16.f32 %h1, %f1;" + from_half, bits(65519.9f)), 0x7bffu);
    EXPECT_EQ(result(to_float + "cvt.rn.f16.f32 %h1, %f1;" + from_half, bits(65520.0f)), 0x7c00u);
    EXPECT_EQ(result(to_float + "cvt.rz.bf16.f32 %h1, %f1;" + from_half, 0x3fffffff), 0x3fffu);
    EXPECT_EQ(result(to_float + "cvt.rn.bf16.f32 %h1, %f1;" + from_half, 0x3fffffff), 0x4000u);
    EXPECT_EQ(result(to_float + "cvt.rn.bf16x2.f32 %r2, %f1, 0f40000000;", bits(1.0f)), 0x3f804000u)
        << "the first source is the upper half";
    EXPECT_EQ(result("mov.f64 %fd1, 0d3ff0000010000000; cvt.rn.f32.f64 %f2, %fd1;" + from_float), 0x3f800000u);
    EXPECT_EQ(result("mov.f64 %fd1, 0d3ff0000010000000; cvt.rp.f32.f64 %f2, %fd1;" + from_float), 0x3f800001u);
    EXPECT_EQ(result("mov.b32 {%h1, %h2}, %r1; cvt.f32.f16 %f2, %h1;" + from_float, 0x0001), bits(0x1p-24f));
}

TEST(Conversions, to_f16_and_bf16_by_bits_are_those_by_arithmetic) {
    std::mt19937 random(11);
    const auto check = [](float f) {
        if (std::isnan(f)) {
            EXPECT_EQ(float_to_f16(f), nan_16);
            EXPECT_EQ(float_to_bf16(f), nan_16);
            return;
        }
        EXPECT_EQ(f16_to_float(float_to_f16(f)), static_cast<float>(round_to_format(f, format_f16, rounding::nearest_even))) << f;
        EXPECT_EQ(bf16_to_float(float_to_bf16(f)), static_cast<float>(round_to_format(f, format_bf16, rounding::nearest_even))) << f;
    };
    for (int k = 0; k < 20000; ++k) {
        check(std::bit_cast<float>(static_cast<uint32_t>(random())));
    }
    for (uint32_t h = 0; h <= 0xffff; ++h) {  // every f16 and what lies halfway to the next
        const float f = f16_to_float(static_cast<uint16_t>(h));
        if (std::isnan(f)) {
            continue;
        }
        EXPECT_EQ(float_to_f16(f), h);
        check(std::bit_cast<float>(bits(f) + 0x1000));
        check(std::bit_cast<float>(bits(f) + 0x0fff));
    }
}

}  // namespace
}  // namespace ptx::testing
