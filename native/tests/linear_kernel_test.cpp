// Dense linear layers against f64, for every weight type.
#include "panel_packing.h"

namespace nq::cpu::testing {
namespace {

class LinearKernel : public KernelTest {
protected:
    // The product of m rows over all panels; x ends at a guard page, y's gaps between rows must stay as they are.
    std::vector<float> product(const packed_dense& w, const guarded<float>& x, size_t m, size_t x_stride,
                               const std::vector<float>& bias) const {
        const size_t n = w.panels.rows, y_stride = n + 3;
        const guarded<float> y((m - 1) * y_stride + n), b(bias);
        for (size_t i = 0; i < y.size(); ++i) y[i] = canary;
        run_linear(kernel(), w.panels, x.data(), m, x_stride, bias.empty() ? nullptr : b.data(), y.data(), y_stride, 0, panel_count(n));
        std::vector<float> result;
        for (size_t i = 0; i < y.size(); ++i) {
            if (i % y_stride < n)
                result.push_back(y[i]);
            else
                EXPECT_EQ(y[i], canary);
        }
        return result;
    }

    void check(size_t m, size_t n, size_t k, nq_dtype dtype, bool with_bias) const {
        const packed_dense w(normal_values(n * k, 1, 0.5f), n, k, dtype);
        const size_t x_stride = k + 5;
        const guarded<float> x(normal_values((m - 1) * x_stride + k, 2));
        const std::vector<float> bias = with_bias ? normal_values(n, 3) : std::vector<float>();
        const std::vector<float> y = product(w, x, m, x_stride, bias);
        expect_close(y.data(), n, multiply(x.data(), m, x_stride, w.weights, n, k, bias), m, n, k,
                     1e-6 * std::fmax(1.0, std::sqrt(static_cast<double>(k) / 4096)));
    }
};
NQ_FOR_EVERY_IMPLEMENTATION(LinearKernel);

TEST_P(LinearKernel, MatchesF64ForEveryNumberOfRows) {
    for (const nq_dtype dtype : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16})
        for (const size_t m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 31, 32, 33, 64, 65, 127})
            check(m, 65, 200, dtype, m % 2 == 0);
}

TEST_P(LinearKernel, MatchesF64ForEveryPanelTail) {
    for (const nq_dtype dtype : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16})
        for (const size_t m : {1, 4, 40})
            for (const size_t n : {1, 15, 16, 17, 31, 33, 64, 1000}) check(m, n, 72, dtype, n % 2 == 1);
}

TEST_P(LinearKernel, MatchesF64ForEveryInnerLength) {
    for (const nq_dtype dtype : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16})
        for (const size_t m : {1, 3, 35})
            for (const size_t k : {1, 2, 7, 8, 63, 64, 65, 127, 128, 129, 192, 256, 4096, 4100, 11008})
                if (m * k < 200000) check(m, 17, k, dtype, true);
}

TEST_P(LinearKernel, GivesTheSameBitsForAnySharesOfPanels) {
    constexpr size_t n = 582, k = 300, panels = (n + 15) / 16;
    for (const nq_dtype dtype : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
        const packed_dense w(normal_values(n * k, 4), n, k, dtype);
        for (const size_t m : {1, 2, 8, 40}) {
            const guarded<float> x(normal_values(m * k, 5));
            const std::vector<float> whole = product(w, x, m, k, {});
            for (const size_t share : {1, 2, 3, 4, 7, 20}) {
                std::vector<float> y(m * n);
                for (size_t begin = 0; begin < panels; begin += share)
                    run_linear(kernel(), w.panels, x.data(), m, k, nullptr, y.data(), n, begin, std::min(begin + share, panels));
                EXPECT_TRUE(same_values(y.data(), whole.data(), y.size())) << share << " panels a share, " << m << " rows";
            }
        }
    }
}

TEST_P(LinearKernel, KeepsNanAndInfinityInTheirRow) {
    constexpr size_t n = 40, k = 130;
    const packed_dense w(normal_values(n * k, 6), n, k, NQ_DTYPE_F32);
    for (const size_t m : {2, 3, 9, 50}) {
        std::vector<float> values = normal_values(m * k, 7);
        const std::vector<float> clean = product(w, guarded<float>(values), m, k, {});
        for (const float bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY}) {
            values[k + 129] = bad;
            const std::vector<float> y = product(w, guarded<float>(values), m, k, {});
            for (size_t i = 0; i < m * n; ++i) {
                if (i / n == 1)
                    EXPECT_FALSE(std::isfinite(y[i]));
                else
                    EXPECT_EQ(bits(y[i]), bits(clean[i]));
            }
        }
    }
}

TEST_P(LinearKernel, GivesZeroForZeros) {
    for (const size_t m : {1, 5, 40}) {
        const packed_dense w(std::vector<float>(33 * 96, 0.0f), 33, 96, NQ_DTYPE_BF16);
        const guarded<float> x(normal_values(m * 96, 8));
        for (const float v : product(w, x, m, 96, {})) EXPECT_EQ(v, 0.0f);
    }
}

TEST_P(LinearKernel, DotProductMatchesF64) {
    for (const size_t n : {0, 1, 7, 8, 15, 16, 17, 63, 64, 65, 128, 1000, 4096}) {
        const guarded<float> x(normal_values(n, 9)), y(normal_values(n, 10));
        double sum = 0, magnitude = 0;
        for (size_t i = 0; i < n; ++i) {
            sum += static_cast<double>(x[i]) * y[i];
            magnitude += std::fabs(static_cast<double>(x[i]) * y[i]);
        }
        EXPECT_NEAR(kernel().dot(x.data(), y.data(), n), sum, 1e-6 * magnitude + 1e-30) << n;
    }
}

TEST_P(LinearKernel, Int8DotProductIsExact) {
    for (const size_t n : {0, 1, 15, 16, 17, 31, 32, 33, 1000, 130000}) {
        std::vector<int8_t> a(n), b(n);
        int64_t sum = 0;
        for (size_t i = 0; i < n; ++i) {
            a[i] = static_cast<int8_t>(i % 3 == 0 ? -128 : static_cast<int>(i * 7 % 255) - 127);
            b[i] = static_cast<int8_t>(i % 3 == 0 ? -128 : static_cast<int>(i * 13 % 255) - 127);
            sum += a[i] * b[i];
        }
        const guarded<int8_t> ga(a), gb(b);
        EXPECT_EQ(kernel().dot_int8(ga.data(), gb.data(), n), sum) << n;
    }
}

}  // namespace
}  // namespace nq::cpu::testing
