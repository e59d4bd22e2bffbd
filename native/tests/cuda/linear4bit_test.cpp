// 4-bit layers on CUDA against f64 sums of the operands that the header defines, and against the scalar implementation.
#include "matrices4bit.h"

namespace nq::test {
namespace {

using linear4bit = cuda_and_scalar;

struct shape {
    size_t m, n, k;
    uint32_t blocksize;
    bool nested;
    nq_quant_type type;
};

std::string name_of(const shape& s, nq_dtype compute) {
    return std::to_string(s.m) + " x " + std::to_string(s.n) + " x " + std::to_string(s.k) + ", blocks of " + std::to_string(s.blocksize) +
           (s.nested ? ", nested" : "") + (s.type == NQ_QUANT_TYPE_FP4 ? ", FP4" : ", NF4") + ", compute type " + std::to_string(compute);
}

// y = layer(x) by the CUDA device, twice, with equal bits.
std::vector<float> forward(nq_device* cuda, nq_matrix* weights, const array& x, const nq_tensor* bias, nq_dtype compute, const shape& s,
                           nq_dtype y_type) {
    const array y(cuda, y_type, s.m, s.n, 5), again(cuda, y_type, s.m, s.n);
    EXPECT_OK(nq_linear4bit_forward(weights, x, bias, compute, y));
    EXPECT_OK(nq_linear4bit_forward(weights, x, bias, compute, again));
    EXPECT_EQ(y.bytes(), again.bytes()) << "the second time";
    return y.floats();
}

// Products of what the header says is multiplied, with y in f32: only sums may differ from f64.
void expect_sums(nq_device* cuda, nq_device* scalar, const shape& s, nq_dtype x_type, nq_dtype compute) {
    SCOPED_TRACE(name_of(s, compute));
    std::vector<float> values = normal_values(s.n * s.k, 1);
    for (size_t i = 0; i < s.k; i += 7) values[(s.n / 2) * s.k + i] *= 20;  // outliers
    if (s.k >= 2 * s.blocksize) std::fill_n(values.begin(), s.blocksize, 0.0f);
    const twin_matrices weights(scalar, cuda, s.n, s.k, values, s.type, s.blocksize, s.nested);
    const std::vector<float> x_values = rounded(normal_values(s.m * s.k, 2), x_type),
                             bias_values = rounded(normal_values(s.n, 3), NQ_DTYPE_F16);
    // Rows of an even number are aligned to 16 bytes, as the matrix product takes them without a copy.
    const array x(cuda, x_type, s.m, s.k, x_values, s.m % 2 == 0 ? 8 : 3), bias(cuda, NQ_DTYPE_F16, 1, s.n, bias_values);
    const std::vector<float> w = rounded(dequantized(scalar, weights.scalar), compute);
    const exact_sums expected = product(rounded(x_values, compute), w, rounded(bias_values, compute), s.m, s.n, s.k);
    const std::vector<float> y = forward(cuda, weights.cuda, x, bias, compute, s, NQ_DTYPE_F32);
    // f32 arithmetic, and one rounding to the compute type.
    const double rounding = compute == NQ_DTYPE_F32 ? 0 : compute == NQ_DTYPE_F16 ? 0x1p-11 : 0x1p-8;
    for (size_t i = 0; i < y.size(); i++) {
        double size = std::fabs(bias_values[i % s.n]);
        for (size_t k = 0; k < s.k; k++) size += std::fabs(x_values[i / s.n * s.k + k] * w[i % s.n * s.k + k]);
        ASSERT_NEAR(y[i], expected.values[i],
                    4 * std::sqrt(static_cast<double>(s.k)) * 0x1p-24 * size + rounding * std::fabs(expected.values[i]))
            << "row " << i / s.n << ", column " << i % s.n;
    }
    if (compute == NQ_DTYPE_F32) {
        EXPECT_LE(relative_error(y, expected), 1e-6);
    }
}

constexpr nq_quant_type nf4 = NQ_QUANT_TYPE_NF4, fp4 = NQ_QUANT_TYPE_FP4;

TEST_F(linear4bit, sums_are_exact_to_f32_for_few_rows_of_every_shape) {
    for (const shape& s : {shape{1, 1, 64, 64, false, nf4}, shape{1, 65, 320, 64, true, nf4}, shape{2, 130, 192, 32, true, fp4},
                           shape{3, 15, 96, 32, false, nf4}, shape{4, 64, 128, 128, true, nf4}, shape{1, 64, 4096, 4096, false, fp4},
                           shape{4, 1, 2048, 256, true, nf4}, shape{2, 66, 64, 32, false, fp4}}) {
        for (nq_dtype compute : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16}) expect_sums(cuda, scalar, s, NQ_DTYPE_F32, compute);
    }
}

TEST_F(linear4bit, rows_longer_than_their_place_in_shared_memory_come_in_pieces) {
    expect_sums(cuda, scalar, {4, 257, checked_build() ? size_t{1088} : size_t{2112}, 64, true, nf4}, NQ_DTYPE_F16, NQ_DTYPE_F32);
}

TEST_F(linear4bit, blocks_that_run_over_row_ends_are_multiplied_too) {
    for (const shape& s : {shape{1, 1, 1, 32, false, nf4}, shape{1, 15, 63, 64, true, nf4}, shape{5, 9, 100, 32, false, fp4},
                           shape{17, 3, 65, 4096, true, nf4}}) {
        for (nq_dtype compute : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16}) expect_sums(cuda, scalar, s, NQ_DTYPE_BF16, compute);
    }
}

