// Activations of the 8-bit product: codes bit for bit, and the two shortcuts past f16 that the driver takes.
#include "kernel_testing.h"

namespace nq::cpu::testing {
namespace {

float through_f16_saturating(float x) {
    const float rounded = formats::f32_from_f16(formats::f16_from_f32(x));
    return std::isinf(rounded) && !std::isinf(x) ? std::copysign(65504.0f, x) : rounded;
}

class ActivationsKernel : public KernelTest {
protected:
    // Codes of x where skip is 0 (all for an empty skip), with the absmax of those.
    void check(const std::vector<float>& values, const std::vector<uint8_t>& skip) const {
        const size_t n = values.size(), padded = (n + 63) / 64 * 64;
        float absmax = 0;
        for (size_t i = 0; i < n; ++i)
            if (skip.empty() || skip[i] == 0) absmax = std::fmax(absmax, std::fabs(through_f16_saturating(values[i])));
        const guarded<float> x(values);
        const guarded<uint8_t> skipped(skip), codes(padded);
        std::memset(codes.data(), 1, padded);
        kernel().quantize_activations(x.data(), n, absmax, skip.empty() ? nullptr : skipped.data(), codes.data());
        for (size_t i = 0; i < padded; ++i) {
            int expected = 128;
            if (i < n && absmax > 0 && (skip.empty() || skip[i] == 0))
                expected += static_cast<int>(std::nearbyint(through_f16_saturating(values[i]) * (127.0f / absmax)));
            ASSERT_EQ(codes[i], expected) << "element " << i << " of " << n << ": " << values[i] << ", absmax " << absmax;
        }
    }
};
NQ_FOR_EVERY_IMPLEMENTATION(ActivationsKernel);

TEST_P(ActivationsKernel, CodesAreTheRoundedQuotientsOfF16ForEveryLength) {
    for (const float scale : {1e-7f, 1e-3f, 1.0f, 300.0f, 1e5f}) {
        for (size_t n = 1; n < 200; ++n) check(normal_values(n, static_cast<uint32_t>(n), scale), {});
        check(normal_values(4096, 3, scale), {});
    }
}

TEST_P(ActivationsKernel, SkippedColumnsAreZeroWhateverTheyHold) {
    for (const size_t n : {1, 63, 64, 65, 300}) {
        std::vector<float> values = normal_values(n, 5);
        std::vector<uint8_t> skip(n);
        const float bad[] = {NAN, INFINITY, -INFINITY, 1e30f, -70.0f};
        for (size_t i = 0; i < n; i += 3) {
            values[i] = bad[i / 3 % 5];
            skip[i] = 1;
        }
        check(values, skip);
        check(std::vector<float>(n, 2.0f), std::vector<uint8_t>(n, 1));
    }
}

TEST_P(ActivationsKernel, TiesGoToEven) {
    check({0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f, 127.0f}, {});
    check(std::vector<float>(70, 0.0f), {});
}

TEST_P(ActivationsKernel, ARowWithoutUsableAbsmaxIsZero) {
    const std::vector<float> x = normal_values(70, 6);
    for (const float absmax : {0.0f, std::numeric_limits<float>::quiet_NaN()}) {
        std::vector<uint8_t> codes(128, 1);
        kernel().quantize_activations(x.data(), x.size(), absmax, nullptr, codes.data());
        EXPECT_EQ(codes, std::vector<uint8_t>(128, 128));
    }
}

TEST(Activations, TheMovedThresholdIsTheLeastThatRoundsToIt) {
    std::vector<float> thresholds = {1e-12f, 6.0f, 2049.0f, 65503.0f, 65504.0f, 65505.0f, 65520.0f, 1e30f, INFINITY};
    for (uint32_t half = 1; half < 0x7c00; half += 7) thresholds.push_back(formats::f32_from_f16(static_cast<uint16_t>(half)));
    for (const float v : normal_values(2000, 7, 10.0f))
        if (v > 0) thresholds.push_back(v);
    for (const float threshold : thresholds) {
        const float least = formats::least_rounding_to(threshold), below = std::nextafter(least, 0.0f);
        EXPECT_LT(through_f16_saturating(below), threshold) << threshold;
        EXPECT_GE(through_f16_saturating(least), threshold) << threshold;
    }
}

TEST(Activations, SaturatesFiniteNumbersOnly) {
    for (const float x : {65504.0f, 65519.0f, 65520.0f, 1e30f, INFINITY, 1.0f, 1e-8f, 0.0f}) {
        for (const float sign : {1.0f, -1.0f})
            EXPECT_EQ(bits(formats::f32_from_f16(formats::f16_from_f32_saturating(sign * x))), bits(through_f16_saturating(sign * x))) << x;
    }
    EXPECT_TRUE(std::isnan(formats::f32_from_f16(formats::f16_from_f32_saturating(NAN))));
}

}  // namespace
}  // namespace nq::cpu::testing
