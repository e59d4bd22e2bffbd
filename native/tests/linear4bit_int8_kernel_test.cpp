// The 4-bit layer with int8 activations: the quantizer bit for bit, the product against integer sums, and both against f64 on the
// dequantized weights within the error that nativequant.h states.
#include <algorithm>

#include "formats/quantizers.h"
#include "panel_packing.h"

namespace nq::cpu::testing {
namespace {

struct shape {
    size_t n, k;
    uint32_t blocksize;
};

// Codes of normally distributed weights, and the absmax of their blocks.
packed_4bit plain_matrix(const shape& s, nq_quant_type type, uint32_t seed) {
    const std::vector<float> values = normal_values(s.n * s.k, seed);
    std::vector<uint8_t> packed(values.size() / 2), codes;
    std::vector<float> absmax(values.size() / s.blocksize);
    scalar_kernels.quantize_4bit(values.data(), NQ_DTYPE_F32, values.size(), s.blocksize, type, packed.data(), absmax.data());
    for (const uint8_t byte : packed) {
        codes.push_back(byte >> 4);
        codes.push_back(byte & 15);
    }
    return packed_4bit(codes, s.n, s.k, s.blocksize, type, absmax);
}

packed_4bit nested_matrix(const shape& s, nq_quant_type type, uint32_t nested_blocksize, uint32_t seed) {
    std::mt19937 generator(seed);
    std::vector<uint8_t> codes(s.n * s.k), absmax(s.n * s.k / s.blocksize);
    for (uint8_t& c : codes) c = static_cast<uint8_t>(generator() & 15);
    for (uint8_t& a : absmax) a = static_cast<uint8_t>(generator());
    std::vector<float> nested((absmax.size() + nested_blocksize - 1) / nested_blocksize);
    for (size_t i = 0; i < nested.size(); ++i) nested[i] = 0.5f + 0.01f * static_cast<float>(i % 77);
    return packed_4bit(codes, s.n, s.k, s.blocksize, type, absmax, nested, nested_blocksize, 1.37f);
}

// Activations as the header states them, from the definition: codes in the order of the columns.
struct quantized_rows {
    quantized_rows(const std::vector<float>& x, size_t m, size_t k, size_t width) : codes(m * k), scales(m * k / width) {
        for (size_t first = 0; first < m * k; first += width) {
            float absmax = 0;
            bool finite = true;
            for (size_t i = first; i < first + width; ++i) {
                absmax = std::fmax(absmax, std::fabs(x[i]));
                finite = finite && std::isfinite(x[i]);
            }
            if (!finite) absmax = std::numeric_limits<float>::quiet_NaN();
            for (size_t i = first; i < first + width && absmax > 0; ++i) {
                const float scaled = x[i] * (127.0f / absmax);
                codes[i] = std::isnan(scaled) ? int8_t{0} : static_cast<int8_t>(std::nearbyint(std::clamp(scaled, -127.0f, 127.0f)));
            }
            scales[first / width] = absmax * formats::one_over_127_squared;
        }
    }
    std::vector<int8_t> codes;
    std::vector<float> scales;
};

class Linear4BitInt8Kernel : public KernelTest {
protected:
    struct activations {
        activations(const kernels& kernel, const std::vector<float>& values, size_t m, size_t k, uint32_t width)
            : codes(m * k), scales(m * k / width), offsets(m * k / width), x{codes.data(), scales.data(), offsets.data(), m, width} {
            const guarded<float> source(values);
            for (size_t row = 0; row < m; ++row)
                kernel.quantize_activation_blocks(source.data() + row * k, k, width, row, m, codes.data(), scales.data(), offsets.data());
        }
        guarded<int8_t> codes;
        guarded<float> scales;
        guarded<int32_t> offsets;
        activations4bit x;
    };

