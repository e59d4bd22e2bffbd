// Norm, rotary embedding, activation and softmax of one row, against f64.
#include "kernel_testing.h"

namespace nq::cpu::testing {
namespace {

class TransformerKernel : public KernelTest {};
NQ_FOR_EVERY_IMPLEMENTATION(TransformerKernel);

constexpr size_t lengths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 200, 1000};
const float nan_value = std::numeric_limits<float>::quiet_NaN();

// Distance of a from the f64 value b, in units in the last place of b as f32.
double ulps(float a, double b) {
    const float nearest = static_cast<float>(b);
    const double unit = std::fabs(static_cast<double>(std::nextafter(nearest, INFINITY)) - nearest);
    return std::fabs(a - b) / unit;
}

TEST_P(TransformerKernel, RmsNormMatchesF64) {
    for (const size_t n : lengths) {
        for (const float size : {1.0f, 1e-20f, 1e18f}) {
            const guarded<float> x(normal_values(n, 1, size)), weight(normal_values(n, 2)), y(n);
            double sum = 0;
            for (size_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
            const double scale = 1 / std::sqrt(sum / static_cast<double>(n) + 1e-5f);
            kernel().rmsnorm_row(x.data(), weight.data(), 1e-5f, y.data(), n);
            for (size_t i = 0; i < n; ++i) {
                const double expected = x[i] * scale * weight[i];
                ASSERT_NEAR(y[i], expected, 2e-7 * std::fabs(expected) + 1e-44) << n;
            }
            kernel().rmsnorm_row(x.data(), weight.data(), 1e-5f, x.data(), n);
            EXPECT_TRUE(same_values(x.data(), y.data(), n)) << "in place";
        }
    }
    const std::vector<float> zeros(20, 0.0f), ones(20, 1.0f);
    std::vector<float> y(20);
    kernel().rmsnorm_row(zeros.data(), ones.data(), 1e-6f, y.data(), 20);
    EXPECT_EQ(y, zeros);
}

TEST_P(TransformerKernel, RotaryTurnsPairs) {
    for (const size_t half : lengths) {
        std::vector<float> c(half), s(half);
        for (size_t i = 0; i < half; ++i) {
            c[i] = std::cos(0.3f * static_cast<float>(i));
            s[i] = std::sin(0.3f * static_cast<float>(i));
        }
        const guarded<float> x(normal_values(2 * half, 3)), cosine(c), sine(s);
        const std::vector<float> before = x.values();
        kernel().rotary_head(x.data(), cosine.data(), sine.data(), half);
        for (size_t i = 0; i < half; ++i) {
            const double a = before[i], b = before[i + half];
            ASSERT_NEAR(x[i], a * c[i] - b * s[i], 3e-7 * (std::fabs(a) + std::fabs(b)));
            ASSERT_NEAR(x[i + half], b * c[i] + a * s[i], 3e-7 * (std::fabs(a) + std::fabs(b)));
        }
    }
}

TEST_P(TransformerKernel, GatedSiluMatchesF64) {
    for (const size_t n : lengths) {
        const guarded<float> gate(normal_values(n, 4, 10.0f)), up(normal_values(n, 5)), y(n);
        kernel().gated_silu(gate.data(), up.data(), y.data(), n);
        for (size_t i = 0; i < n; ++i) {
            const double g = gate[i], expected = g / (1 + std::exp(-g)) * up[i];
            ASSERT_NEAR(y[i], expected, 5e-7 * std::fabs(expected) + 1e-37) << g;
        }
        kernel().gated_silu(gate.data(), up.data(), gate.data(), n);
        EXPECT_TRUE(same_values(gate.data(), y.data(), n)) << "in place";
    }
    const std::vector<float> gate = {0.0f, -0.0f, 100.0f, -100.0f, -1e30f, 1e30f, INFINITY, nan_value};
    const std::vector<float> up(gate.size(), 1.0f);
    std::vector<float> y(gate.size());
    kernel().gated_silu(gate.data(), up.data(), y.data(), gate.size());
    EXPECT_EQ(y[0], 0.0f);
    EXPECT_EQ(y[1], 0.0f);
    EXPECT_EQ(y[2], 100.0f);
    EXPECT_NEAR(y[3], 0.0f, 1e-38);
    EXPECT_EQ(y[4], 0.0f);
    EXPECT_EQ(y[5], 1e30f);
    EXPECT_EQ(y[6], INFINITY);
    EXPECT_TRUE(std::isnan(y[7]));
}

TEST_P(TransformerKernel, AddsElementwise) {
    for (const size_t n : lengths) {
        const guarded<float> x(normal_values(n, 6)), y(normal_values(n, 7));
        const std::vector<float> before = y.values();
        kernel().add(x.data(), y.data(), n);
        for (size_t i = 0; i < n; ++i) ASSERT_EQ(bits(y[i]), bits(before[i] + x[i]));
    }
}

TEST_P(TransformerKernel, ExpIsWithinTwoUlps) {
    std::vector<float> values;
    for (float x = 0.0f; x > -87.0f; x -= 0.0037f) values.push_back(x);
    for (float x = 0.0f; x < 88.7f; x += 0.0041f) values.push_back(x);
    for (float x = 1e-7f; x > 1e-40f; x /= 7) values.insert(values.end(), {x, -x});
    std::vector<float> y(values.size());
    kernel().exp_sum(values.data(), 0.0f, y.data(), values.size());
    for (size_t i = 0; i < values.size(); ++i) ASSERT_LE(ulps(y[i], std::exp(static_cast<double>(values[i]))), 2.0) << values[i];
}

TEST_P(TransformerKernel, ExpKeepsItsLimits) {
    const std::vector<float> x = {-INFINITY, -1000.0f, -104.0f, -103.0f, -90.0f, 0.0f, 89.0f, 1000.0f, INFINITY, nan_value};
    std::vector<float> y(x.size());
    EXPECT_TRUE(std::isnan(kernel().exp_sum(x.data(), 0.0f, y.data(), x.size())));
    EXPECT_EQ(y[0], 0.0f);
    EXPECT_EQ(y[1], 0.0f);
    EXPECT_EQ(y[2], 0.0f);
    EXPECT_NEAR(y[3], std::exp(-103.0), 1.5e-45);
    EXPECT_NEAR(y[4], std::exp(-90.0), 3e-45);
    EXPECT_EQ(y[5], 1.0f);
    EXPECT_EQ(y[6], INFINITY);
    EXPECT_EQ(y[7], INFINITY);
    EXPECT_EQ(y[8], INFINITY);
    EXPECT_TRUE(std::isnan(y[9]));
}

TEST_P(TransformerKernel, ExpSumShiftsAndSums) {
    for (const size_t n : lengths) {
        const guarded<float> x(normal_values(n, 8, 5.0f)), y(n);
        const float most = kernel().largest(x.data(), n);
        const float sum = kernel().exp_sum(x.data(), most, y.data(), n);
        double expected = 0;
        for (size_t i = 0; i < n; ++i) {
            const double e = std::exp(static_cast<double>(x[i] - most));
            ASSERT_NEAR(y[i], e, 3e-7 * e);
            expected += e;
        }
        EXPECT_NEAR(sum, expected, 3e-7 * expected);
        kernel().exp_sum(x.data(), most, x.data(), n);
        EXPECT_TRUE(same_values(x.data(), y.data(), n)) << "in place";
    }
}

TEST_P(TransformerKernel, LargestSeesEveryElementAndNan) {
    for (const size_t n : lengths) {
        for (size_t i = 0; i < n; i += n < 40 ? 1 : 37) {
            std::vector<float> values = normal_values(n, 9);
            for (float& v : values) v = -std::fabs(v) - 1.0f;
            values[i] = -0.5f;
            EXPECT_EQ(kernel().largest(guarded<float>(values).data(), n), -0.5f);
            values[i] = nan_value;
            EXPECT_TRUE(std::isnan(kernel().largest(guarded<float>(values).data(), n)));
        }
    }
    const std::vector<float> none(9, -INFINITY);
    EXPECT_EQ(kernel().largest(none.data(), none.size()), -INFINITY);
}

TEST_P(TransformerKernel, LogSumExpMatchesF64) {
    for (const size_t n : lengths) {
        for (const float shift : {0.0f, 500.0f, -3000.0f}) {
            std::vector<float> values = normal_values(n, 10, 6.0f);
            for (float& v : values) v += shift;
            if (n > 3) values[2] = -INFINITY;
            const guarded<float> x(values);
            double most = -INFINITY, sum = 0;
            for (const float v : values) most = std::fmax(most, v);
            for (const float v : values) sum += std::exp(v - most);
            EXPECT_NEAR(kernel().log_sum_exp(x.data(), n), most + std::log(sum), 1e-12 * (1 + std::fabs(most))) << n;
        }
    }
    const std::vector<float> none(9, -INFINITY), with_nan = {1.0f, nan_value}, with_infinity = {1.0f, INFINITY};
    EXPECT_EQ(kernel().log_sum_exp(none.data(), none.size()), -INFINITY);
    EXPECT_TRUE(std::isnan(kernel().log_sum_exp(with_nan.data(), 2)));
    EXPECT_EQ(kernel().log_sum_exp(with_infinity.data(), 2), INFINITY);
}

}  // namespace
}  // namespace nq::cpu::testing
