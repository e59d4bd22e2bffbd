// Linear layers through the ABI against f64 arithmetic, on every implementation: ragged shapes, every type, hard values.
#include <algorithm>

#include "support.h"

namespace nq::test {
namespace {

class Linear : public EveryImplementation {
protected:
    double bound(size_t k) const { return 1e-6 * std::max(1.0, std::sqrt(static_cast<double>(k) / 4096)); }
};
NQ_RUN_ON_EVERY_IMPLEMENTATION(Linear);

constexpr nq_dtype floating_types[] = {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16};

TEST_P(Linear, DenseIsExactToSummationOrder) {
    for (nq_dtype type : floating_types) {
        for (size_t k : {1u, 2u, 7u, 8u, 63u, 64u, 100u, 515u}) {
            for (size_t n : {1u, 15u, 16u, 17u, 50u}) {
                const std::vector<float> w = rounded(normal_values(n * k, 1), type), bias = normal_values(n, 2);
                const matrix weights = dense_matrix(device_, n, k, w, type);
                const array bias_array(device_, NQ_DTYPE_F32, 1, n, bias);
                for (size_t m = 1; m <= 17; m += m < 5 ? 1 : 6) {
                    const std::vector<float> x = normal_values(m * k, 3);
                    const array in(device_, NQ_DTYPE_F32, m, k, x, 3), out(device_, NQ_DTYPE_F32, m, n, 5);
                    ASSERT_OK(nq_linear_forward(weights, in, bias_array, out));
                    ASSERT_LE(relative_error(out.floats(), product(x, w, bias, m, n, k)), bound(k)) << m << ' ' << n << ' ' << k;
                }
            }
        }
    }
}

TEST_P(Linear, FourBitIsExactToSummationOrder) {
    // K a multiple of the blocksize: panels. Otherwise blocks run over row ends: flat.
    for (size_t k : {64u, 128u, 192u, 33u, 100u, 130u, 1u}) {
        for (size_t n : {1u, 16u, 17u, 37u}) {
            for (const bool nested : {false, true}) {
                for (const nq_quant_type type : {NQ_QUANT_TYPE_NF4, NQ_QUANT_TYPE_FP4}) {
                    const matrix weights = matrix_4bit(device_, n, k, normal_values(n * k, 4), type, 64, nested);
                    const std::vector<float> w = dequantized(device_, weights), bias = normal_values(n, 5);
                    const array bias_array(device_, NQ_DTYPE_F32, 1, n, bias);
                    for (size_t m = 1; m <= 17; m += m < 5 ? 1 : 6) {
                        const std::vector<float> x = normal_values(m * k, 6);
                        const array in(device_, NQ_DTYPE_F32, m, k, x, 1), out(device_, NQ_DTYPE_F32, m, n, 2);
                        ASSERT_OK(nq_linear4bit_forward(weights, in, bias_array, NQ_DTYPE_F32, out));
                        ASSERT_LE(relative_error(out.floats(), product(x, w, bias, m, n, k)), bound(k))
                            << m << ' ' << n << ' ' << k << ' ' << nested;
                    }
                }
            }
        }
    }
}

TEST_P(Linear, FourBitTakesEveryBlocksize) {
    for (uint32_t blocksize = 32; blocksize <= 4096; blocksize *= 2) {
        for (size_t k : {size_t{4096}, size_t{blocksize} + 8}) {
            const matrix weights = matrix_4bit(device_, 18, k, normal_values(18 * k, 7), NQ_QUANT_TYPE_NF4, blocksize, true);
            const std::vector<float> w = dequantized(device_, weights), x = normal_values(2 * k, 8);
            const array in(device_, NQ_DTYPE_F32, 2, k, x), out(device_, NQ_DTYPE_F32, 2, 18);
            ASSERT_OK(nq_linear4bit_forward(weights, in, nullptr, NQ_DTYPE_F32, out));
            EXPECT_LE(relative_error(out.floats(), product(x, w, {}, 2, 18, k)), bound(k)) << blocksize << ' ' << k;
        }
    }
}

TEST_P(Linear, FourBitRoundsThroughTheComputeType) {
    constexpr size_t m = 5, n = 33;
    for (size_t k : {128u, 100u}) {
        const matrix weights = matrix_4bit(device_, n, k, normal_values(n * k, 9), NQ_QUANT_TYPE_NF4, 64, false);
        const std::vector<float> x = normal_values(m * k, 10), bias = normal_values(n, 11);
        const array in(device_, NQ_DTYPE_F32, m, k, x), bias_array(device_, NQ_DTYPE_F32, 1, n, bias);
        for (nq_dtype compute : {NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
            const array out(device_, NQ_DTYPE_F32, m, n);
            ASSERT_OK(nq_linear4bit_forward(weights, in, bias_array, compute, out));
            const std::vector<float> y = out.floats();
            EXPECT_EQ(y, rounded(y, compute)) << "the result is a number of the compute type";
            const exact_sums exact =
                product(rounded(x, compute), rounded(dequantized(device_, weights), compute), rounded(bias, compute), m, n, k);
            // One rounding of the result: 2^-12 (f16) or 2^-9 (bf16) at most.
            EXPECT_LE(relative_error(y, exact), compute == NQ_DTYPE_F16 ? 1.0 / 4096 : 1.0 / 512);
        }
    }
}

TEST_P(Linear, TensorsOfEveryTypeAreRoundedOnce) {
    constexpr size_t m = 3, n = 20, k = 64;
    const matrix dense = dense_matrix(device_, n, k, normal_values(n * k, 12)),
                 quantized = matrix_4bit(device_, n, k, normal_values(n * k, 13), NQ_QUANT_TYPE_FP4, 64, false),
                 eight = matrix_8bit(device_, n, k, normal_values(n * k, 14));
    const std::vector<float> x = normal_values(m * k, 15), bias = normal_values(n, 16);
    for (nq_dtype x_type : floating_types) {
        const array in(device_, x_type, m, k, x, 1), widened(device_, NQ_DTYPE_F32, m, k, rounded(x, x_type));
        const array bias_array(device_, x_type, 1, n, bias), wide_bias(device_, NQ_DTYPE_F32, 1, n, rounded(bias, x_type));
        for (nq_dtype y_type : floating_types) {
            const array expected(device_, NQ_DTYPE_F32, m, n), actual(device_, y_type, m, n, 3);
            ASSERT_OK(nq_linear_forward(dense, widened, wide_bias, expected));
            ASSERT_OK(nq_linear_forward(dense, in, bias_array, actual));
            EXPECT_EQ(actual.floats(), rounded(expected.floats(), y_type));
            ASSERT_OK(nq_linear4bit_forward(quantized, widened, wide_bias, NQ_DTYPE_F32, expected));
            ASSERT_OK(nq_linear4bit_forward(quantized, in, bias_array, NQ_DTYPE_F32, actual));
            EXPECT_EQ(actual.floats(), rounded(expected.floats(), y_type));
            ASSERT_OK(nq_linear8bit_forward(eight, widened, wide_bias, 2, expected));
            ASSERT_OK(nq_linear8bit_forward(eight, in, bias_array, 2, actual));
            EXPECT_EQ(actual.floats(), rounded(expected.floats(), y_type));
        }
    }
}

// LLM.int8() written out in f64, from the definition.
std::vector<double> llm_int8(const std::vector<float>& x, const std::vector<int8_t>& cb, const std::vector<float>& scb,
                             const std::vector<float>& bias, float threshold, size_t m, size_t n, size_t k) {
    std::vector<float> half(x.size());
    for (size_t i = 0; i < x.size(); i++) half[i] = formats::f32_from_f16(formats::f16_from_f32(std::clamp(x[i], -65504.0f, 65504.0f)));
    std::vector<bool> outlier(k);
    for (size_t i = 0; i < x.size(); i++) {
        if (threshold > 0 && std::fabs(half[i]) >= threshold) outlier[i % k] = true;
    }
    std::vector<double> y(m * n);
    for (size_t r = 0; r < m; r++) {
        float absmax = 0;
        for (size_t c = 0; c < k; c++) {
            const float magnitude = std::fabs(half[r * k + c]);
            if (threshold == 0 || magnitude < threshold) absmax = std::max(absmax, magnitude);
        }
        for (size_t o = 0; o < n; o++) {
            int64_t acc = 0;
            double mixed = 0;
            for (size_t c = 0; c < k; c++) {
                const int8_t code = cb[o * k + c];
                if (outlier[c]) {
                    mixed += static_cast<double>(x[r * k + c]) * code * scb[o] / 127;
                } else if (absmax > 0) {
                    acc += static_cast<int64_t>(std::nearbyint(half[r * k + c] * (127.0f / absmax))) * code;
                }
            }
            y[r * n + o] = static_cast<double>(acc) * absmax * scb[o] / (127.0 * 127.0) + mixed + (bias.empty() ? 0 : bias[o]);
        }
    }
    return y;
}

TEST_P(Linear, EightBitIsLlmInt8) {
    for (size_t k : {1u, 3u, 63u, 64u, 65u, 100u, 256u}) {
        for (size_t n : {1u, 16u, 19u}) {
            const matrix weights = matrix_8bit(device_, n, k, normal_values(n * k, 17));
            std::vector<int8_t> codes(n * k);
            std::vector<float> scales(n), bias = normal_values(n, 18);
            ASSERT_OK(nq_matrix_export_8bit(weights, codes.data(), scales.data()));
            const array bias_array(device_, NQ_DTYPE_F32, 1, n, bias);
            for (size_t m : {1u, 2u, 5u, 17u}) {
                std::vector<float> x = normal_values(m * k, 19);
                for (size_t i = 0; i < x.size(); i += 11) x[i] *= 20;
                const array in(device_, NQ_DTYPE_F32, m, k, x, 1), out(device_, NQ_DTYPE_F32, m, n, 1);
                for (float threshold : {0.0f, 6.0f, 1e-3f}) {
                    ASSERT_OK(nq_linear8bit_forward(weights, in, bias_array, threshold, out));
                    ASSERT_LE(relative_error(out.floats(), llm_int8(x, codes, scales, bias, threshold, m, n, k)), 1e-6)
                        << m << ' ' << n << ' ' << k << ' ' << threshold;
                }
            }
        }
    }
}

TEST_P(Linear, EightBitSaturatesActivationsBeyondF16) {
    const matrix weights = matrix_8bit(device_, 1, 2, {1, 0.5f});
    const array in(device_, NQ_DTYPE_F32, 1, 2, {1e6f, 0}), out(device_, NQ_DTYPE_F32, 1, 1);
    ASSERT_OK(nq_linear8bit_forward(weights, in, nullptr, 0, out));
    EXPECT_NEAR(out.floats()[0], 65504, 1);
    ASSERT_OK(nq_linear8bit_forward(weights, in, nullptr, 6, out));
    EXPECT_NEAR(out.floats()[0], 1e6, 1) << "an outlier is used unrounded";
}

TEST_P(Linear, ProductsOfInt8AreExact) {
    std::mt19937 generator(20);
    std::uniform_int_distribution<int> codes(-128, 127);
    for (size_t k : {1u, 15u, 64u, 1041u, 130000u}) {
        const size_t m = 3, n = 5;
        std::vector<int8_t> a(m * k), b(n * k);
        for (int8_t& v : a) v = static_cast<int8_t>(k == 130000 ? 127 : codes(generator));
        for (int8_t& v : b) v = static_cast<int8_t>(k == 130000 ? -127 : codes(generator));
        const array left(device_, m, k, a), right(device_, n, k, b), out(device_, NQ_DTYPE_I32, m, n);
        ASSERT_OK(nq_int8_matmul(left, right, out));
        const std::vector<int32_t> y = out.as<int32_t>();
        for (size_t r = 0; r < m; r++) {
            for (size_t c = 0; c < n; c++) {
                int64_t sum = 0;
                for (size_t i = 0; i < k; i++) sum += a[r * k + i] * b[c * k + i];
                ASSERT_EQ(y[r * n + c], sum);
            }
        }
    }
}

TEST_P(Linear, TheInt8EpilogueScalesAndAddsTheBias) {
    const array acc(device_, 2, 3, std::vector<int32_t>{16129, -16129, 1, 0, 2147483647, -5}), rows(device_, NQ_DTYPE_F32, 1, 2, {2, 3});
    const array columns(device_, NQ_DTYPE_F32, 1, 3, {1, 10, 0.5f}), bias(device_, NQ_DTYPE_F16, 1, 3, {1, 2, 3}),
        out(device_, NQ_DTYPE_F32, 2, 3);
    ASSERT_OK(nq_int8_matmul_dequantize(acc, rows, columns, bias, out));
    const std::vector<float> y = out.floats();
    EXPECT_NEAR(y[0], 3, 1e-5);
    EXPECT_NEAR(y[1], -18, 1e-5);
    EXPECT_NEAR(y[2], 1 / 16129.0 + 3, 1e-6);
    EXPECT_EQ(y[3], 1);
    EXPECT_NEAR(y[4] / (2147483647.0 * 30 / 16129 + 2), 1, 1e-6);
    EXPECT_NEAR(y[5], -7.5 / 16129 + 3, 1e-6);
}

TEST_P(Linear, ZeroBlocksGiveZero) {
    for (size_t k : {128u, 70u}) {
        std::vector<float> w = normal_values(20 * k, 21);
        std::fill(w.begin(), w.begin() + 64, 0.0f);
        std::fill(w.end() - static_cast<ptrdiff_t>(k), w.end(), 0.0f);
        const matrix four = matrix_4bit(device_, 20, k, w, NQ_QUANT_TYPE_NF4, 64, false), eight = matrix_8bit(device_, 20, k, w);
        const array in(device_, NQ_DTYPE_F32, 1, k, normal_values(k, 22)), out(device_, NQ_DTYPE_F32, 1, 20);
        ASSERT_OK(nq_linear8bit_forward(eight, in, nullptr, 6, out));
        EXPECT_EQ(out.floats()[19], 0);
        ASSERT_OK(nq_linear4bit_forward(four, in, nullptr, NQ_DTYPE_F32, out));
        for (float y : out.floats()) EXPECT_TRUE(std::isfinite(y));
        if (k == 128) {
            EXPECT_EQ(out.floats()[19], 0);
        }
    }
}

// A value that is not finite reaches every output of its row and none of another row.
TEST_P(Linear, NotFiniteActivationsReachTheirRowOnly) {
    constexpr size_t m = 5, n = 18, k = 128;
    std::vector<float> w = normal_values(n * k, 23);
    for (float& v : w) v += v < 0 ? -0.1f : 0.1f;  // no zero weight, whose product with infinity would be NaN instead of infinity
    const matrix dense = dense_matrix(device_, n, k, w), four = matrix_4bit(device_, n, k, w, NQ_QUANT_TYPE_NF4, 64, true),
                 eight = matrix_8bit(device_, n, k, w);
    for (float bad : {nan, infinity, -infinity}) {
        for (size_t column : {0u, 77u, 127u}) {
            std::vector<float> x = normal_values(m * k, 24);
            x[2 * k + column] = bad;
            const array in(device_, NQ_DTYPE_F32, m, k, x), out(device_, NQ_DTYPE_F32, m, n);
            const auto check = [&](const char* what) {
                const std::vector<float> y = out.floats();
                for (size_t i = 0; i < y.size(); i++) ASSERT_EQ(std::isfinite(y[i]), i / n != 2) << what << ' ' << bad << " at " << i;
            };
            ASSERT_OK(nq_linear_forward(dense, in, nullptr, out));
            check("dense");
            ASSERT_OK(nq_linear4bit_forward(four, in, nullptr, NQ_DTYPE_F32, out));
            check("4-bit");
            ASSERT_OK(nq_linear8bit_forward(eight, in, nullptr, 6, out));
            check("8-bit with outliers");
            ASSERT_OK(nq_linear8bit_forward(eight, in, nullptr, 0, out));
            check("8-bit");
        }
    }
}

TEST_P(Linear, OutputsStayInsideTheirView) {
    constexpr size_t m = 3, n = 21, k = 64, gap = 4;
    const matrix weights = matrix_4bit(device_, n, k, normal_values(n * k, 25), NQ_QUANT_TYPE_NF4, 64, false);
    const array in(device_, NQ_DTYPE_F32, m, k, normal_values(m * k, 26));
    array whole(device_, NQ_DTYPE_F32, m, n + gap, std::vector<float>(m * (n + gap), -7));
    nq_tensor view = whole.view();
    view.columns = n;
    ASSERT_OK(nq_linear4bit_forward(weights, in, nullptr, NQ_DTYPE_F32, &view));
    const std::vector<float> y = whole.floats();
    for (size_t r = 0; r < m; r++) {
        for (size_t c = n; c < n + gap; c++) EXPECT_EQ(y[r * (n + gap) + c], -7);
    }
}

}  // namespace
}  // namespace nq::test
