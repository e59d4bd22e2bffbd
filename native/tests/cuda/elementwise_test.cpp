#include "cuda_testing.h"

namespace nq::test {

using elementwise = cuda_and_scalar;

TEST_F(elementwise, residual_add_is_the_scalar_sum_bit_for_bit_for_every_type_and_stride) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (nq_dtype type : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
        for (const auto& [rows, columns] : {std::pair<size_t, size_t>{1, 1}, {3, 67}, {2, 300}}) {
            std::vector<float> x(rows * columns), y(rows * columns);
            for (float& v : x) v = normal(random);
            for (float& v : y) v = normal(random);
            x[0] = nan;
            y.back() = infinity;
            const array cuda_x(cuda, type, rows, columns, x, 3), cuda_y(cuda, type, rows, columns, y, 5);
            const array scalar_x(scalar, type, rows, columns, x, 3), scalar_y(scalar, type, rows, columns, y, 5);
            ASSERT_OK(nq_residual_add_forward(cuda_x, cuda_y));
            ASSERT_OK(nq_residual_add_forward(scalar_x, scalar_y));
            const std::vector<float> got = decode(cuda_y.bytes(), type), expected = decode(scalar_y.bytes(), type);
            for (size_t i = 0; i < got.size(); i++) {
                if (std::isnan(expected[i])) {
                    EXPECT_TRUE(std::isnan(got[i])) << i;
                } else {
                    EXPECT_EQ(got[i], expected[i]) << i;
                }
            }
        }
    }
}

TEST_F(elementwise, gated_silu_agrees_with_the_scalar_one_also_far_from_zero) {
    const std::vector<float> gates = {0, -0.0f, 1, -1, 20, -20, 87, -87, 90, -90, 1e-30f, 3e38f, -3e38f, infinity, -infinity, nan};
    const std::vector<float> ups(gates.size(), 1.5f);
    const array cuda_gate(cuda, NQ_DTYPE_F32, 1, gates.size(), gates), cuda_up(cuda, NQ_DTYPE_F32, 1, ups.size(), ups);
    const array scalar_gate(scalar, NQ_DTYPE_F32, 1, gates.size(), gates), scalar_up(scalar, NQ_DTYPE_F32, 1, ups.size(), ups);
    const array cuda_y(cuda, NQ_DTYPE_F32, 1, gates.size()), scalar_y(scalar, NQ_DTYPE_F32, 1, gates.size());
    ASSERT_OK(nq_gated_silu_forward(cuda_gate, cuda_up, cuda_y));
    ASSERT_OK(nq_gated_silu_forward(scalar_gate, scalar_up, scalar_y));
    const std::vector<float> got = decode(cuda_y.bytes(), NQ_DTYPE_F32), expected = decode(scalar_y.bytes(), NQ_DTYPE_F32);
    for (size_t i = 0; i < gates.size(); i++) {
        if (std::isnan(expected[i])) {
            EXPECT_TRUE(std::isnan(got[i])) << gates[i];
        } else if (std::isinf(expected[i])) {
            EXPECT_EQ(got[i], expected[i]) << gates[i];
        } else {
            EXPECT_NEAR(got[i], expected[i], 1e-6f * std::fabs(expected[i]) + 1e-37f) << gates[i];
        }
    }
}

}  // namespace nq::test
