// Transformer operations through the ABI against f64 arithmetic, on every implementation.
#include <algorithm>

#include "support.h"

namespace nq::test {
namespace {

class Transformer : public EveryImplementation {};
NQ_RUN_ON_EVERY_IMPLEMENTATION(Transformer);

// What an operation says of its data: at once, or, on a device that computes after the call, when something is next read.
nq_status outcome(nq_status status, const array& any) {
    uint8_t byte;
    return status != NQ_STATUS_OK ? status : nq_buffer_read(static_cast<const nq_tensor*>(any)->buffer, 0, &byte, sizeof byte);
}

constexpr nq_dtype floating_types[] = {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16};

TEST_P(Transformer, EmbeddingCopiesRowsOfEveryType) {
    constexpr size_t rows = 37, columns = 75;
    for (nq_dtype held : floating_types) {
        const std::vector<float> table = rounded(normal_values(rows * columns, 1), held);
        const matrix weights = dense_matrix(device_, rows, columns, table, held);
        const std::vector<uint32_t> ids = {0, 36, 5, 5, 16, 15};
        const array id_array(device_, 1, ids.size(), ids);
        for (nq_dtype type : floating_types) {
            const array y(device_, type, ids.size(), columns, 3);
            ASSERT_OK(nq_embedding_forward(weights, id_array, y));
            std::vector<float> expected;
            for (uint32_t id : ids) expected.insert(expected.end(), table.begin() + id * columns, table.begin() + (id + 1) * columns);
            EXPECT_EQ(y.floats(), rounded(expected, type));
        }
    }
}

TEST_P(Transformer, EmbeddingNamesAnIdOutsideTheTable) {
    const matrix weights = dense_matrix(device_, 4, 2, normal_values(8, 1));
    const array ids(device_, 1, 3, std::vector<uint32_t>{1, 3, 4}), y(device_, NQ_DTYPE_F32, 3, 2, std::vector<float>(6, 9));
    EXPECT_EQ(outcome(nq_embedding_forward(weights, ids, y), y), NQ_STATUS_INVALID_DATA);
    EXPECT_STREQ(nq_last_error_message(), "token id 2 is 4, expected below 4");
    EXPECT_EQ(y.floats()[4], 9);
    EXPECT_EQ(y.floats()[5], 9);
}

TEST_P(Transformer, RmsnormMatchesTheFormula) {
    for (size_t columns : {1u, 7u, 16u, 100u, 1025u}) {
        const size_t rows = 3;
        const std::vector<float> x = normal_values(rows * columns, 2, 3), weight = normal_values(columns, 3);
        const array in(device_, NQ_DTYPE_F32, rows, columns, x, 2), w(device_, NQ_DTYPE_F32, 1, columns, weight),
            y(device_, NQ_DTYPE_F32, rows, columns);
        ASSERT_OK(nq_rmsnorm_forward(in, w, 1e-5f, y));
        std::vector<double> expected(x.size());
        for (size_t r = 0; r < rows; r++) {
            double squares = 0;
            for (size_t c = 0; c < columns; c++) squares += static_cast<double>(x[r * columns + c]) * x[r * columns + c];
            const double scale = 1 / std::sqrt(squares / static_cast<double>(columns) + 1e-5f);
            for (size_t c = 0; c < columns; c++) expected[r * columns + c] = x[r * columns + c] * scale * weight[c];
        }
        EXPECT_LE(relative_error(y.floats(), expected), 5e-7) << columns;
        ASSERT_OK(nq_rmsnorm_forward(in, w, 1e-5f, in));
        EXPECT_EQ(in.floats(), y.floats()) << "in place";
    }
}

TEST_P(Transformer, RmsnormOfZerosIsZeroAndNanStaysInItsRow) {
    std::vector<float> x(3 * 20, 0.0f);
    x[25] = nan;
    const array in(device_, NQ_DTYPE_F32, 3, 20, x), w(device_, NQ_DTYPE_F32, 1, 20, std::vector<float>(20, 1)),
        y(device_, NQ_DTYPE_F32, 3, 20);
    ASSERT_OK(nq_rmsnorm_forward(in, w, 1e-6f, y));
    for (size_t i = 0; i < x.size(); i++) {
        if (i / 20 == 1) {
            EXPECT_TRUE(std::isnan(y.floats()[i]));
        } else {
            EXPECT_EQ(y.floats()[i], 0);
        }
    }
}

TEST_P(Transformer, RotaryRotatesHalvesOfEachHead) {
    constexpr size_t rows = 4, heads = 3, positions = 10;
    for (size_t head_dim : {2u, 6u, 16u, 64u, 100u}) {
        for (size_t half : {size_t{1}, head_dim / 2}) {  // fewer pairs than half a head: the rest stays
            const size_t columns = heads * head_dim;
            const std::vector<float> x = normal_values(rows * columns, 4), cosine = normal_values(positions * half, 5),
                                     sine = normal_values(positions * half, 6);
            const std::vector<uint32_t> at = {9, 0, 3, 3};
            const array in(device_, NQ_DTYPE_F32, rows, columns, x, 1), p(device_, 1, rows, at);
            const array c(device_, NQ_DTYPE_F32, positions, half, cosine), s(device_, NQ_DTYPE_F32, positions, half, sine, 2);
            ASSERT_OK(nq_rotary_forward(in, static_cast<uint32_t>(head_dim), p, c, s));
            std::vector<double> expected(x.begin(), x.end());
            for (size_t t = 0; t < rows; t++) {
                for (size_t h = 0; h < heads; h++) {
                    for (size_t i = 0; i < half; i++) {
                        const size_t a = t * columns + h * head_dim + i, b = a + half;
                        const double cos = cosine[at[t] * half + i], sin = sine[at[t] * half + i];
                        expected[a] = x[a] * cos - x[b] * sin;
                        expected[b] = x[b] * cos + x[a] * sin;
                    }
                }
            }
            EXPECT_LE(relative_error(in.floats(), expected), 2e-7) << head_dim << ' ' << half;
        }
    }
}

TEST_P(Transformer, RotaryNamesAPositionOutsideTheTables) {
    const array x(device_, NQ_DTYPE_F32, 2, 4), p(device_, 1, 2, std::vector<uint32_t>{0, 7}), c(device_, NQ_DTYPE_F32, 7, 2),
        s(device_, NQ_DTYPE_F32, 7, 2);
    EXPECT_EQ(outcome(nq_rotary_forward(x, 4, p, c, s), x), NQ_STATUS_INVALID_DATA);
    EXPECT_STREQ(nq_last_error_message(), "position 1 is 7, expected below 7");
}

TEST_P(Transformer, GatedSiluMatchesTheFormula) {
    for (size_t columns : {1u, 8u, 17u, 300u}) {
        std::vector<float> gate = normal_values(2 * columns, 7, 4), up = normal_values(2 * columns, 8);
        gate[0] = -200;
        gate[columns] = 200;
        const array g(device_, NQ_DTYPE_F32, 2, columns, gate), u(device_, NQ_DTYPE_F32, 2, columns, up, 1),
            y(device_, NQ_DTYPE_F32, 2, columns, 3);
        ASSERT_OK(nq_gated_silu_forward(g, u, y));
        std::vector<double> expected(gate.size());
        for (size_t i = 0; i < gate.size(); i++) expected[i] = gate[i] / (1 + std::exp(-static_cast<double>(gate[i]))) * up[i];
        EXPECT_LE(relative_error(y.floats(), expected), 5e-7) << columns;
        EXPECT_NEAR(y.floats()[0], 0, 1e-30);
        const std::vector<float> separate = y.floats();
        ASSERT_OK(nq_gated_silu_forward(g, u, g));
        EXPECT_EQ(g.floats(), separate) << "in place";
    }
}

TEST_P(Transformer, ResidualAddAdds) {
    const std::vector<float> x = normal_values(3 * 21, 9), y = normal_values(3 * 21, 10);
    for (nq_dtype x_type : floating_types) {
        for (nq_dtype y_type : floating_types) {
            const array in(device_, x_type, 3, 21, x, 1), sum(device_, y_type, 3, 21, y, 2);
            ASSERT_OK(nq_residual_add_forward(in, sum));
            const std::vector<float> a = rounded(x, x_type), b = rounded(y, y_type);
            std::vector<float> expected(a.size());
            for (size_t i = 0; i < a.size(); i++) expected[i] = a[i] + b[i];
            EXPECT_EQ(sum.floats(), rounded(expected, y_type));
        }
    }
}

TEST_P(Transformer, LogSoftmaxAndTokenLogProbabilityAgreeWithTheFormula) {
    for (size_t columns : {1u, 2u, 33u, 1000u}) {
        std::vector<float> logits = normal_values(3 * columns, 11, 5);
        for (size_t i = 0; i < columns; i++) logits[columns + i] += 1000;  // must not overflow
        const array in(device_, NQ_DTYPE_F32, 3, columns, logits, 1), y(device_, NQ_DTYPE_F32, 3, columns),
            token(device_, NQ_DTYPE_F32, 1, 3);
        const std::vector<uint32_t> ids = {0, static_cast<uint32_t>(columns - 1), static_cast<uint32_t>(columns / 2)};
        ASSERT_OK(nq_log_softmax_forward(in, y));
        ASSERT_OK(nq_token_log_probability_forward(in, array(device_, 1, 3, ids), token));
        for (size_t r = 0; r < 3; r++) {
            double sum = 0, most = -1e30;
            for (size_t c = 0; c < columns; c++) most = std::max<double>(most, logits[r * columns + c]);
            for (size_t c = 0; c < columns; c++) sum += std::exp(logits[r * columns + c] - most);
            for (size_t c = 0; c < columns; c++) {
                const double expected = logits[r * columns + c] - most - std::log(sum);
                EXPECT_NEAR(y.floats()[r * columns + c], expected, 2e-6 * std::max(1.0, std::fabs(expected)));
            }
            EXPECT_EQ(token.floats()[r], y.floats()[r * columns + ids[r]]);
        }
        ASSERT_OK(nq_log_softmax_forward(in, in));
        EXPECT_EQ(in.floats(), y.floats()) << "in place";
    }
}

TEST_P(Transformer, LogSoftmaxKeepsNanInItsRow) {
    std::vector<float> logits = normal_values(2 * 40, 12);
    logits[3] = nan;
    const array in(device_, NQ_DTYPE_F32, 2, 40, logits), y(device_, NQ_DTYPE_F32, 2, 40);
    ASSERT_OK(nq_log_softmax_forward(in, y));
    for (size_t i = 0; i < 80; i++) EXPECT_EQ(std::isnan(y.floats()[i]), i < 40);
}

TEST_P(Transformer, NarrowTypesAreWidenedAndRoundedOnce) {
    const std::vector<float> a = normal_values(2 * 24, 13), b = normal_values(2 * 24, 14);
    for (nq_dtype type : floating_types) {
        const array x(device_, type, 2, 24, a), wide_x(device_, NQ_DTYPE_F32, 2, 24, rounded(a, type));
        const array u(device_, type, 2, 24, b), wide_u(device_, NQ_DTYPE_F32, 2, 24, rounded(b, type));
        const array w(device_, NQ_DTYPE_F32, 1, 24, std::vector<float>(24, 1.5f)), y(device_, type, 2, 24),
            wide_y(device_, NQ_DTYPE_F32, 2, 24);
        ASSERT_OK(nq_rmsnorm_forward(x, w, 1e-5f, y));
        ASSERT_OK(nq_rmsnorm_forward(wide_x, w, 1e-5f, wide_y));
        EXPECT_EQ(y.floats(), rounded(wide_y.floats(), type));
        ASSERT_OK(nq_gated_silu_forward(x, u, y));
        ASSERT_OK(nq_gated_silu_forward(wide_x, wide_u, wide_y));
        EXPECT_EQ(y.floats(), rounded(wide_y.floats(), type));
        ASSERT_OK(nq_log_softmax_forward(x, y));
        ASSERT_OK(nq_log_softmax_forward(wide_x, wide_y));
        EXPECT_EQ(y.floats(), rounded(wide_y.floats(), type));
    }
}

}  // namespace
}  // namespace nq::test
