// 8-bit linear layers: the integer product is exact, so with unit scales results are integers; the epilogue and the outlier columns are
// checked against f64.
#include "panel_packing.h"

namespace nq::cpu::testing {
namespace {

std::vector<int8_t> random_int8(size_t n, uint32_t seed) {
    std::mt19937 generator(seed);
    std::vector<int8_t> codes(n);
    for (int8_t& c : codes) c = static_cast<int8_t>(generator() & 255);  // -128 included
    return codes;
}

struct quantized_rows {
    quantized_rows(const std::vector<int8_t>& row_major, const std::vector<float>& absmax, const std::vector<float>& x,
                   const std::vector<uint32_t>& outlier_columns, size_t m, size_t k)
        : codes((m - 1) * (padded(k) + 64) + padded(k)),
          row_absmax(absmax),
          outliers(outlier_columns),
          outlier_values(m * outlier_columns.size()),
          view{codes.data(), padded(k) + 64, row_absmax.data(), outliers.data(), outlier_values.data(), outliers.size(), m} {
        std::memset(codes.data(), 128, codes.size());
        for (size_t row = 0; row < m; ++row) {
            for (size_t i = 0; i < k; ++i) codes[row * view.stride + i] = static_cast<uint8_t>(row_major[row * k + i] + 128);
            for (size_t i = 0; i < outliers.size(); ++i) outlier_values[row * outliers.size() + i] = x[row * k + outliers[i]];
        }
    }

    guarded<uint8_t> codes;
    guarded<float> row_absmax;
    guarded<uint32_t> outliers;
    guarded<float> outlier_values;
    activations8bit view;
};

class Linear8BitKernel : public KernelTest {
protected:
    std::vector<float> product(const packed_8bit& w, const quantized_rows& x, const std::vector<float>& bias) const {
        const size_t n = w.panels.rows, m = x.view.rows, y_stride = n + 3;
        const guarded<float> y((m - 1) * y_stride + n), b(bias);
        for (size_t i = 0; i < y.size(); ++i) y[i] = canary;
        kernel().linear8bit(w.panels, x.view, bias.empty() ? nullptr : b.data(), y.data(), y_stride, 0, panel_count(n));
        std::vector<float> result;
        for (size_t i = 0; i < y.size(); ++i) {
            if (i % y_stride < n)
                result.push_back(y[i]);
            else
                EXPECT_EQ(y[i], canary);
        }
        return result;
    }

    void check(size_t m, size_t n, size_t k, size_t outlier_count, bool with_bias) const {
        std::vector<uint32_t> outliers;
        for (size_t i = 0; i < outlier_count; ++i) outliers.push_back(static_cast<uint32_t>(i * k / outlier_count));
        check(m, n, k, outliers, with_bias);
    }

