// The 4-bit product by tables of activations against f64 on the dequantized weights, where an implementation has it: the bound of the exact
// tier, and what the tables must not blur.
#include "random_4bit.h"

namespace nq::cpu::testing {
namespace {

struct tabulated {
    tabulated(const kernels& kernel, const packed_4bit& w, const std::vector<float>& values, size_t share = 1000)
        : x(values),
          digits(values.size() * 64, 32),
          units(values.size() / table_block_columns(w.panels.blocksize)),
          view{digits.data(), units.data(), x.data(), table_block_columns(w.panels.blocksize)} {
        for (size_t begin = 0; begin < units.size(); begin += share)
            kernel.tabulate4bit(w.panels.codebook, x.data(), view.block, begin, std::min(begin + share, units.size()), digits.data(),
                                units.data());
    }

    guarded<float> x;
    guarded<uint8_t> digits;
    guarded<float> units;
    tables4bit view;
};

class Linear4BitTablesKernel : public KernelTest {
protected:
    std::vector<float> product(const packed_4bit& w, const std::vector<float>& values, const std::vector<float>& bias = {}) const {
        const size_t n = w.panels.rows;
        const tabulated x(kernel(), w, values);
        const guarded<float> y(n), b(bias);
        kernel().linear4bit_tables(w.panels, x.view, bias.empty() ? nullptr : b.data(), y.data(), 0, panel_count(n));
        return y.values();
    }

