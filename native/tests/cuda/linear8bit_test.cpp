// LLM.int8() layers: without outliers the scalar implementation's bits, with them its values; against f64; what is not finite stays in its
// row.
#include <algorithm>

#include "cuda_testing.h"

namespace nq::test {
namespace {

class linear8bit_on_cuda : public cuda_and_scalar {
protected:
    // y on both devices.
    struct results {
        std::vector<float> cuda, scalar;
    };
    results forward(const std::vector<float>& weights, size_t n, size_t k, const std::vector<float>& x, size_t m, float threshold,
                    const std::vector<float>& bias = {}, nq_dtype x_type = NQ_DTYPE_F32, nq_dtype y_type = NQ_DTYPE_F32, size_t gap = 0) {
        const auto run = [&](nq_device* device) {
            const matrix w = matrix_8bit(device, n, k, weights);
            const array input(device, x_type, m, k, x, gap), y(device, y_type, m, n, gap);
            const array added(device, NQ_DTYPE_BF16, 1, n, bias.empty() ? std::vector<float>(n) : bias);
            EXPECT_OK(nq_linear8bit_forward(w, input, bias.empty() ? nullptr : static_cast<const nq_tensor*>(added), threshold, y));
            return y.floats();
        };
        return {run(cuda), run(scalar)};
    }