TEST_F(linear4bit, many_rows_in_f32_go_in_groups_of_four) {
    for (const shape& s : {shape{5, 65, 64, 64, true, nf4}, shape{17, 3, 320, 64, false, nf4}}) {
        expect_sums(cuda, scalar, s, NQ_DTYPE_F16, NQ_DTYPE_F32);
    }
}

TEST_F(linear4bit, products_of_many_rows_are_sums_of_rounded_operands_for_every_shape) {
    for (const shape& s : {shape{5, 1, 64, 64, false, nf4}, shape{7, 15, 96, 32, true, nf4}, shape{8, 65, 320, 64, true, fp4},
                           shape{16, 130, 576, 64, false, nf4}, shape{17, 64, 128, 128, true, nf4}, shape{31, 129, 192, 32, false, fp4},
                           shape{33, 200, 256, 64, true, nf4}, shape{65, 66, 128, 64, false, nf4}, shape{6, 70, 4096, 4096, false, nf4},
                           shape{130, 3, 64, 32, true, fp4}}) {
        for (nq_dtype compute : {NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
            if (checked_build() && compute == NQ_DTYPE_F16) continue;  // the same accesses
            expect_sums(cuda, scalar, s, NQ_DTYPE_F32, compute);
            if (s.m < 9) expect_sums(cuda, scalar, s, compute, compute);
        }
    }
}

TEST_F(linear4bit, every_number_of_rows_up_to_a_second_block_is_multiplied) {
    for (size_t m = 1; m <= 17; m += checked_build() ? 4 : 1) {
        for (nq_dtype compute : {NQ_DTYPE_F32, NQ_DTYPE_BF16})
            expect_sums(cuda, scalar, {m, 65, 96, 32, true, nf4}, NQ_DTYPE_BF16, compute);
    }
}

TEST_F(linear4bit, every_type_of_operands_agrees_with_the_scalar_one) {
    const shape s{2, 70, 128, 64, true, nf4};
    const twin_matrices weights(scalar, cuda, s.n, s.k, normal_values(s.n * s.k, 4), s.type, s.blocksize, s.nested);
    for (nq_dtype x_type : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
        for (nq_dtype y_type : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
            const std::vector<float> x = normal_values(s.m * s.k, 5), bias = normal_values(s.n, 6);
            const array cuda_x(cuda, x_type, s.m, s.k, x), scalar_x(scalar, x_type, s.m, s.k, x);
            const array cuda_bias(cuda, y_type, 1, s.n, bias), scalar_bias(scalar, y_type, 1, s.n, bias);
            const array expected(scalar, y_type, s.m, s.n);
            ASSERT_OK(nq_linear4bit_forward(weights.scalar, scalar_x, scalar_bias, x_type, expected));
            const std::vector<float> got = forward(cuda, weights.cuda, cuda_x, cuda_bias, x_type, s, y_type), want = expected.floats();
            double largest = 0;
            for (float v : want) largest = std::max<double>(largest, std::fabs(v));
            // Sums that differ in the last bit of f32 may round to neighbours.
            const double ulp = y_type == NQ_DTYPE_BF16 || x_type == NQ_DTYPE_BF16 ? 0x1p-7
                               : y_type == NQ_DTYPE_F16 || x_type == NQ_DTYPE_F16 ? 0x1p-10
                                                                                  : 1e-6;
            for (size_t i = 0; i < got.size(); i++) EXPECT_NEAR(got[i], want[i], ulp * largest) << i;
        }
    }
}

TEST_F(linear4bit, int8_activations_give_the_scalar_sums) {
    for (const shape& s : {shape{1, 65, 320, 64, true, nf4}, shape{2, 3, 1088, 64, false, fp4}, shape{3, 130, 96, 32, false, nf4},
                           shape{6, 66, 256, 128, true, nf4}, shape{5, 9, 100, 32, true, nf4}, shape{2, 5, 63, 64, false, nf4}}) {
        SCOPED_TRACE(name_of(s, NQ_DTYPE_I8));
        const twin_matrices weights(scalar, cuda, s.n, s.k, normal_values(s.n * s.k, 10), s.type, s.blocksize, s.nested);
        std::vector<float> x = normal_values(s.m * s.k, 11);
        std::fill_n(x.begin(), std::min<size_t>(s.k, 64), 0.0f);
        x.back() = 100;
        const std::vector<float> bias = normal_values(s.n, 12);
        const array cuda_x(cuda, NQ_DTYPE_F32, s.m, s.k, x, 3), scalar_x(scalar, NQ_DTYPE_F32, s.m, s.k, x);
        const array cuda_bias(cuda, NQ_DTYPE_F32, 1, s.n, bias), scalar_bias(scalar, NQ_DTYPE_F32, 1, s.n, bias);
        const array expected(scalar, NQ_DTYPE_F32, s.m, s.n);
        ASSERT_OK(nq_linear4bit_forward(weights.scalar, scalar_x, scalar_bias, NQ_DTYPE_I8, expected));
        const std::vector<float> got = forward(cuda, weights.cuda, cuda_x, cuda_bias, NQ_DTYPE_I8, s, NQ_DTYPE_F32),
                                 want = expected.floats();
        const std::vector<float> w = dequantized(scalar, weights.scalar);
        for (size_t i = 0; i < got.size(); i++) {
            double size = std::fabs(bias[i % s.n]);
            for (size_t k = 0; k < s.k; k++) size += std::fabs(x[i / s.n * s.k + k] * w[i % s.n * s.k + k]);
            EXPECT_NEAR(got[i], want[i], 4 * std::sqrt(static_cast<double>(s.k)) * 0x1p-24 * size) << i;
        }
    }
}

TEST_F(linear4bit, what_is_not_finite_in_x_reaches_its_row_and_no_other) {
    for (size_t k : {size_t{128}, size_t{100}}) {
        for (size_t m : {size_t{3}, size_t{6}}) {
            const shape s{m, 66, k, 64, false, nf4};
            const twin_matrices weights(scalar, cuda, s.n, s.k, normal_values(s.n * s.k, 7), s.type, s.blocksize, s.nested);
            for (nq_dtype compute : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16, NQ_DTYPE_I8}) {
                std::vector<float> x = normal_values(s.m * s.k, 8);
                const std::vector<float> clean =
                    forward(cuda, weights.cuda, array(cuda, NQ_DTYPE_F32, s.m, s.k, x), nullptr, compute, s, NQ_DTYPE_F32);
                for (float bad : {nan, infinity}) {
                    x[s.k + 65] = bad;
                    const std::vector<float> y =
                        forward(cuda, weights.cuda, array(cuda, NQ_DTYPE_F32, s.m, s.k, x), nullptr, compute, s, NQ_DTYPE_F32);
                    for (size_t i = 0; i < y.size(); i++) {
                        if (i / s.n == 1) {
                            EXPECT_FALSE(std::isfinite(y[i])) << i;
                        } else {
                            EXPECT_EQ(y[i], clean[i]) << i;
                        }
                    }
                }
            }
        }
    }
}

TEST_F(linear4bit, weights_of_zero_give_the_bias_exactly) {
    for (size_t m : {size_t{1}, size_t{6}}) {
        const shape s{m, 65, 128, 64, false, nf4};
        const twin_matrices weights(scalar, cuda, s.n, s.k, std::vector<float>(s.n * s.k), s.type, s.blocksize, s.nested);
        const array x(cuda, NQ_DTYPE_F32, s.m, s.k, normal_values(s.m * s.k, 9)),
            bias(cuda, NQ_DTYPE_F32, 1, s.n, std::vector<float>(s.n, 0.5f));
        for (nq_dtype compute : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16, NQ_DTYPE_I8}) {
            EXPECT_EQ(forward(cuda, weights.cuda, x, bias, compute, s, NQ_DTYPE_F32), std::vector<float>(s.m * s.n, 0.5f));
        }
    }
}

}  // namespace
}  // namespace nq::test
