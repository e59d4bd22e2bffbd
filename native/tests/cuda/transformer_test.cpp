#include "cuda/device/logarithm.h"
#include "cuda_testing.h"

namespace nq::test {

namespace {

constexpr nq_dtype floating_types[] = {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16};

// Rounding to a type once, of values that may differ by `steps` units in the last place of f32 before it.
float tolerance(float expected, nq_dtype type, float steps) {
    const float unit = type == NQ_DTYPE_F32 ? 0 : type == NQ_DTYPE_F16 ? 0x1p-10f : 0x1p-7f;
    return std::fabs(expected) * (unit + steps * 0x1p-23f) + 1e-37f;
}

void expect_near(const std::vector<float>& got, const std::vector<float>& expected, nq_dtype type, float steps) {
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); i++) {
        if (std::isnan(expected[i])) {
            EXPECT_TRUE(std::isnan(got[i])) << i;
        } else if (std::isinf(expected[i])) {
            EXPECT_EQ(got[i], expected[i]) << i;
        } else {
            EXPECT_NEAR(got[i], expected[i], tolerance(expected[i], type, steps)) << i;
        }
    }
}

}  // namespace

using transformer_on_cuda = cuda_and_scalar;

TEST(logarithm, is_that_of_the_c_library_for_every_exponent_and_around_one) {
    for (int exponent = -1022; exponent < 1024; exponent++) {
        for (double m : {1.0, 1.25, 1.4142135623730949, 1.4142135623730951, 1.9999999999999998}) {
            const double x = std::ldexp(m, exponent), expected = std::log(x);
            ASSERT_NEAR(cuda::natural_logarithm(x), expected, 4e-16 * std::max(1.0, std::fabs(expected))) << x;
        }
    }
    for (int i = 0; i < 100000; i++) {
        const double x = 0.5 + i * 2e-5;
        ASSERT_NEAR(cuda::natural_logarithm(x), std::log(x), 4e-16) << x;
    }
}

TEST_F(transformer_on_cuda, rmsnorm_agrees_with_the_scalar_one_for_every_type_stride_and_length) {
    for (nq_dtype type : floating_types) {
        for (size_t columns : {1u, 3u, 4u, 64u, 130u, 2051u}) {
            for (size_t gap : {0u, 1u, 4u}) {
                const size_t rows = columns > 1000 ? 1 : 3;
                std::vector<float> x = normal_values(rows * columns, 1, 3);
                x.front() = 1e4f;
                const std::vector<float> weight = normal_values(columns, 2);
                const array cuda_x(cuda, type, rows, columns, x, gap), cuda_w(cuda, type, 1, columns, weight),
                    cuda_y(cuda, type, rows, columns, gap);
                const array scalar_x(scalar, type, rows, columns, x, gap), scalar_w(scalar, type, 1, columns, weight),
                    scalar_y(scalar, type, rows, columns, gap);
                ASSERT_OK(nq_rmsnorm_forward(cuda_x, cuda_w, 1e-5f, cuda_y));
                ASSERT_OK(nq_rmsnorm_forward(scalar_x, scalar_w, 1e-5f, scalar_y));
                expect_near(cuda_y.floats(), scalar_y.floats(), type, 8);
                ASSERT_OK(nq_rmsnorm_forward(cuda_x, cuda_w, 1e-5f, cuda_x));
                EXPECT_EQ(cuda_x.floats(), cuda_y.floats()) << "in place";
            }
        }
    }
}

TEST_F(transformer_on_cuda, rmsnorm_of_zeros_is_zero_and_a_nan_stays_in_its_row) {
    std::vector<float> x(3 * 40, 0.0f);
    x[45] = nan;
    const array in(cuda, NQ_DTYPE_F32, 3, 40, x), weight(cuda, NQ_DTYPE_F32, 1, 40, std::vector<float>(40, 1)),
        y(cuda, NQ_DTYPE_F32, 3, 40);
    ASSERT_OK(nq_rmsnorm_forward(in, weight, 1e-6f, y));
    const std::vector<float> got = y.floats();
    for (size_t i = 0; i < got.size(); i++) {
        if (i / 40 == 1) {
            EXPECT_TRUE(std::isnan(got[i])) << i;
        } else {
            EXPECT_EQ(got[i], 0) << i;
        }
    }
}

TEST_F(transformer_on_cuda, rotary_is_the_scalar_one_bit_for_bit_and_leaves_the_rest_of_a_head) {
    for (nq_dtype type : floating_types) {
        for (const auto& [head_dim, half] : {std::pair<size_t, size_t>{2, 1}, {10, 3}, {64, 32}, {96, 16}}) {
            constexpr size_t rows = 3, heads = 5, positions = 9;
            const std::vector<float> x = normal_values(rows * heads * head_dim, 1);
            const std::vector<float> cosine = normal_values(positions * half, 2), sine = normal_values(positions * half, 3);
            const std::vector<uint32_t> at = {8, 0, 5};
            const array cuda_x(cuda, type, rows, heads * head_dim, x, 1), scalar_x(scalar, type, rows, heads * head_dim, x, 1);
            const auto rotate = [&](nq_device* device, const array& in) {
                const array p(device, 1, rows, at), c(device, NQ_DTYPE_F32, positions, half, cosine, 2),
                    s(device, NQ_DTYPE_F32, positions, half, sine);
                ASSERT_OK(nq_rotary_forward(in, static_cast<uint32_t>(head_dim), p, c, s));
            };
            rotate(cuda, cuda_x);
            rotate(scalar, scalar_x);
            EXPECT_EQ(cuda_x.bytes(), scalar_x.bytes()) << head_dim << ' ' << half;
        }
    }
}

