// Dense layers: every pair of types on every kernel, exactly where the sum is exact, and to f32 where it is not.
#include <algorithm>

#include "cuda_testing.h"

namespace nq::test {
namespace {

constexpr nq_dtype floating_types[] = {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16};
constexpr size_t few_rows[] = {1, 2, 3, 4, 5, 16, 17, 64, 65, 130};  // GEMV up to 4, then tiles of 16, 64 and 128 rows

using dense_linear = cuda_and_scalar;

std::vector<float> random_integers(size_t count, uint32_t seed, int largest) {
    std::mt19937 generator(seed);
    std::uniform_int_distribution<int> integers(-largest, largest);
    std::vector<float> values(count);
    for (float& v : values) v = static_cast<float>(integers(generator));
    return values;
}

// Sums of integers are exact in any order: one wrong lane, row or column shows.
TEST_F(dense_linear, sums_of_integers_are_exact_for_every_pair_of_types_and_every_tile) {
    struct shape {
        size_t n, k;
    };
    for (nq_dtype w_type : floating_types) {
        for (nq_dtype x_type : floating_types) {
            for (size_t m : few_rows) {
                if (checked_build() && m % 2 == 0 && m != 130) continue;
                const shape s = m == 5 ? shape{130, 600} : m % 2 == 0 ? shape{9, 40} : shape{131, 71};  // 600: parts of K
                const std::vector<float> w = random_integers(s.n * s.k, 1, 8), x = random_integers(m * s.k, 2, 8),
                                         bias = random_integers(s.n, 3, 100);
                const matrix weights = dense_matrix(cuda, s.n, s.k, w, w_type);
                const array in(cuda, x_type, m, s.k, x, 3), b(cuda, NQ_DTYPE_F32, 1, s.n, bias), out(cuda, NQ_DTYPE_F32, m, s.n, 1);
                ASSERT_OK(nq_linear_forward(weights, in, b, out));
                const std::vector<double> expected = product(x, w, bias, m, s.n, s.k).values;
                const std::vector<float> y = out.floats();
                size_t wrong = 0;
                for (size_t i = 0; i < y.size(); i++) wrong += y[i] != expected[i];
                EXPECT_EQ(wrong, 0u) << "weights " << w_type << " x " << x_type << " M " << m;
            }
        }
    }
}

// One column of x is not zero, the weights are powers of two: the result is x itself, to its last bit.
TEST_F(dense_linear, no_bit_of_x_is_lost) {
    constexpr size_t n = 20, k = 96;
    for (nq_dtype w_type : floating_types) {
        std::vector<float> w(n * k);
        for (size_t i = 0; i < w.size(); i++) w[i] = std::ldexp(i % 3 == 0 ? -1.0f : 1.0f, static_cast<int>(i % 9) - 4);
        const matrix weights = dense_matrix(cuda, n, k, w, w_type);
        for (size_t m : {2u, 7u, 33u}) {
            std::vector<float> x(m * k), values = normal_values(m, 4);
            values[0] = 3.4028234e38f / 32;
            values[1] = -0x1.fffffep-80f;
            for (size_t r = 0; r < m; r++) x[r * k + r * 5 % k] = values[r];
            const array in(cuda, NQ_DTYPE_F32, m, k, x), out(cuda, NQ_DTYPE_F32, m, n);
            ASSERT_OK(nq_linear_forward(weights, in, nullptr, out));
            const std::vector<float> y = out.floats();
            for (size_t i = 0; i < y.size(); i++)
                ASSERT_EQ(y[i], values[i / n] * w[i % n * k + i / n * 5 % k]) << "weights " << w_type << " M " << m << " at " << i;
        }
    }
}

// Weights that use every bit of their type, and the smallest there are.
TEST_F(dense_linear, no_bit_of_a_weight_is_lost) {
    constexpr size_t n = 40, k = 64, m = 6;
    for (nq_dtype w_type : floating_types) {
        std::vector<float> w = rounded(normal_values(n * k, 5), w_type);
        for (size_t i = 0; i < w.size(); i += 7) w[i] = 0x1p-24f * static_cast<float>(i % 5);  // subnormal in f16
        w = rounded(w, w_type);
        const matrix weights = dense_matrix(cuda, n, k, w, w_type);
        for (nq_dtype x_type : floating_types) {
            std::vector<float> x(m * k);
            for (size_t r = 0; r < m; r++) x[r * k + r * 9] = std::ldexp(1.0f, static_cast<int>(r));
            const array in(cuda, x_type, m, k, x), out(cuda, NQ_DTYPE_F32, m, n);
            ASSERT_OK(nq_linear_forward(weights, in, nullptr, out));
            const std::vector<float> y = out.floats();
            for (size_t i = 0; i < y.size(); i++)
                ASSERT_EQ(y[i], x[i / n * k + i / n * 9] * w[i % n * k + i / n * 9]) << w_type << ' ' << x_type;
        }
    }
}

TEST_F(dense_linear, long_rows_keep_the_stated_error) {
    constexpr size_t n = 3, k = 4100;
    for (nq_dtype w_type : floating_types) {
        const std::vector<float> w = rounded(normal_values(n * k, 6), w_type);
        const matrix weights = dense_matrix(cuda, n, k, w, w_type);
        for (size_t m : {1u, 5u}) {
            const std::vector<float> x = normal_values(m * k, 7);
            const array in(cuda, NQ_DTYPE_F32, m, k, x), out(cuda, NQ_DTYPE_F32, m, n);
            ASSERT_OK(nq_linear_forward(weights, in, nullptr, out));
            EXPECT_LE(relative_error(out.floats(), product(x, w, {}, m, n, k)), 1e-6) << w_type << ' ' << m;
        }
    }
}

TEST_F(dense_linear, what_is_not_finite_reaches_its_row_only_and_infinity_keeps_its_sign) {
    constexpr size_t n = 18, k = 70;
    std::vector<float> w = normal_values(n * k, 8);
    for (float& v : w) v += v < 0 ? -0.1f : 0.1f;
    for (nq_dtype w_type : floating_types) {
        const matrix weights = dense_matrix(cuda, n, k, w, w_type);
        for (nq_dtype x_type : floating_types) {
            for (size_t m : {3u, 6u}) {
                for (float bad : {nan, infinity, -infinity}) {
                    std::vector<float> x = normal_values(m * k, 9);
                    x[2 * k + 69] = bad;
                    const array in(cuda, x_type, m, k, x), out(cuda, NQ_DTYPE_F32, m, n);
                    ASSERT_OK(nq_linear_forward(weights, in, nullptr, out));
                    const std::vector<float> y = out.floats();
                    for (size_t i = 0; i < y.size(); i++) {
                        if (i / n != 2) {
                            ASSERT_TRUE(std::isfinite(y[i])) << i;
                        } else if (std::isnan(bad)) {
                            ASSERT_TRUE(std::isnan(y[i])) << i;
                        } else if (w_type == NQ_DTYPE_F16 && x_type != NQ_DTYPE_F16 && m > 4) {
                            ASSERT_FALSE(std::isfinite(y[i])) << i;  // of weights in two parts one may be 0, and the product NaN
                        } else {
                            ASSERT_EQ(y[i], bad * w[i % n * k + 69]) << i;
                        }
                    }
                }
            }
        }
    }
}

// x that begins anywhere and has any stride takes another way into the kernels, not to another result.
TEST_F(dense_linear, where_x_lies_does_not_matter) {
    constexpr size_t n = 33, k = 64;
    for (nq_dtype type : floating_types) {
        const matrix weights = dense_matrix(cuda, n, k, normal_values(n * k, 10), type);
        for (size_t m : {2u, 9u}) {
            const std::vector<float> x = normal_values(m * k, 11);
            const array aligned(cuda, type, m, k, x), expected(cuda, NQ_DTYPE_F32, m, n), actual(cuda, NQ_DTYPE_BF16, m, n, 7);
            ASSERT_OK(nq_linear_forward(weights, aligned, nullptr, expected));
            for (const auto& [gap, lead] : {std::pair<size_t, size_t>{1, 0}, {0, 1}, {8, 8}, {5, 3}}) {
                array in(cuda, type, m, k, gap, lead);
                in.set_bytes(encode(x, type));
                ASSERT_OK(nq_linear_forward(weights, in, nullptr, actual));
                EXPECT_EQ(actual.floats(), rounded(expected.floats(), NQ_DTYPE_BF16)) << gap << ' ' << lead << " M " << m;
            }
        }
    }
}

}  // namespace
}  // namespace nq::test
