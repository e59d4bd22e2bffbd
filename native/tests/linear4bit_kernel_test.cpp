// 4-bit linear layers against f64 on the dequantized weights: both codebooks, plain and nested absmax, every compute type.
#include "random_4bit.h"

namespace nq::cpu::testing {
namespace {

class Linear4BitKernel : public KernelTest {
protected:
    std::vector<float> product(const packed_4bit& w, const guarded<float>& x, size_t m, const std::vector<float>& bias,
                               nq_dtype compute_dtype = NQ_DTYPE_F32) const {
        const size_t n = w.panels.rows, x_stride = x.size() / m, y_stride = n + 2;
        const guarded<float> y((m - 1) * y_stride + n), b(bias);
        for (size_t i = 0; i < y.size(); ++i) y[i] = canary;
        run_linear4bit(kernel(), w.panels, x.data(), m, x_stride, bias.empty() ? nullptr : b.data(), compute_dtype, y.data(), y_stride, 0,
                       panel_count(n));
        std::vector<float> result;
        for (size_t i = 0; i < y.size(); ++i) {
            if (i % y_stride < n)
                result.push_back(y[i]);
            else
                EXPECT_EQ(y[i], canary);
        }
        return result;
    }

    void check(const packed_4bit& w, const std::vector<float>& values, size_t m, bool with_bias,
               nq_dtype compute_dtype = NQ_DTYPE_F32) const {
        const size_t n = w.panels.rows, k = w.panels.columns;
        const guarded<float> x(values);
        const std::vector<float> bias = with_bias ? normal_values(n, 11) : std::vector<float>();
        std::vector<float> weights = w.weights;
        for (float& v : weights) v = through(compute_dtype, v);
        expect_close(product(w, x, m, bias, compute_dtype).data(), n, multiply(x.data(), m, k, weights, n, k, bias), m, n, k,
                     1e-6 * std::fmax(1.0, std::sqrt(static_cast<double>(k) / 4096)));
    }
};
NQ_FOR_EVERY_IMPLEMENTATION(Linear4BitKernel);

TEST_P(Linear4BitKernel, MatchesF64ForEveryNumberOfRows) {
    for (const nq_quant_type type : {NQ_QUANT_TYPE_NF4, NQ_QUANT_TYPE_FP4}) {
        const shape s = {65, 192, 64};
        const packed_4bit plain = plain_matrix(s, type, 1), nested = nested_matrix(s, type, 256, 2);
        for (const size_t m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 31, 32, 33, 64, 65, 127}) {
            check(plain, normal_values(m * s.k, 3), m, m % 2 == 0);
            check(nested, normal_values(m * s.k, 4), m, m % 2 == 1);
        }
    }
}

TEST_P(Linear4BitKernel, MatchesF64ForEveryPanelTail) {
    for (const size_t n : {1, 15, 16, 17, 31, 33, 64, 1000}) {
        const shape s = {n, 128, 32};
        const packed_4bit plain = plain_matrix(s, NQ_QUANT_TYPE_NF4, 5), nested = nested_matrix(s, NQ_QUANT_TYPE_FP4, 256, 6);
        for (const size_t m : {1, 3, 40}) {
            check(plain, normal_values(m * s.k, 7), m, true);
            check(nested, normal_values(m * s.k, 8), m, false);
        }
    }
}

TEST_P(Linear4BitKernel, MatchesF64ForEveryBlocksizeAndInnerLength) {
    for (const shape s : {shape{17, 32, 32},
                          {17, 64, 64},
                          {17, 96, 32},
                          {17, 160, 32},
                          {17, 192, 64},
                          {17, 128, 128},
                          {17, 384, 128},
                          {33, 512, 256},
                          {33, 1536, 512},
                          {17, 2048, 1024},
                          {17, 2048, 2048},
                          {17, 4096, 4096},
                          {17, 4096, 64},
                          {17, 11008, 64},
                          {17, 11008, 256}}) {
        const packed_4bit plain = plain_matrix(s, NQ_QUANT_TYPE_NF4, 9), nested = nested_matrix(s, NQ_QUANT_TYPE_NF4, 256, 10);
        for (const size_t m : {1, 2, 7, 34}) {
            check(plain, normal_values(m * s.k, 12), m, true);
            check(nested, normal_values(m * s.k, 13), m, true);
        }
    }
}

TEST_P(Linear4BitKernel, FollowsNestedBlocksAcrossRowsAndGroups) {
    // Nested blocks that begin anywhere within a row, of any size.
    for (const shape s : {shape{50, 352, 32}, {50, 11008, 64}, {20, 8192, 32}}) {
        for (const uint32_t nested_blocksize : {1u, 7u, 16u, 100u, 256u}) {
            const packed_4bit w = nested_matrix(s, NQ_QUANT_TYPE_NF4, nested_blocksize, 14);
            for (const size_t m : {1, 6}) check(w, normal_values(m * s.k, 15), m, false);
        }
    }
}

TEST_P(Linear4BitKernel, RoundsWeightsThroughTheComputeType) {
    const shape s = {49, 320, 64};
    const packed_4bit w = plain_matrix(s, NQ_QUANT_TYPE_NF4, 16);
    for (const nq_dtype compute_dtype : {NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
        for (const size_t m : {1, 3, 8, 40}) {
            std::vector<float> x = normal_values(m * s.k, 17);
            for (float& v : x) v = through(compute_dtype, v);
            check(w, x, m, true, compute_dtype);
        }
    }
}

TEST_P(Linear4BitKernel, MatchesF64InBf16ForEveryShape) {
    const auto rounded = [](std::vector<float> x) {
        for (float& v : x) v = through(NQ_DTYPE_BF16, v);
        return x;
    };
    for (const shape s :
         {shape{1, 32, 32}, {16, 64, 64}, {17, 96, 32}, {33, 256, 64}, {40, 288, 32}, {65, 512, 256}, {31, 1024, 1024}, {48, 832, 64}}) {
        const packed_4bit plain = plain_matrix(s, NQ_QUANT_TYPE_NF4, 30), nested = nested_matrix(s, NQ_QUANT_TYPE_FP4, 256, 31);
        for (const size_t m : {1, 3, 4, 5, 8, 15, 16, 17, 31, 32, 33, 49, 64, 127, 200}) {
            check(plain, rounded(normal_values(m * s.k, 32)), m, true, NQ_DTYPE_BF16);
            check(nested, rounded(normal_values(m * s.k, 33)), m, false, NQ_DTYPE_BF16);
        }
    }
    // More rows than one slice of x holds, and long sums.
    const packed_4bit wide = plain_matrix({20, 320, 64}, NQ_QUANT_TYPE_NF4, 34),
                      deep = nested_matrix({20, 11008, 64}, NQ_QUANT_TYPE_NF4, 256, 35);
    check(wide, rounded(normal_values(1100 * 320, 36)), 1100, true, NQ_DTYPE_BF16);
    for (const size_t m : {4, 35}) check(deep, rounded(normal_values(m * 11008, 37)), m, true, NQ_DTYPE_BF16);
}

TEST_P(Linear4BitKernel, RoundsWeightsToTheSameNumbers) {
    // Products with unit vectors, a few rows of them and many: the weights themselves, among them halves between two numbers of bf16 and of
    // f16, numbers just below and above a power of two, the largest and the smallest. A panel with the latter, and one without.
    const shape s = {32, 64, 64};
    std::vector<uint8_t> codes(s.n * s.k);
    for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>((i + i / 64) % 16);
    const std::vector<float> absmax = {1.0f,          1.00390625f,   1.01171875f, 1e-30f,        3.0e38f,     3.4028235e38f,  0.0f,
                                       1e30f,         0.3333f,       7.77e-7f,    2.0f,          1e-36f,      65504.f,        1.5f,
                                       1.9999f,       0x1.01p0f,     1.0f,        1.00390625f,   1.01171875f, 0x1.fffffep-1f, 0.0f,
                                       0x1.000002p0f, 0x1.002p0f,    0x1.006p0f,  0x1.ff7ffep0f, 0x1.ff8p0f,  2.0f,           0.03f,
                                       7.77f,         0x1.ffcffep1f, 0x1.ffffp0f, 0x1.01p0f};
    const packed_4bit w(codes, s.n, s.k, s.blocksize, NQ_QUANT_TYPE_NF4, absmax);
    std::vector<float> x(s.k * s.k, 0.0f);
    for (size_t i = 0; i < s.k; ++i) x[i * s.k + i] = 1.0f;
    for (const nq_dtype compute_dtype : {NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
        for (const size_t m : {1, 2, 4, 8, 64}) {
            for (size_t first = 0; first < s.k; first += m) {
                const std::vector<float> rows(x.begin() + static_cast<ptrdiff_t>(first * s.k),
                                              x.begin() + static_cast<ptrdiff_t>((first + m) * s.k));
                const std::vector<float> y = product(w, guarded<float>(rows), m, {}, compute_dtype);
                for (size_t row = 0; row < s.n; ++row) {
                    if (!std::isfinite(through(compute_dtype, absmax[row]))) continue;
                    for (size_t i = 0; i < m; ++i)
                        EXPECT_EQ(y[i * s.n + row], through(compute_dtype, w.weights[row * s.k + first + i])) << row << ' ' << first + i;
                }
            }
        }
    }
}

TEST_P(Linear4BitKernel, MatchesF64ForHardActivations) {
    const shape s = {33, 256, 64};
    const packed_4bit w = plain_matrix(s, NQ_QUANT_TYPE_NF4, 18);
    for (const size_t m : {1, 2, 5, 40}) {
        std::vector<float> outlier = normal_values(m * s.k, 19), alternating(m * s.k), tiny(m * s.k);
        outlier[3] = 1e4f;
        for (size_t i = 0; i < m * s.k; ++i) {
            alternating[i] = i % 2 == 0 ? 1.0f : -1.0f;
            tiny[i] = 1e-39f * static_cast<float>(i % 9);
        }
        for (const std::vector<float>& x : {outlier, alternating, tiny, std::vector<float>(m * s.k, 0.25f)}) check(w, x, m, false);
        for (const float v : product(w, guarded<float>(std::vector<float>(m * s.k, -0.0f)), m, {})) EXPECT_EQ(v, 0.0f);
    }
}

TEST_P(Linear4BitKernel, GivesZeroForBlocksOfZeros) {
    const shape s = {20, 128, 64};
    for (const nq_quant_type type : {NQ_QUANT_TYPE_NF4, NQ_QUANT_TYPE_FP4}) {
        std::vector<float> absmax(s.n * 2, 0.0f);
        absmax[2 * 3 + 1] = 2.0f;  // row 3 alone is not zero
        const packed_4bit w(random_codes(s.n * s.k, 20), s.n, s.k, s.blocksize, type, absmax);
        for (const size_t m : {1, 4, 40}) {
            const std::vector<float> y = product(w, guarded<float>(normal_values(m * s.k, 21)), m, {});
            for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i] == 0.0f, i % s.n != 3) << i;
        }
    }
}

TEST_P(Linear4BitKernel, GivesTheSameBitsForAnySharesOfPanels) {
    const shape s = {150, 320, 64};
    const size_t panels = panel_count(s.n);
    const packed_4bit plain = plain_matrix(s, NQ_QUANT_TYPE_NF4, 22), nested = nested_matrix(s, NQ_QUANT_TYPE_NF4, 256, 23);
    for (const packed_4bit* w : {&plain, &nested}) {
        for (const nq_dtype compute_dtype : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
            for (const size_t m : {1, 2, 3, 5, 8, 40}) {
                const guarded<float> x(normal_values(m * s.k, 24));
                const std::vector<float> whole = product(*w, x, m, {}, compute_dtype);
                for (const size_t share : {1, 2, 3, 4, 7}) {
                    std::vector<float> y(m * s.n);
                    for (size_t begin = 0; begin < panels; begin += share)
                        run_linear4bit(kernel(), w->panels, x.data(), m, s.k, nullptr, compute_dtype, y.data(), s.n, begin,
                                       std::min(begin + share, panels));
                    EXPECT_TRUE(same_values(y.data(), whole.data(), y.size())) << share << " panels a share, " << m << " rows";
                }
            }
        }
    }
}

TEST_P(Linear4BitKernel, KeepsNanAndInfinityInTheirRow) {
    const shape s = {40, 192, 64};
    const packed_4bit w = plain_matrix(s, NQ_QUANT_TYPE_NF4, 25);
    for (const size_t m : {2, 3, 9, 50}) {
        const std::vector<float> values = normal_values(m * s.k, 26);
        for (const nq_dtype compute_dtype : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
            const std::vector<float> clean = product(w, guarded<float>(values), m, {}, compute_dtype);
            for (const float bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY}) {
                std::vector<float> with_bad = values;
                with_bad[s.k + 191] = bad;
                const std::vector<float> y = product(w, guarded<float>(with_bad), m, {}, compute_dtype);
                for (size_t i = 0; i < y.size(); ++i) {
                    if (i / s.n == 1)
                        EXPECT_FALSE(std::isfinite(y[i]));
                    else
                        EXPECT_EQ(bits(y[i]), bits(clean[i]));
                }
            }
        }
    }
}

}  // namespace
}  // namespace nq::cpu::testing
