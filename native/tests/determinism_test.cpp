// Results do not depend on the number of threads: every operation, on every implementation, with 1, 2, 3 and 7 threads, gives the same
// bits. A device that chooses the number itself has to give them every time.
#include <cstring>
#include <thread>

#include "support.h"

namespace nq::test {
namespace {

// Everything the operations compute from fixed inputs, as bytes.
class operations {
public:
    explicit operations(nq_device* device) : device_(device) {}

    std::vector<uint8_t> run() {
        formats();
        for (size_t m : on_emulated_device() ? std::vector<size_t>{1, 5} : std::vector<size_t>{1, 5, 33}) {
            linear(m, 256);
            linear(m, 200);
            transformer(m);
        }
        for (nq_dtype dtype : {NQ_DTYPE_F32, NQ_DTYPE_BF16, NQ_DTYPE_I8}) attention(dtype);
        return std::move(result_);
    }

private:
    void keep(const array& a) {
        const std::vector<uint8_t> bytes = a.bytes();
        result_.insert(result_.end(), bytes.begin(), bytes.end());
    }

    void formats() {
        constexpr size_t n = 40001;
        std::vector<float> map(256);
        EXPECT_OK(nq_dynamic_map(1, map.data()));
        const array x(device_, NQ_DTYPE_F32, 1, n, normal_values(n, 1)), packed(device_, NQ_DTYPE_U8, 1, (n + 1) / 2),
            absmax(device_, NQ_DTYPE_F32, 1, 626);
        const array m(device_, NQ_DTYPE_F32, 1, 256, map), codes(device_, NQ_DTYPE_U8, 1, n), y(device_, NQ_DTYPE_BF16, 1, n);
        EXPECT_OK(nq_quantize_4bit(x, NQ_QUANT_TYPE_NF4, 64, packed, absmax));
        EXPECT_OK(nq_dequantize_4bit(packed, absmax, NQ_QUANT_TYPE_NF4, 64, y));
        keep(packed), keep(absmax), keep(y);
        const array nested_codes(device_, NQ_DTYPE_U8, 1, 626), nested(device_, NQ_DTYPE_F32, 1, 3), offset(device_, NQ_DTYPE_F32, 1, 1);
        EXPECT_OK(nq_quantize_absmax(absmax, m, 256, nested_codes, nested, offset));
        keep(nested_codes), keep(nested), keep(offset);
        EXPECT_OK(nq_quantize_blockwise(x, m, 64, codes, absmax));
        EXPECT_OK(nq_dequantize_blockwise(codes, m, absmax, 64, y));
        keep(codes), keep(absmax), keep(y);
        const array rows(device_, NQ_DTYPE_F32, 40, 500, normal_values(20000, 2, 3)), row_codes(device_, NQ_DTYPE_I8, 40, 500);
        const array row_absmax(device_, NQ_DTYPE_F32, 1, 40), outliers(device_, NQ_DTYPE_U8, 1, 500), back(device_, NQ_DTYPE_F16, 40, 500);
        EXPECT_OK(nq_quantize_int8_rows(rows, 8, row_codes, row_absmax, outliers));
        EXPECT_OK(nq_dequantize_int8_rows(row_codes, row_absmax, back));
        keep(row_codes), keep(row_absmax), keep(outliers), keep(back);
    }

    void linear(size_t m, size_t k) {
        constexpr size_t n = 330;
        const std::vector<float> w = normal_values(n * k, 3);
        const array x(device_, NQ_DTYPE_F32, m, k, normal_values(m * k, 4, 3)), y(device_, NQ_DTYPE_F32, m, n),
            bias(device_, NQ_DTYPE_F32, 1, n, normal_values(n, 5));
        for (nq_dtype type : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
            EXPECT_OK(nq_linear_forward(dense_matrix(device_, n, k, w, type), x, bias, y));
            keep(y);
        }
        for (nq_dtype type : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16, NQ_DTYPE_I8}) {
            for (bool nested : {false, true}) {
                EXPECT_OK(nq_linear4bit_forward(matrix_4bit(device_, n, k, w, NQ_QUANT_TYPE_NF4, 64, nested), x, bias, type, y));
                keep(y);
            }
        }
        const matrix eight = matrix_8bit(device_, n, k, w);
        for (float threshold : {0.0f, 6.0f}) {
            EXPECT_OK(nq_linear8bit_forward(eight, x, bias, threshold, y));
            keep(y);
        }
        const array dequantized_weights(device_, NQ_DTYPE_F32, n, k);
        EXPECT_OK(nq_matrix_dequantize(eight, dequantized_weights));
        keep(dequantized_weights);
        std::vector<int8_t> a(m * k), b(n * k);
        for (size_t i = 0; i < a.size(); i++) a[i] = static_cast<int8_t>(i * 7);
        for (size_t i = 0; i < b.size(); i++) b[i] = static_cast<int8_t>(i * 13);
        const array acc(device_, NQ_DTYPE_I32, m, n), rows(device_, NQ_DTYPE_F32, 1, m, normal_values(m, 6));
        EXPECT_OK(nq_int8_matmul(array(device_, m, k, a), array(device_, n, k, b), acc));
        EXPECT_OK(nq_int8_matmul_dequantize(acc, rows, bias, bias, y));
        keep(acc), keep(y);
    }

