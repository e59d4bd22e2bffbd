// What becomes of a finished sum: bias, rounding, adding, gating, for every type of y and bias. The layers are dense with sums of integers,
// which every kernel has exactly, so the last steps are all that can differ.
#include "cuda_testing.h"

namespace nq::test {
namespace {

constexpr nq_dtype floating_types[] = {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16};
constexpr size_t n = 37, k = 40;

class epilogues : public cuda_and_scalar {
protected:
    static std::vector<float> integers(size_t count, uint32_t seed) {
        std::mt19937 generator(seed);
        std::uniform_int_distribution<int> few(-4, 4);
        std::vector<float> values(count);
        for (float& v : values) v = static_cast<float>(few(generator)) / 8;
        return values;
    }

    struct case_of_types {
        nq_dtype weights, bias, y;
        size_t m;
    };
    std::vector<case_of_types> cases() const {
        std::vector<case_of_types> all;
        for (nq_dtype weights : {NQ_DTYPE_F32, NQ_DTYPE_BF16}) {  // GEMV, f32 and tensor-core products
            for (nq_dtype bias : floating_types) {
                for (nq_dtype y : floating_types) {
                    for (size_t m : {2u, 6u}) all.push_back({weights, bias, y, m});
                }
            }
        }
        return all;
    }

    // Both layers of a group on a device: y of each.
    static std::vector<std::vector<float>> run(nq_device* device, const case_of_types& c, nq_epilogue kind) {
        const array x(device, NQ_DTYPE_F32, c.m, k, integers(c.m * k, 1)), bias(device, c.bias, 1, n, normal_values(n, 2));
        const matrix first = dense_matrix(device, n, k, integers(n * k, 3), c.weights),
                     second = dense_matrix(device, n, k, integers(n * k, 4), c.weights);
        const array y(device, c.y, c.m, n, normal_values(c.m * n, 5), 3), z(device, NQ_DTYPE_F32, c.m, n, normal_values(c.m * n, 6), 1);
        const nq_linear_layer layers[] = {{first, NQ_DTYPE_F32, 0, *static_cast<const nq_tensor*>(bias), *static_cast<const nq_tensor*>(y)},
                                          {second, NQ_DTYPE_F32, 0, {}, *static_cast<const nq_tensor*>(z)}};
        EXPECT_OK(nq_linear_group_forward(layers, 2, x, kind));
        return {y.floats(), z.floats()};
    }
};

TEST_F(epilogues, storing_and_adding_give_the_scalar_bits) {
    for (const case_of_types& c : cases()) {
        for (nq_epilogue kind : {NQ_EPILOGUE_NONE, NQ_EPILOGUE_ADD}) {
            EXPECT_EQ(run(cuda, c, kind), run(scalar, c, kind))
                << "weights " << c.weights << " bias " << c.bias << " y " << c.y << " M " << c.m;
        }
    }
}

TEST_F(epilogues, gating_is_the_scalar_one_up_to_the_exponential) {
    for (const case_of_types& c : cases()) {
        const auto got = run(cuda, c, NQ_EPILOGUE_GATED_SILU), expected = run(scalar, c, NQ_EPILOGUE_GATED_SILU);
        EXPECT_EQ(got[1], expected[1]) << "what is gated is stored as well";
        const float ulp = c.y == NQ_DTYPE_F32 ? 1e-6f : c.y == NQ_DTYPE_F16 ? 0x1p-10f : 0x1p-7f;
        for (size_t i = 0; i < got[0].size(); i++) {
            ASSERT_NEAR(got[0][i], expected[0][i], ulp * std::fabs(expected[0][i]) + 1e-6f) << c.y << " M " << c.m << " at " << i;
        }
    }
}

}  // namespace
}  // namespace nq::test