    std::vector<float> product(const packed_4bit& w, const std::vector<float>& x, size_t m, const std::vector<float>& bias = {},
                               size_t share = SIZE_MAX) const {
        const size_t n = w.panels.rows, y_stride = n + 2;
        const activations a(kernel(), x, m, w.panels.columns, int8_block_columns(w.panels.blocksize));
        const guarded<float> y((m - 1) * y_stride + n), b(bias);
        for (size_t i = 0; i < y.size(); ++i) y[i] = canary;
        for (size_t begin = 0; begin < panel_count(n);) {
            const size_t end = begin + std::min(share, panel_count(n) - begin);
            kernel().linear4bit_int8(w.panels, a.x, bias.empty() ? nullptr : b.data(), y.data(), y_stride, begin, end);
            begin = end;
        }
        std::vector<float> result;
        for (size_t i = 0; i < y.size(); ++i) {
            if (i % y_stride < n)
                result.push_back(y[i]);
            else
                EXPECT_EQ(y[i], canary);
        }
        return result;
    }

    // Against the sums of the definition, which leave f32 rounding of the accumulation alone.
    void check(const packed_4bit& w, const std::vector<float>& x, size_t m, const std::vector<float>& bias = {}) const {
        const size_t n = w.panels.rows, k = w.panels.columns, width = int8_block_columns(w.panels.blocksize);
        const quantized_rows q(x, m, k, width);
        reference_product expected{std::vector<double>(m * n), std::vector<double>(m * n)};
        for (size_t row = 0; row < m; ++row) {
            for (size_t column = 0; column < n; ++column) {
                double sum = bias.empty() ? 0.0 : bias[column], magnitude = std::fabs(sum);
                for (size_t first = 0; first < k; first += width) {
                    int32_t products = 0, magnitudes = 0;
                    for (size_t i = first; i < first + width; ++i) {
                        const int32_t p = w.int8_weights[column * k + i] * q.codes[row * k + i];
                        products += p;
                        magnitudes += std::abs(p);
                    }
                    const float scale = w.absmax[(column * k + first) / w.panels.blocksize] * q.scales[(row * k + first) / width];
                    sum += static_cast<double>(products) * scale;
                    magnitude += std::fabs(static_cast<double>(magnitudes) * scale);
                }
                expected.y[row * n + column] = sum;
                expected.magnitude[row * n + column] = magnitude;
            }
        }
        expect_close(product(w, x, m, bias).data(), n, expected, m, n, k, 1e-6 * std::fmax(1.0, std::sqrt(static_cast<double>(k) / 4096)));
    }
};
NQ_FOR_EVERY_IMPLEMENTATION(Linear4BitInt8Kernel);

TEST_P(Linear4BitInt8Kernel, QuantizesActivationsBitForBitInTheOrderOfTheNibbles) {
    constexpr size_t order[8] = {0, 4, 1, 5, 2, 6, 3, 7};
    constexpr size_t m = 3, k = 192;
    std::vector<float> hard = normal_values(m * k, 1);
    for (size_t i = 0; i < 64; ++i) hard[i] = 0.0f;
    for (size_t i = 64; i < 128; ++i) hard[i] = 1e-41f * static_cast<float>(i % 7);
    hard[130] = 1e4f;
    hard[k + 3] = std::numeric_limits<float>::quiet_NaN();
    hard[k + 70] = -INFINITY;
    hard[k + 191] = 3e38f;
    for (size_t i = 2 * k; i < 2 * k + 64; ++i) hard[i] = static_cast<float>(i % 2) - 0.5f;
    for (const uint32_t width : {32u, 64u}) {
        for (const std::vector<float>& values : {hard, normal_values(m * k, 2, 1e-3f), normal_values(m * k, 3, 1e30f)}) {
            const activations a(kernel(), values, m, k, width);
            const quantized_rows expected(values, m, k, width);
            for (size_t row = 0; row < m; ++row) {
                for (size_t b = 0; b < k / width; ++b) {
                    int32_t sum = 0;
                    for (size_t i = 0; i < width; ++i) {
                        const int8_t code = expected.codes[row * k + b * width + i / 8 * 8 + order[i % 8]];
                        EXPECT_EQ(a.codes[(b * m + row) * width + i], code) << "row " << row << " block " << b << " place " << i;
                        sum += code;
                    }
                    EXPECT_TRUE(same_values(&a.scales[b * m + row], &expected.scales[row * (k / width) + b], 1));
                    EXPECT_EQ(a.offsets[b * m + row], -127 * sum);
                }
            }
        }
    }
}

TEST_P(Linear4BitInt8Kernel, SumsOfOneBlockAreExact) {
    for (const nq_quant_type type : {NQ_QUANT_TYPE_NF4, NQ_QUANT_TYPE_FP4}) {
        for (const shape s : {shape{49, 64, 64}, {49, 32, 32}}) {
            const packed_4bit w = plain_matrix(s, type, 4);
            for (const size_t m : {1, 2, 3, 4, 5, 8, 17}) {
                std::vector<float> x = normal_values(m * s.k, 5);
                for (size_t i = 0; i < s.k; ++i) x[i] = w.weights[i] < 0 ? -2.0f : 2.0f;  // the largest sum there is
                const quantized_rows q(x, m, s.k, s.k);
                const std::vector<float> y = product(w, x, m);
                for (size_t row = 0; row < m; ++row) {
                    for (size_t column = 0; column < s.n; ++column) {
                        int32_t sum = 0;
                        for (size_t i = 0; i < s.k; ++i) sum += w.int8_weights[column * s.k + i] * q.codes[row * s.k + i];
                        EXPECT_EQ(y[row * s.n + column], static_cast<float>(sum) * (w.absmax[column] * q.scales[row]));
                    }
                }
            }
        }
    }
}

TEST_P(Linear4BitInt8Kernel, MatchesTheDefinitionForEveryNumberOfRows) {
    const shape s = {129, 192, 64};
    const packed_4bit plain = plain_matrix(s, NQ_QUANT_TYPE_NF4, 6), nested = nested_matrix(s, NQ_QUANT_TYPE_FP4, 256, 7);
    const std::vector<float> bias = normal_values(s.n, 8);
    for (const size_t m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 31, 33, 64, 127, 129, 257}) {
        check(plain, normal_values(m * s.k, 9), m, bias);
        check(nested, normal_values(m * s.k, 10), m);
    }
}

TEST_P(Linear4BitInt8Kernel, MatchesTheDefinitionForEveryPanelTailBlocksizeAndInnerLength) {
    for (const size_t n : {1, 15, 16, 17, 31, 33, 64, 80, 100}) {
        for (const size_t m : {1, 3, 9}) check(plain_matrix({n, 128, 32}, NQ_QUANT_TYPE_NF4, 11), normal_values(m * 128, 12), m);
    }
    for (const shape s : {shape{17, 32, 32},
                          {17, 160, 32},
                          {17, 384, 128},
                          {33, 512, 256},
                          {33, 1536, 512},
                          {17, 2048, 1024},
                          {17, 4096, 4096},
                          {17, 11008, 64},
                          {17, 11008, 256}}) {
        for (const uint32_t nested_blocksize : {7u, 256u}) {
            const packed_4bit nested = nested_matrix(s, NQ_QUANT_TYPE_NF4, nested_blocksize, 13);
            for (const size_t m : {1, 2, 7}) check(nested, normal_values(m * s.k, 14), m, normal_values(s.n, 15));
        }
    }
}

TEST_P(Linear4BitInt8Kernel, StaysWithinTheStatedErrorOfTheDequantizedWeights) {
    const shape s = {64, 1024, 64};
    for (const nq_quant_type type : {NQ_QUANT_TYPE_NF4, NQ_QUANT_TYPE_FP4}) {
        const packed_4bit w = plain_matrix(s, type, 16);
        for (const size_t m : {1, 4, 24}) {
            std::mt19937 generator(17);
            std::student_t_distribution<float> student(5);
            std::vector<float> heavy(m * s.k), outlier = normal_values(m * s.k, 18);
            for (float& v : heavy) v = student(generator);
            for (size_t i = 5; i < outlier.size(); i += 512) outlier[i] = 1e3f;
            for (const std::vector<float>& x : {normal_values(m * s.k, 19), heavy, outlier}) {
                const std::vector<float> y = product(w, x, m);
                const reference_product exact = multiply(x.data(), m, s.k, w.weights, s.n, s.k, {});
                const quantized_rows q(x, m, s.k, 64);
                double error = 0, norm = 0;
                for (size_t i = 0; i < y.size(); ++i) {
                    const size_t row = i / s.n, column = i % s.n;
                    double bound = 0;
                    for (size_t k = 0; k < s.k; ++k) {
                        const double x_absmax = 127.0 * 127.0 * q.scales[(row * s.k + k) / 64],
                                     w_absmax = w.absmax[(column * s.k + k) / 64];
                        const double x_rounded = q.codes[row * s.k + k] * x_absmax / 127;
                        bound += (x_absmax * std::fabs(w.weights[column * s.k + k]) + w_absmax * std::fabs(x_rounded)) / 254;
                    }
                    EXPECT_LE(std::fabs(y[i] - exact.y[i]), bound * 1.0001);
                    error += (y[i] - exact.y[i]) * (y[i] - exact.y[i]);
                    norm += exact.y[i] * exact.y[i];
                }
                EXPECT_LE(std::sqrt(error / norm), 1.2e-2);
                EXPECT_GT(std::sqrt(error / norm), 1e-4) << "an approximation";
            }
        }
    }
}

TEST_P(Linear4BitInt8Kernel, TakesHardActivations) {
    const shape s = {33, 256, 64};
    const packed_4bit w = plain_matrix(s, NQ_QUANT_TYPE_NF4, 20);
    for (const size_t m : {1, 2, 5, 40}) {
        std::vector<float> outlier = normal_values(m * s.k, 21), alternating(m * s.k), tiny(m * s.k);
        outlier[3] = 1e4f;
        for (size_t i = 0; i < m * s.k; ++i) {
            alternating[i] = i % 2 == 0 ? 1.0f : -1.0f;
            tiny[i] = 1e-39f * static_cast<float>(i % 9);
        }
        for (const std::vector<float>& x : {outlier, alternating, tiny, normal_values(m * s.k, 22, 1e35f)}) check(w, x, m);
        for (const float v : product(w, std::vector<float>(m * s.k, -0.0f), m)) EXPECT_EQ(v, 0.0f);
    }
}

TEST_P(Linear4BitInt8Kernel, GivesZeroForBlocksOfZeros) {
    const shape s = {20, 128, 64};
    std::vector<float> absmax(s.n * 2, 0.0f);
    absmax[2 * 3 + 1] = 2.0f;  // row 3 alone is not zero
    const packed_4bit w(std::vector<uint8_t>(s.n * s.k, 9), s.n, s.k, s.blocksize, NQ_QUANT_TYPE_NF4, absmax);
    for (const size_t m : {1, 4, 40}) {
        const std::vector<float> y = product(w, normal_values(m * s.k, 23), m);
        for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i] == 0.0f, i % s.n != 3) << i;
    }
}