    void transformer(size_t rows) {
        const size_t columns = on_emulated_device() ? 320 : 2048;
        const std::vector<float> values = normal_values(rows * columns, 7);
        const array x(device_, NQ_DTYPE_F32, rows, columns, values), w(device_, NQ_DTYPE_F32, 1, columns, normal_values(columns, 8)),
            y(device_, NQ_DTYPE_F32, rows, columns);
        EXPECT_OK(nq_rmsnorm_forward(x, w, 1e-5f, y));
        keep(y);
        EXPECT_OK(nq_gated_silu_forward(x, y, y));
        keep(y);
        EXPECT_OK(nq_residual_add_forward(x, y));
        keep(y);
        EXPECT_OK(nq_log_softmax_forward(x, y));
        keep(y);
        std::vector<uint32_t> ids(rows);
        for (size_t i = 0; i < rows; i++) ids[i] = static_cast<uint32_t>(i % 30);
        const array id(device_, 1, rows, ids), token(device_, NQ_DTYPE_F32, 1, rows);
        EXPECT_OK(nq_token_log_probability_forward(x, id, token));
        keep(token);
        const array table(device_, NQ_DTYPE_F32, 30, 32, normal_values(30 * 32, 9));
        EXPECT_OK(nq_rotary_forward(x, 64, id, table, table));
        keep(x);
        EXPECT_OK(nq_embedding_forward(dense_matrix(device_, 30, columns, normal_values(30 * columns, 10), NQ_DTYPE_BF16), id, y));
        keep(y);
    }

    void attention(nq_dtype dtype) {
        kv_cache cache;
        EXPECT_OK(nq_kv_cache_create(device_, 1, 2, 64, 800, dtype, cache.out()));
        const size_t many = on_emulated_device() ? 60 : 600;
        for (size_t rows : {size_t{100}, size_t{1}, size_t{1}, many, size_t{1}, size_t{3}}) {
            const array kv(device_, NQ_DTYPE_F32, rows, 128, normal_values(rows * 128, 11)),
                q(device_, NQ_DTYPE_F32, rows, 512, normal_values(rows * 512, 12));
            const array y(device_, NQ_DTYPE_F32, rows, 512);
            EXPECT_OK(nq_kv_cache_append(cache, 0, kv, kv));
            EXPECT_OK(nq_attention_forward(cache, 0, q, 0.125f, 0, y));
            keep(y);
        }
    }

    nq_device* device_;
    std::vector<uint8_t> result_;
};

class Determinism : public testing::TestWithParam<std::string> {};
NQ_RUN_ON_EVERY_IMPLEMENTATION(Determinism);

TEST_P(Determinism, OneTwoThreeAndSevenThreadsGiveTheSameBits) {
    const device one(GetParam(), 1);
    const std::vector<uint8_t> expected = operations(one).run();
    for (uint32_t threads : test_device() == nullptr ? std::vector<uint32_t>{1, 2, 3, 7} : std::vector<uint32_t>{0}) {
        const device cpu(GetParam(), threads);
        if (test_device() == nullptr) {
            ASSERT_EQ(cpu.info().thread_count, threads);
            ASSERT_EQ(cpu.info().implementation, GetParam());
        }
        const std::vector<uint8_t> actual = operations(cpu).run();
        ASSERT_EQ(actual.size(), expected.size());
        EXPECT_EQ(std::memcmp(actual.data(), expected.data(), expected.size()), 0) << threads << " threads";
    }
}

TEST_P(Determinism, ManyCallersAtOnceDoNotDisturbEachOther) {
    const device cpu(GetParam(), 3);
    const std::vector<uint8_t> expected = operations(cpu).run();
    std::vector<std::thread> callers;
    for (int caller = 0; caller < (on_emulated_device() ? 2 : 4); caller++) {
        callers.emplace_back([&] { EXPECT_TRUE(operations(cpu).run() == expected); });
    }
    for (std::thread& t : callers) t.join();
}

}  // namespace
}  // namespace nq::test