TEST_F(transformer_on_cuda, log_softmax_agrees_with_the_scalar_one_and_the_probability_of_a_token_is_its_element) {
    for (nq_dtype type : floating_types) {
        for (size_t columns : {1u, 2u, 31u, 1000u, 2053u}) {
            constexpr size_t rows = 3;
            std::vector<float> logits = normal_values(rows * columns, 1, 5);
            for (size_t i = 0; i < columns; i++) logits[columns + i] += 1000;  // must not overflow
            logits.back() = -infinity;
            const std::vector<uint32_t> ids = {0, static_cast<uint32_t>(columns / 2), static_cast<uint32_t>(columns > 1 ? columns - 2 : 0)};
            const array cuda_in(cuda, type, rows, columns, logits, 1), cuda_y(cuda, NQ_DTYPE_F32, rows, columns),
                cuda_token(cuda, NQ_DTYPE_F32, 1, rows);
            const array scalar_in(scalar, type, rows, columns, logits, 1), scalar_y(scalar, NQ_DTYPE_F32, rows, columns);
            ASSERT_OK(nq_log_softmax_forward(cuda_in, cuda_y));
            ASSERT_OK(nq_token_log_probability_forward(cuda_in, array(cuda, 1, rows, ids), cuda_token));
            ASSERT_OK(nq_log_softmax_forward(scalar_in, scalar_y));
            const std::vector<float> got = cuda_y.floats(), expected = scalar_y.floats(), tokens = cuda_token.floats();
            for (size_t i = 0; i < got.size(); i++) {
                if (std::isfinite(expected[i])) {
                    EXPECT_NEAR(got[i], expected[i], 2e-7f * std::max(1.0f, std::fabs(expected[i]))) << i;
                } else {
                    EXPECT_EQ(std::isnan(got[i]), std::isnan(expected[i])) << i;
                }
            }
            for (size_t t = 0; t < rows; t++) {
                if (columns > 1 || t < 2) {
                    EXPECT_EQ(tokens[t], got[t * columns + ids[t]]);
                }
            }
            ASSERT_OK(nq_log_softmax_forward(cuda_in, cuda_in));
            if (type == NQ_DTYPE_F32 && columns > 1) {
                EXPECT_EQ(cuda_in.floats(), got) << "in place";
            }
        }
    }
}

TEST_F(transformer_on_cuda, a_nan_among_the_logits_stays_in_its_row) {
    std::vector<float> logits = normal_values(2 * 600, 1);
    logits[520] = nan;
    const array in(cuda, NQ_DTYPE_F32, 2, 600, logits), y(cuda, NQ_DTYPE_F32, 2, 600);
    ASSERT_OK(nq_log_softmax_forward(in, y));
    const std::vector<float> got = y.floats();
    for (size_t i = 0; i < got.size(); i++) EXPECT_EQ(std::isnan(got[i]), i < 600) << i;
}

TEST_F(transformer_on_cuda, the_next_read_names_the_first_index_out_of_range_and_the_one_after_it_works) {
    const array logits(cuda, NQ_DTYPE_F32, 4, 7, normal_values(28, 1));
    array y(cuda, NQ_DTYPE_F32, 1, 4, std::vector<float>(4, 9));
    const array ids(cuda, 1, 4, std::vector<uint32_t>{6, 1, 7, 99});
    ASSERT_OK(nq_token_log_probability_forward(logits, ids, y));
    float values[4];
    EXPECT_EQ(nq_buffer_read(y.view().buffer, 0, values, sizeof values), NQ_STATUS_INVALID_DATA);
    EXPECT_STREQ(nq_last_error_message(), "token id 2 is 7, expected below 7");
    const std::vector<float> got = y.floats();
    EXPECT_LT(got[1], 0);
    EXPECT_EQ(got[2], 9) << "stays as it is";
    EXPECT_EQ(got[3], 9);

    const array x(cuda, NQ_DTYPE_F32, 2, 4), positions(cuda, 1, 2, std::vector<uint32_t>{0, 7}), cosine(cuda, NQ_DTYPE_F32, 7, 2);
    ASSERT_OK(nq_rotary_forward(x, 4, positions, cosine, cosine));
    ASSERT_OK(nq_rotary_forward(x, 4, array(cuda, 1, 2, std::vector<uint32_t>{8, 8}), cosine, cosine));
    EXPECT_EQ(nq_buffer_read(y.view().buffer, 0, values, sizeof values), NQ_STATUS_INVALID_DATA);
    EXPECT_STREQ(nq_last_error_message(), "position 1 is 7, expected below 7") << "of the first operation";
    EXPECT_OK(nq_buffer_read(y.view().buffer, 0, values, sizeof values));
}

}  // namespace nq::test