TEST_P(Linear4BitInt8Kernel, GivesTheSameBitsForAnySharesOfPanels) {
    const shape s = {150, 320, 64};
    const packed_4bit plain = plain_matrix(s, NQ_QUANT_TYPE_NF4, 24), nested = nested_matrix(s, NQ_QUANT_TYPE_NF4, 256, 25);
    for (const packed_4bit* w : {&plain, &nested}) {
        for (const size_t m : {1, 3, 8, 40, 130}) {
            const std::vector<float> x = normal_values(m * s.k, 26), whole = product(*w, x, m);
            for (const size_t share : {1, 2, 3, 4, 7}) {
                const std::vector<float> y = product(*w, x, m, {}, share);
                EXPECT_TRUE(same_values(y.data(), whole.data(), y.size())) << share << " panels a share, " << m << " rows";
            }
        }
    }
}

TEST_P(Linear4BitInt8Kernel, ANanOrInfinityMakesItsRowNanAndNoOther) {
    const shape s = {40, 192, 64};
    const packed_4bit w = plain_matrix(s, NQ_QUANT_TYPE_NF4, 27);
    for (const size_t m : {2, 3, 9, 50}) {
        std::vector<float> x = normal_values(m * s.k, 28);
        const std::vector<float> clean = product(w, x, m);
        for (const float bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY, -INFINITY}) {
            x[s.k + 191] = bad;
            const std::vector<float> y = product(w, x, m);
            for (size_t i = 0; i < y.size(); ++i) {
                if (i / s.n == 1)
                    EXPECT_TRUE(std::isnan(y[i]));
                else
                    EXPECT_EQ(bits(y[i]), bits(clean[i]));
            }
        }
    }
}

}  // namespace
}  // namespace nq::cpu::testing
