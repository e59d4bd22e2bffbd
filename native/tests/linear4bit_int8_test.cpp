// 4-bit layers with int8 activations through the ABI: panels and matrices whose blocks run over row ends, every blocksize and type.
#include <algorithm>

#include "formats/quantizers.h"
#include "support.h"

namespace nq::test {
namespace {

class Linear4BitInt8 : public EveryImplementation {
protected:
    std::vector<float> forward(nq_matrix* weights, const std::vector<float>& x, size_t m, size_t n, const nq_tensor* bias = nullptr) const {
        const array in(device_, NQ_DTYPE_F32, m, x.size() / m, x, 3), out(device_, NQ_DTYPE_F32, m, n, 2);
        EXPECT_OK(nq_linear4bit_forward(weights, in, bias, NQ_DTYPE_I8, out));
        return out.floats();
    }
};
NQ_RUN_ON_EVERY_IMPLEMENTATION(Linear4BitInt8);

struct exported {
    std::vector<uint8_t> packed;
    std::vector<float> absmax;
};

exported exported_parts(nq_matrix* weights) {
    nq_matrix_info info{};
    EXPECT_OK(nq_matrix_get_info(weights, &info));
    const size_t count = info.rows * info.columns;
    exported parts{std::vector<uint8_t>((count + 1) / 2), std::vector<float>((count - 1) / info.blocksize + 1)};
    nq_matrix4bit_storage storage{};
    storage.rows = info.rows;
    storage.columns = info.columns;
    storage.quant_type = info.quant_type;
    storage.dtype = info.dtype;
    storage.blocksize = info.blocksize;
    storage.packed = parts.packed.data();
    storage.absmax = parts.absmax.data();
    EXPECT_OK(nq_matrix_export_4bit(weights, &storage));
    return parts;
}

TEST_P(Linear4BitInt8, FollowsTheFormulaWhereverBlocksOfWeightsAndActivationsEnd) {
    constexpr size_t n = 19;
    for (const nq_quant_type type : {NQ_QUANT_TYPE_NF4, NQ_QUANT_TYPE_FP4}) {
        int8_t codebook[16];
        formats::int8_codebook(formats::codebook_4bit(type), codebook);
        for (const uint32_t blocksize : {32u, 64u, 128u, 1024u}) {
            for (const size_t k : {size_t{1}, size_t{33}, size_t{100}, size_t{127}, size_t{2} * blocksize, size_t{blocksize} + 8}) {
                const matrix weights = matrix_4bit(device_, n, k, normal_values(n * k, 1), type, blocksize, false);
                const exported parts = exported_parts(weights);
                for (const size_t m : {1, 3, 6}) {
                    const std::vector<float> x = normal_values(m * k, 2), bias = normal_values(n, 3);
                    exact_sums expected;
                    double squares = 0;
                    for (size_t i = 0; i < m * n; ++i) {
                        const size_t row = i / n, column = i % n, width = std::min(blocksize, 64u);
                        double sum = bias[column];
                        for (size_t c = 0; c < k; ++c) {
                            const float* block = &x[row * k + c / width * width];
                            float absmax = 0;
                            for (size_t j = 0; j < std::min(width, k - c / width * width); ++j)
                                absmax = std::max(absmax, std::fabs(block[j]));
                            const size_t flat = column * k + c;
                            const int code = codebook[flat % 2 == 0 ? parts.packed[flat / 2] >> 4 : parts.packed[flat / 2] & 15];
                            const float scale = parts.absmax[flat / blocksize] * (absmax * formats::one_over_127_squared);
                            const double term = std::nearbyint(x[row * k + c] * (127.0f / absmax)) * code * scale;
                            sum += term;
                            squares += term * term;
                        }
                        expected.values.push_back(sum);
                    }
                    expected.size = std::sqrt(squares);
                    const array bias_array(device_, NQ_DTYPE_F32, 1, n, bias);
                    ASSERT_LE(relative_error(forward(weights, x, m, n, bias_array), expected), 2e-6) << blocksize << ' ' << k << ' ' << m;
                }
            }
        }
    }
}

TEST_P(Linear4BitInt8, StaysWithinTheStatedErrorForEveryBlocksizeAndNestedAbsmax) {
    constexpr size_t n = 70, m = 3;
    for (uint32_t blocksize = 32; blocksize <= 4096; blocksize *= 2) {
        for (const size_t k : {size_t{4096}, size_t{blocksize} + 8}) {
            const matrix weights = matrix_4bit(device_, n, k, normal_values(n * k, 4), NQ_QUANT_TYPE_NF4, blocksize, true);
            const std::vector<float> x = normal_values(m * k, 5), w = dequantized(device_, weights);
            EXPECT_LE(relative_error(forward(weights, x, m, n), product(x, w, {}, m, n, k)), 1.2e-2) << blocksize << ' ' << k;
        }
    }
}

TEST_P(Linear4BitInt8, RoundsTensorsOfEveryTypeOnce) {
    constexpr size_t m = 6, n = 20;
    for (const size_t k : {size_t{128}, size_t{100}}) {
        const matrix weights = matrix_4bit(device_, n, k, normal_values(n * k, 6), NQ_QUANT_TYPE_NF4, 64, false);
        const std::vector<float> x = normal_values(m * k, 7), bias = normal_values(n, 8);
        for (const nq_dtype type : {NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
            const array in(device_, type, m, k, x), bias_array(device_, type, 1, n, bias), out(device_, type, m, n);
            ASSERT_OK(nq_linear4bit_forward(weights, in, bias_array, NQ_DTYPE_I8, out));
            const array widened(device_, NQ_DTYPE_F32, 1, n, rounded(bias, type));
            EXPECT_EQ(out.floats(), rounded(forward(weights, rounded(x, type), m, n, widened), type));
        }
    }
}

TEST_P(Linear4BitInt8, ANanOrInfinityMakesItsRowNanAndNoOther) {
    constexpr size_t m = 4, n = 33;
    for (const size_t k : {size_t{192}, size_t{150}}) {
        const matrix weights = matrix_4bit(device_, n, k, normal_values(n * k, 9), NQ_QUANT_TYPE_NF4, 64, true);
        std::vector<float> x = normal_values(m * k, 10);
        const std::vector<float> clean = forward(weights, x, m, n);
        for (const float bad : {nan, infinity, -infinity}) {
            x[2 * k + 149] = bad;
            const std::vector<float> y = forward(weights, x, m, n);
            for (size_t i = 0; i < y.size(); ++i) {
                if (i / n == 2)
                    EXPECT_TRUE(std::isnan(y[i]));
                else
                    EXPECT_EQ(y[i], clean[i]);
            }
        }
    }
}

}  // namespace
}  // namespace nq::test