    // The formula of the header in f64, from the codes of the scalar implementation.
    exact_sums formula(const std::vector<float>& weights, size_t n, size_t k, const std::vector<float>& x, size_t m, float threshold) {
        const matrix w = matrix_8bit(scalar, n, k, weights);
        std::vector<int8_t> b(n * k);
        std::vector<float> b_absmax(n);
        EXPECT_OK(nq_matrix_export_8bit(w, b.data(), b_absmax.data()));
        const array input(scalar, NQ_DTYPE_F16, m, k, x), codes(scalar, NQ_DTYPE_I8, m, k), absmax(scalar, NQ_DTYPE_F32, 1, m),
            outliers(scalar, NQ_DTYPE_U8, 1, k);
        EXPECT_OK(nq_quantize_int8_rows(input, threshold, codes, absmax, outliers));
        const std::vector<int8_t> a = codes.as<int8_t>();
        const std::vector<float> a_absmax = absmax.floats();
        const std::vector<uint8_t> flags = outliers.bytes();
        exact_sums y;
        double squares = 0;
        for (size_t i = 0; i < m * n; i++) {
            const size_t r = i / n, c = i % n;
            double sum = 0;
            for (size_t j = 0; j < k; j++) {
                double term = a[r * k + j] * b[c * k + j] * (static_cast<double>(a_absmax[r]) * b_absmax[c] / (127 * 127));
                if (flags[j] != 0) term += static_cast<double>(x[r * k + j]) * b[c * k + j] * b_absmax[c] / 127;
                sum += term;
                squares += term * term;
            }
            y.values.push_back(sum);
        }
        y.size = std::sqrt(squares);
        return y;
    }
};

TEST_F(linear8bit_on_cuda, every_count_of_rows_gives_the_scalar_bits_without_outliers_for_ragged_n_and_k) {
    const std::vector<size_t> ns = {1, 7, 16, 17, 65}, ks = {1, 31, 32, 64, 100, 320};
    for (size_t m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 33, 66}) {
        if (checked_build() && m > 5 && m < 16) continue;
        for (size_t i = 0; i < ks.size(); i++) {
            const size_t n = ns[(m + i) % ns.size()], k = ks[i];
            const results y = forward(normal_values(n * k, 1), n, k, normal_values(m * k, static_cast<uint32_t>(m)), m, i % 2 == 0 ? 0 : 50,
                                      i % 3 == 0 ? normal_values(n, 3) : std::vector<float>());
            EXPECT_EQ(y.cuda, y.scalar) << m << ' ' << n << ' ' << k;
        }
    }
}

TEST_F(linear8bit_on_cuda, outliers_few_many_or_all_columns_are_within_f32_rounding_of_f64) {
    for (size_t m : {1, 2, 4, 5, 17, 33}) {
        for (size_t k : {1, 33, 100, 320}) {
            const size_t n = 23;
            std::vector<float> x = rounded(normal_values(m * k, static_cast<uint32_t>(m + k)), NQ_DTYPE_F16);
            const std::vector<float> weights = normal_values(n * k, 2);
            for (size_t outliers : {size_t{1}, size_t{21}, k}) {
                for (size_t i = 0; i < std::min(outliers, k); i++)
                    x[i * 37 % m * k + (outliers == k ? i : i * 13 % k)] = i % 2 == 0 ? 60.0f : -8.0f;
                const results y = forward(weights, n, k, x, m, 6);
                const exact_sums expected = formula(weights, n, k, x, m, 6);
                EXPECT_LE(relative_error(y.cuda, expected), 1e-6) << m << ' ' << k << ' ' << outliers;
            }
        }
    }
}

TEST_F(linear8bit_on_cuda, long_rows_are_split_over_blocks_with_the_same_result) {
    for (size_t m : {2, 9, 20}) {
        constexpr size_t n = 17, k = 2100;
        std::vector<float> x = rounded(normal_values(m * k, 1), NQ_DTYPE_F16);
        const std::vector<float> weights = normal_values(n * k, 2);
        const results without = forward(weights, n, k, x, m, 0);
        EXPECT_EQ(without.cuda, without.scalar) << m;
        x[k + 2050] = -20;
        EXPECT_LE(relative_error(forward(weights, n, k, x, m, 6).cuda, formula(weights, n, k, x, m, 6)), 1e-6) << m;
    }
}

TEST_F(linear8bit_on_cuda, types_strides_and_values_beyond_f16_do_as_the_scalar_ones) {
    for (nq_dtype type : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
        for (size_t m : {3, 6}) {
            std::vector<float> x = normal_values(m * 67, 4);
            x[5] = type == NQ_DTYPE_F16 ? 6e4f : 1e5f;
            x[70] = 1e-6f;
            for (float threshold : {0.0f, 3.0f}) {
                const results y = forward(normal_values(19 * 67, 5), 19, 67, x, m, threshold, normal_values(19, 6), type, type, 3);
                for (size_t i = 0; i < y.cuda.size(); i++) {
                    const float ulp = type == NQ_DTYPE_F32 ? 3e-7f : type == NQ_DTYPE_F16 ? 1e-3f : 8e-3f;
                    if (std::isinf(y.scalar[i])) {
                        EXPECT_EQ(y.cuda[i], y.scalar[i]);
                    } else {
                        EXPECT_NEAR(y.cuda[i], y.scalar[i], threshold == 0 ? 0 : ulp * std::max(std::fabs(y.scalar[i]), 10.0f))
                            << i << ' ' << m;
                    }
                }
            }
        }
    }
}

TEST_F(linear8bit_on_cuda, a_row_with_nan_or_infinity_is_not_finite_and_no_other_changes) {
    constexpr size_t n = 17, k = 70;
    const std::vector<float> weights = normal_values(n * k, 8);
    for (size_t m : {2, 4, 7}) {
        for (float bad : {nan, infinity}) {
            for (float threshold : {0.0f, 6.0f}) {
                std::vector<float> x = normal_values(m * k, 9);
                x[(m - 2) * k + 33] = 0;
                x[(m - 1) * k + 33] = bad;
                const results y = forward(weights, n, k, x, m, threshold);
                for (size_t i = 0; i < m * n; i++) {
                    if (i / n == m - 1) {
                        EXPECT_FALSE(std::isfinite(y.cuda[i]));
                    } else {
                        EXPECT_TRUE(std::isfinite(y.cuda[i]));
                        EXPECT_NEAR(y.cuda[i], y.scalar[i], 1e-5);
                    }
                }
            }
        }
    }
}

TEST_F(linear8bit_on_cuda, rows_of_zeros_give_the_bias) {
    for (size_t m : {1, 5}) {
        const std::vector<float> bias = rounded(normal_values(9, 1), NQ_DTYPE_BF16);
        const results y = forward(normal_values(9 * 40, 2), 9, 40, std::vector<float>(m * 40), m, 6, bias);
        for (size_t i = 0; i < m * 9; i++) EXPECT_EQ(y.cuda[i], bias[i % 9]);
    }
}

TEST_F(linear8bit_on_cuda, a_group_adds_to_what_is_there_and_gates_as_the_scalar_group) {
    constexpr size_t n = 18, k = 40;
    for (size_t m : {2, 6}) {
        const std::vector<float> x = normal_values(m * k, 1), before = normal_values(m * n, 2);
        for (nq_epilogue epilogue : {NQ_EPILOGUE_ADD, NQ_EPILOGUE_GATED_SILU}) {
            std::vector<float> results[2];
            nq_device* devices[] = {cuda, scalar};
            for (int i = 0; i < 2; i++) {
                const matrix gate = matrix_8bit(devices[i], n, k, normal_values(n * k, 3)),
                             up = matrix_8bit(devices[i], n, k, normal_values(n * k, 4));
                const array input(devices[i], m, k, x), y0(devices[i], m, n, before), y1(devices[i], m, n, before);
                nq_linear_layer layers[2] = {};
                layers[0].matrix = gate;
                layers[0].y = *static_cast<const nq_tensor*>(y0);
                layers[0].threshold = 2;
                layers[1].matrix = up;
                layers[1].y = *static_cast<const nq_tensor*>(y1);
                layers[1].threshold = epilogue == NQ_EPILOGUE_ADD ? 1.5f : 2;
                ASSERT_OK(nq_linear_group_forward(layers, 2, input, epilogue));
                results[i] = y0.floats();
                const std::vector<float> second = y1.floats();
                results[i].insert(results[i].end(), second.begin(), second.end());
            }
            for (size_t i = 0; i < results[0].size(); i++)
                EXPECT_NEAR(results[0][i], results[1][i], 1e-5f * (1 + std::fabs(results[1][i])));
        }
    }
}

}  // namespace
}  // namespace nq::test