    void check(const packed_4bit& w, const std::vector<float>& values, const std::vector<float>& bias = {}) const {
        const size_t n = w.panels.rows, k = w.panels.columns;
        expect_close(product(w, values, bias).data(), n, multiply(values.data(), 1, k, w.weights, n, k, bias), 1, n, k,
                     1e-6 * std::fmax(1.0, std::sqrt(static_cast<double>(k) / 4096)));
    }
};

std::vector<std::string> names_with_tables() {
    std::vector<std::string> names;
    for (const std::string& name : runnable_names())
        if (implementation(name).tabulate4bit != nullptr) names.push_back(name);
    return names;
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Linear4BitTablesKernel);
INSTANTIATE_TEST_SUITE_P(Machine, Linear4BitTablesKernel, ::testing::ValuesIn(names_with_tables()),
                         [](const auto& test) { return test.param; });

TEST_P(Linear4BitTablesKernel, MatchesF64ForEveryShape) {
    for (const nq_quant_type type : {NQ_QUANT_TYPE_NF4, NQ_QUANT_TYPE_FP4}) {
        for (const shape s : {shape{1, 32, 32},
                              {15, 64, 64},
                              {16, 96, 32},
                              {17, 160, 32},
                              {31, 192, 64},
                              {33, 128, 128},
                              {129, 384, 128},
                              {257, 512, 256},
                              {64, 4096, 4096},
                              {1000, 4096, 64},
                              {50, 11008, 64},
                              {50, 11008, 256}}) {
            const std::vector<float> x = normal_values(s.k, 3);
            check(plain_matrix(s, type, 1), x);
            check(nested_matrix(s, type, 256, 2), x, normal_values(s.n, 4));
            check(nested_matrix(s, type, 7, 2), x);
        }
    }
}

TEST_P(Linear4BitTablesKernel, LooksUpEveryCodeInEveryPlace) {
    // One column is not zero: y is x times that column's weight, rounded once by its block's scale and once by the product.
    const shape s = {32, 128, 64};
    for (const nq_quant_type type : {NQ_QUANT_TYPE_NF4, NQ_QUANT_TYPE_FP4}) {
        std::vector<uint8_t> codes(s.n * s.k);
        for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>((i / s.k + i % s.k) & 15);
        const packed_4bit w(codes, s.n, s.k, s.blocksize, type, std::vector<float>(s.n * s.k / s.blocksize, 1.0f));
        for (size_t k = 0; k < s.k; ++k) {
            // Two values as large as each other have tables; one alone has none.
            for (const bool tables : {false, true}) {
                std::vector<float> x(s.k);
                x[k] = 3.0f;
                if (tables) x[k ^ 1] = 3.0f;
                EXPECT_EQ(tabulated(kernel(), w, x).units[k / 64] < 0, !tables);
                const std::vector<float> y = product(w, x);
                for (size_t row = 0; row < s.n; ++row) {
                    const double second = tables ? w.weights[row * s.k + (k ^ 1)] : 0.0;
                    ASSERT_NEAR(y[row], 3.0 * (w.weights[row * s.k + k] + second), 1e-6) << "column " << k << " row " << row;
                }
            }
        }
    }
}

TEST_P(Linear4BitTablesKernel, SumsOfTheLargestProductsDoNotOverflow) {
    for (const uint32_t blocksize : {32u, 64u, 1024u}) {
        const shape s = {16, 1024, blocksize};
        for (const uint8_t code : {uint8_t{0}, uint8_t{7}, uint8_t{15}}) {
            const packed_4bit w(std::vector<uint8_t>(s.n * s.k, code), s.n, s.k, s.blocksize, NQ_QUANT_TYPE_NF4,
                                std::vector<float>(s.n * s.k / s.blocksize, 1.0f));
            for (const float value : {1.0f, -0.7f, 1e25f, -1e-25f}) check(w, std::vector<float>(s.k, value));
        }
    }
}

TEST_P(Linear4BitTablesKernel, MatchesF64ForHardActivations) {
    const shape s = {513, 256, 64};
    const packed_4bit w = plain_matrix(s, NQ_QUANT_TYPE_NF4, 18);
    std::vector<float> outlier = normal_values(s.k, 19), pair = outlier, alternating(s.k), tiny(s.k), ramp(s.k), sparse(s.k);
    outlier[3] = 1e4f;
    pair[70] = 31.0f, pair[71] = -29.0f;
    for (size_t i = 0; i < s.k; ++i) {
        alternating[i] = i % 2 == 0 ? 1.0f : -1.0f;
        tiny[i] = 1e-39f * static_cast<float>(i % 9);
        ramp[i] = std::ldexp(1.0f, static_cast<int>(i % 60) - 30);
        sparse[i] = i % 21 == 0 ? static_cast<float>(i) : 0.0f;
    }
    for (const std::vector<float>& x : {outlier, pair, alternating, tiny, ramp, sparse}) check(w, x);
    for (const float v : product(w, std::vector<float>(s.k, -0.0f))) EXPECT_EQ(v, 0.0f);
}

TEST_P(Linear4BitTablesKernel, NanAndInfinityReachEveryRow) {
    const shape s = {40, 192, 64};
    const packed_4bit w = plain_matrix(s, NQ_QUANT_TYPE_NF4, 25);
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY, -INFINITY}) {
        for (const size_t k : {0, 77, 191}) {
            std::vector<float> x = normal_values(s.k, 26);
            x[k] = bad;
            for (const float y : product(w, x)) EXPECT_FALSE(std::isfinite(y));
        }
    }
}

TEST_P(Linear4BitTablesKernel, GivesTheSameBitsForAnyShares) {
    const shape s = {500, 320, 64};
    const size_t panels = panel_count(s.n);
    const packed_4bit w = nested_matrix(s, NQ_QUANT_TYPE_NF4, 256, 23);
    std::vector<float> values = normal_values(s.k, 24);
    values[70] = 1e5f;
    const std::vector<float> whole = product(w, values);
    for (const size_t share : {1, 2, 3, 7, 9}) {
        const tabulated x(kernel(), w, values, share);
        std::vector<float> y(s.n);
        for (size_t begin = 0; begin < panels; begin += share)
            kernel().linear4bit_tables(w.panels, x.view, nullptr, y.data(), begin, std::min(begin + share, panels));
        EXPECT_TRUE(same_values(y.data(), whole.data(), s.n)) << share << " panels a share";
    }
}

}  // namespace
}  // namespace nq::cpu::testing