    void check(size_t m, size_t n, size_t k, const std::vector<uint32_t>& outliers, bool with_bias) const {
        const std::vector<int8_t> w_codes = random_int8(n * k, 1), x_codes = random_int8(m * k, 2);
        std::vector<float> w_absmax = normal_values(n, 3), x_absmax = normal_values(m, 4);
        for (float& a : w_absmax) a = std::fabs(a);
        for (float& a : x_absmax) a = std::fabs(a);
        const std::vector<float> bias = with_bias ? normal_values(n, 5) : std::vector<float>();
        const packed_8bit w(w_codes, w_absmax, n, k);
        const std::vector<float> x_values = normal_values(m * k, 6, 8.0f);
        const quantized_rows x(x_codes, x_absmax, x_values, outliers, m, k);
        const std::vector<float> y = product(w, x, bias);
        for (size_t row = 0; row < m; ++row) {
            for (size_t column = 0; column < n; ++column) {
                int64_t sum = 0;
                for (size_t i = 0; i < k; ++i) sum += x_codes[row * k + i] * w_codes[column * k + i];
                const double main_part = static_cast<double>(sum) * x_absmax[row] * w_absmax[column] / (127.0 * 127.0);
                double expected = main_part, magnitude = std::fabs(main_part);
                for (const uint32_t i : outliers) {
                    const double part = static_cast<double>(x_values[row * k + i]) * w_codes[column * k + i] * w_absmax[column] / 127.0;
                    expected += part;
                    magnitude += std::fabs(part);
                }
                if (with_bias) {
                    expected += bias[column];
                    magnitude += std::fabs(bias[column]);
                }
                ASSERT_NEAR(y[row * n + column], expected, 1e-6 * magnitude)
                    << m << " x " << n << ", K " << k << ", row " << row << " column " << column;
            }
        }
    }
};
NQ_FOR_EVERY_IMPLEMENTATION(Linear8BitKernel);

TEST_P(Linear8BitKernel, MatchesTheDefinitionForEveryNumberOfRows) {
    for (const size_t m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 31, 32, 33, 64, 127})
        check(m, 65, 150, m % 3 == 0 ? 0 : m % 5 + 1, m % 2 == 0);
}

TEST_P(Linear8BitKernel, MatchesTheDefinitionForEveryPanelTail) {
    for (const size_t n : {1, 15, 16, 17, 31, 33, 64, 1000})
        for (const size_t m : {1, 2, 9}) check(m, n, 70, 3, true);
}

TEST_P(Linear8BitKernel, MatchesTheDefinitionForEveryInnerLength) {
    for (const size_t k : {1, 2, 3, 4, 63, 64, 65, 127, 128, 192, 1023, 1024, 1025, 4096, 11008})
        for (const size_t m : {1, 2, 5}) check(m, 17, k, k > 64 ? 40 : 0, false);
}

TEST_P(Linear8BitKernel, AddsAnyNumberOfOutlierColumns) {
    for (const size_t m : {1, 2, 8, 9, 19})
        for (const size_t count : {1, 63, 64, 65, 150, 300}) check(m, 35, 300, count, true);
    // Long rows: outliers lie in every part of them, or in one only.
    for (const size_t m : {1, 3, 20}) {
        check(m, 18, 6000, 97, true);
        for (const size_t only : {0, 1, 2047, 2048, 4100, 5999})
            check(m, 18, 6000, std::vector<uint32_t>{static_cast<uint32_t>(only)}, false);
    }
}

TEST_P(Linear8BitKernel, MatchesTheDefinitionForBlocksOfRows) {
    for (const size_t m : {128, 129, 200, 257}) check(m, 33, 100, m % 2, true);
    check(70, 20, 20000, 3, false);
}

TEST_P(Linear8BitKernel, MatchesTheDefinitionForManyPanels) {
    for (const size_t n : {176, 192, 193, 208, 256, 272, 300, 497})
        for (const size_t m : {1, 2, 7, 10}) check(m, n, 130, 2, true);
}

TEST_P(Linear8BitKernel, MatchesTheDefinitionForManyRowsAndColumns) {
    for (const size_t m : {4, 16, 33, 100})
        for (const size_t n : {16, 33, 100})
            for (const size_t k : {512, 513, 1200}) check(m, n, k, m % 3 * 50, true);
    check(1100, 20, 600, 3, false);
}

TEST_P(Linear8BitKernel, IntegerProductIsExactAtTheExtremes) {
    // Scales of 127 make the epilogue the identity: y is the integer itself, here beyond what 16 or 24 bits hold.
    for (const size_t k : {64, 4096, 130000}) {
        for (const int a : {-128, 127}) {
            for (const int b : {-128, -127, 127}) {
                for (const size_t m : {1, 3}) {
                    const packed_8bit w(std::vector<int8_t>(17 * k, static_cast<int8_t>(a)), std::vector<float>(17, 127.0f), 17, k);
                    const quantized_rows x(std::vector<int8_t>(m * k, static_cast<int8_t>(b)), std::vector<float>(m, 127.0f),
                                           std::vector<float>(m * k), {}, m, k);
                    const float expected = static_cast<float>(static_cast<int64_t>(k) * a * b);
                    for (const float y : product(w, x, {}))
                        ASSERT_NEAR(y, expected, std::fabs(expected) * 3e-7f) << k << ": " << a << " * " << b;
                }
            }
        }
    }
}

TEST_P(Linear8BitKernel, GivesTheSameBitsForAnySharesOfPanels) {
    constexpr size_t n = 310, k = 300, panels = (n + 15) / 16;
    const packed_8bit w(random_int8(n * k, 7), std::vector<float>(n, 1.5f), n, k);
    for (const size_t m : {1, 2, 8, 21, 150}) {
        const quantized_rows x(random_int8(m * k, 8), std::vector<float>(m, 0.7f), normal_values(m * k, 9), {0, 17, 299}, m, k);
        const std::vector<float> whole = product(w, x, {});
        for (const size_t share : {1, 2, 3, 4, 7, 13}) {
            std::vector<float> y(m * n);
            for (size_t begin = 0; begin < panels; begin += share)
                kernel().linear8bit(w.panels, x.view, nullptr, y.data(), n, begin, std::min(begin + share, panels));
            EXPECT_TRUE(same_values(y.data(), whole.data(), y.size())) << share << " panels a share, " << m << " rows";
        }
    }
}

TEST_P(Linear8BitKernel, KeepsNanAndInfinityInTheirRow) {
    constexpr size_t n = 40, k = 128, m = 5;
    const float nan_value = std::numeric_limits<float>::quiet_NaN();
    const packed_8bit w(random_int8(n * k, 10), std::vector<float>(n, 1.0f), n, k);
    const std::vector<int8_t> codes = random_int8(m * k, 11);
    std::vector<float> absmax(m, 1.0f), values = normal_values(m * k, 12);
    const std::vector<float> clean = product(w, quantized_rows(codes, absmax, values, {5}, m, k), {});
    // A row without usable statistics, and a NaN in an outlier column.
    absmax[1] = nan_value;
    values[3 * k + 5] = nan_value;
    const std::vector<float> y = product(w, quantized_rows(codes, absmax, values, {5}, m, k), {});
    for (size_t i = 0; i < y.size(); ++i) {
        if (i / n == 1 || i / n == 3)
            EXPECT_TRUE(std::isnan(y[i]));
        else
            EXPECT_EQ(bits(y[i]), bits(clean[i]));
    }
}

}  // namespace
}  // namespace nq::cpu::testing
