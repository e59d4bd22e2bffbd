// Conversions between f32, f16 and bf16: every 16-bit pattern, and f32 patterns around every rounding boundary.
#include "kernel_testing.h"

namespace nq::cpu::testing {
namespace {

class ConversionKernel : public KernelTest {};
NQ_FOR_EVERY_IMPLEMENTATION(ConversionKernel);

std::vector<uint16_t> all_halves() {
    std::vector<uint16_t> values(65536);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint16_t>(i);
    return values;
}

// The value of a half by its definition: sign, exponent and fraction taken apart in f64.
double value_of(uint16_t half, int exponent_bits, int fraction_bits) {
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const int exponent = (half >> fraction_bits) & ((1 << exponent_bits) - 1);
    const double fraction = (half & ((1 << fraction_bits) - 1)) / static_cast<double>(1 << fraction_bits);
    const double sign = (half & 0x8000) != 0 ? -1.0 : 1.0;
    if (exponent == (1 << exponent_bits) - 1) return fraction == 0 ? sign * INFINITY : NAN;
    return sign * (exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias));
}

TEST_P(ConversionKernel, WidensEveryHalfExactly) {
    const std::vector<uint16_t> halves = all_halves();
    std::vector<float> wide(halves.size());
    for (const nq_dtype dtype : {NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
        kernel().convert_to_f32(halves.data(), dtype, wide.data(), halves.size());
        for (size_t i = 0; i < halves.size(); ++i) {
            const double expected = dtype == NQ_DTYPE_F16 ? value_of(halves[i], 5, 10) : value_of(halves[i], 8, 7);
            if (std::isnan(expected))
                ASSERT_TRUE(std::isnan(wide[i])) << i;
            else
                ASSERT_EQ(bits(wide[i]), bits(static_cast<float>(expected))) << i;
        }
    }
}

TEST_P(ConversionKernel, RoundsToTheNearestHalfTiesToEven) {
    // Each finite half h with its upper neighbour: h, just above h, just below, at and above the midpoint.
    std::vector<float> values;
    std::vector<uint16_t> expected;
    for (const nq_dtype dtype : {NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
        values.clear();
        expected.clear();
        const int fraction_bits = dtype == NQ_DTYPE_F16 ? 10 : 7;
        const uint16_t infinity = dtype == NQ_DTYPE_F16 ? 0x7c00 : 0x7f80;
        for (uint32_t half = 0; half < infinity; ++half) {
            const double low = value_of(static_cast<uint16_t>(half), 15 - fraction_bits, fraction_bits);
            const double high = half + 1 < infinity ? value_of(static_cast<uint16_t>(half + 1), 15 - fraction_bits, fraction_bits)
                                                    : std::ldexp(1.0, dtype == NQ_DTYPE_F16 ? 16 : 128);
            const float middle = static_cast<float>((low + high) / 2);
            const float below = std::nextafter(middle, 0.0f), above = std::nextafter(middle, INFINITY);
            const uint16_t down = static_cast<uint16_t>(half), up = static_cast<uint16_t>(half + 1);
            for (const uint16_t sign : {uint16_t{0}, uint16_t{0x8000}}) {
                const float s = sign != 0 ? -1.0f : 1.0f;
                values.insert(values.end(), {s * static_cast<float>(low), s * below, s * middle, s * above});
                for (const uint16_t e : {down, down, half % 2 == 0 ? down : up, up}) expected.push_back(static_cast<uint16_t>(e | sign));
            }
        }
        std::vector<uint16_t> halves(values.size());
        kernel().convert_from_f32(values.data(), halves.data(), dtype, values.size());
        for (size_t i = 0; i < halves.size(); ++i) ASSERT_EQ(halves[i], expected[i]) << values[i];
    }
}

TEST_P(ConversionKernel, KeepsNanAndInfinity) {
    const std::vector<float> values = {NAN,   -NAN, formats::float_of(0x7f800001), formats::float_of(0xff80ffff), INFINITY, -INFINITY,
                                       1e30f, -0.0f};
    for (const nq_dtype dtype : {NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
        std::vector<float> rounded(values.size());
        kernel().round_through(values.data(), dtype, rounded.data(), values.size());
        for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(std::isnan(rounded[i])) << i;
        EXPECT_EQ(rounded[4], INFINITY);
        EXPECT_EQ(rounded[5], -INFINITY);
        EXPECT_EQ(std::isinf(rounded[6]), dtype == NQ_DTYPE_F16);
        EXPECT_EQ(bits(rounded[7]), bits(-0.0f));
    }
}

TEST_P(ConversionKernel, TakesAnyLengthAndAlignmentAndStaysInside) {
    for (const nq_dtype dtype : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
        const size_t size = dtype == NQ_DTYPE_F32 ? 4 : 2;
        for (size_t n = 0; n <= 67; ++n) {
            const std::vector<float> values = normal_values(n, static_cast<uint32_t>(n));
            std::vector<float> expected(n);
            for (size_t i = 0; i < n; ++i) expected[i] = through(dtype, values[i]);
            // An odd address for the raw side, ends at a guard page for both.
            const guarded<char> raw(n * size + 1);
            const guarded<float> source(values), back(n), rounded(n);
            char* unaligned = raw.data() + 1;
            raw[0] = 0x55;
            kernel().convert_from_f32(source.data(), unaligned, dtype, n);
            kernel().convert_to_f32(unaligned, dtype, back.data(), n);
            kernel().round_through(source.data(), dtype, rounded.data(), n);
            EXPECT_EQ(raw[0], 0x55);
            EXPECT_TRUE(same_values(back.data(), expected.data(), n)) << n;
            EXPECT_TRUE(same_values(rounded.data(), expected.data(), n)) << n;
            kernel().round_through(source.data(), dtype, source.data(), n);
            EXPECT_TRUE(same_values(source.data(), expected.data(), n)) << n << " in place";
        }
    }
}

}  // namespace
}  // namespace nq::cpu::testing
