// One launch of each main kernel at a shape that fills its tiles, for counting how its memory accesses fall into transactions. Results are
// tested elsewhere.
#include "cuda/matrices4bit.h"

namespace nq::test {
namespace {

using launch_of = cuda_and_scalar;

constexpr size_t n = 128, k = 512;

TEST_F(launch_of, quantizers) {
    const std::vector<float> values = normal_values(n * k, 1);
    matrix_4bit(cuda, n, k, values, NQ_QUANT_TYPE_NF4, 64, true);
}

TEST_F(launch_of, linear4bit) {
    const twin_matrices weights(scalar, cuda, n, k, normal_values(n * k, 1), NQ_QUANT_TYPE_NF4, 64, true);
    for (const size_t m : {1, 4, 64}) {
        const array x(cuda, NQ_DTYPE_BF16, m, k, normal_values(m * k, 2)), y(cuda, NQ_DTYPE_BF16, m, n);
        EXPECT_OK(nq_linear4bit_forward(weights.cuda, x, nullptr, NQ_DTYPE_BF16, y));
    }
    array y(cuda, NQ_DTYPE_BF16, n, k);
    EXPECT_OK(nq_matrix_dequantize(weights.cuda, y));
}

TEST_F(launch_of, linear8bit) {
    const matrix weights = matrix_8bit(cuda, n, k, normal_values(n * k, 1));
    for (const size_t m : {1, 64}) {
        std::vector<float> values = normal_values(m * k, 2);
        for (size_t r = 0; r < m; r++) values[r * k + 17] = 20;
        const array x(cuda, NQ_DTYPE_BF16, m, k, values), y(cuda, NQ_DTYPE_BF16, m, n);
        EXPECT_OK(nq_linear8bit_forward(weights, x, nullptr, 6, y));
    }
}

TEST_F(launch_of, linear) {
    const matrix weights = dense_matrix(cuda, n, k, normal_values(n * k, 1), NQ_DTYPE_BF16);
    const matrix weights_f32 = dense_matrix(cuda, n, k, normal_values(n * k, 1), NQ_DTYPE_F32);
    for (const size_t m : {1, 16, 64, 128}) {
        const array x(cuda, NQ_DTYPE_BF16, m, k, normal_values(m * k, 2)), y(cuda, NQ_DTYPE_BF16, m, n);
        EXPECT_OK(nq_linear_forward(weights, x, nullptr, y));
    }
    const array x(cuda, NQ_DTYPE_F32, 64, k, normal_values(64 * k, 2)), y(cuda, NQ_DTYPE_F32, 64, n);
    EXPECT_OK(nq_linear_forward(weights_f32, x, nullptr, y));
}

TEST_F(launch_of, transformer_operations) {
    constexpr size_t rows = 4, columns = 1024;
    const array x(cuda, NQ_DTYPE_BF16, rows, columns, normal_values(rows * columns, 1)), y(cuda, NQ_DTYPE_BF16, rows, columns);
    const array weight(cuda, NQ_DTYPE_BF16, 1, columns, normal_values(columns, 2)), f32(cuda, NQ_DTYPE_F32, rows, columns);
    EXPECT_OK(nq_rmsnorm_forward(x, weight, 1e-5f, y));
    EXPECT_OK(nq_residual_add_forward(x, y));
    EXPECT_OK(nq_gated_silu_forward(x, y, y));
    EXPECT_OK(nq_log_softmax_forward(x, f32));
    const array ids(cuda, 1, rows, std::vector<uint32_t>{1, 0, 3, 2});
    const matrix table = dense_matrix(cuda, rows, columns, normal_values(rows * columns, 3), NQ_DTYPE_BF16);
    EXPECT_OK(nq_embedding_forward(table, ids, y));
    constexpr uint32_t head_dim = 128;
    const array angles(cuda, NQ_DTYPE_F32, rows, head_dim / 2, normal_values(rows * head_dim / 2, 4));
    EXPECT_OK(nq_rotary_forward(y, head_dim, ids, angles, angles));
}

TEST_F(launch_of, attention) {
    constexpr size_t heads = 1, group = 4, head_dim = 128, positions = 128;
    kv_cache cache;
    EXPECT_OK(nq_kv_cache_create(cuda, 1, heads, head_dim, positions, NQ_DTYPE_BF16, cache.out()));
    const array keys(cuda, NQ_DTYPE_BF16, positions, heads * head_dim, normal_values(positions * heads * head_dim, 1));
    EXPECT_OK(nq_kv_cache_append(cache, 0, keys, keys));
    for (const size_t rows : {1, 64}) {
        const array q(cuda, NQ_DTYPE_BF16, rows, heads * group * head_dim, normal_values(rows * heads * group * head_dim, 2)),
            y(cuda, NQ_DTYPE_BF16, rows, heads * group * head_dim);
        EXPECT_OK(nq_attention_forward(cache, 0, q, 0.088f, 0, y));
    }
}

}  // namespace
}  // namespace nq::test
