// Row-wise int8 quantization, products of codes and their scaling: the scalar implementation's bits.
#include <algorithm>
#include <array>

#include "cuda_testing.h"

namespace nq::test {
namespace {

constexpr nq_dtype floating_types[] = {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16};

class int8_rows_on_cuda : public cuda_and_scalar {};

struct quantized {
    std::vector<uint8_t> codes, row_absmax, outlier_columns;
    bool operator==(const quantized&) const = default;
};

quantized quantize(nq_device* device, nq_dtype dtype, size_t rows, size_t columns, const std::vector<float>& values, float threshold,
                   size_t gap = 0) {
    const array x(device, dtype, rows, columns, values, gap), codes(device, NQ_DTYPE_I8, rows, columns, gap),
        absmax(device, NQ_DTYPE_F32, 1, rows), outliers(device, NQ_DTYPE_U8, 1, columns);
    EXPECT_OK(nq_quantize_int8_rows(x, threshold, codes, absmax, outliers));
    return {codes.bytes(), absmax.bytes(), outliers.bytes()};
}

TEST_F(int8_rows_on_cuda, codes_absmax_and_outlier_columns_have_the_scalar_bits_for_every_shape_and_type) {
    uint32_t seed = 1;
    for (size_t rows : {1, 2, 5}) {
        for (size_t columns : {1, 31, 32, 33, 100, 1030}) {
            for (float threshold : {0.0f, 2.5f}) {
                const nq_dtype dtype = floating_types[seed % 3];
                const std::vector<float> values = normal_values(rows * columns, seed++);
                const size_t gap = seed % 2 == 0 ? 0 : 3;
                EXPECT_EQ(quantize(cuda, dtype, rows, columns, values, threshold, gap),
                          quantize(scalar, dtype, rows, columns, values, threshold, gap))
                    << rows << 'x' << columns << ' ' << threshold << ' ' << dtype;
            }
        }
    }
}

TEST_F(int8_rows_on_cuda, outlier_columns_are_cleared_in_every_row_of_a_large_batch) {
    constexpr size_t rows = 70, columns = 40;
    const std::vector<float> values = normal_values(rows * columns, 7);
    const quantized q = quantize(cuda, NQ_DTYPE_F32, rows, columns, values, 2.8f);
    EXPECT_EQ(q, quantize(scalar, NQ_DTYPE_F32, rows, columns, values, 2.8f));
    EXPECT_GT(std::count(q.outlier_columns.begin(), q.outlier_columns.end(), 1), 3);
}

TEST_F(int8_rows_on_cuda, one_row_keeps_the_codes_of_its_outlier_columns_at_zero_and_all_columns_may_be_outliers) {
    const std::vector<float> values = normal_values(3 * 50, 3, 100);
    EXPECT_EQ(quantize(cuda, NQ_DTYPE_F16, 1, 150, values, 6), quantize(scalar, NQ_DTYPE_F16, 1, 150, values, 6));
    const quantized all = quantize(cuda, NQ_DTYPE_F32, 3, 50, values, 1e-3f);
    EXPECT_EQ(all.outlier_columns, std::vector<uint8_t>(50, 1));
    EXPECT_EQ(all.codes, std::vector<uint8_t>(150, 0));
    EXPECT_EQ(all.row_absmax, std::vector<uint8_t>(12, 0));
}

TEST_F(int8_rows_on_cuda, zeros_denormals_nan_and_infinity_do_as_the_scalar_rows) {
    constexpr size_t rows = 7, columns = 37;
    std::vector<float> values = normal_values(rows * columns, 4);
    const auto row = [&](size_t r) { return values.begin() + static_cast<ptrdiff_t>(r * columns); };
    std::fill_n(row(0), columns, -0.0f);
    for (size_t c = 0; c < columns; c++) row(1)[static_cast<ptrdiff_t>(c)] = 1e-45f * static_cast<float>(c % 5);
    for (size_t c = 0; c < columns; c++) row(2)[static_cast<ptrdiff_t>(c)] *= 1e-39f;
    row(3)[5] = nan;
    row(4)[36] = -infinity;
    row(5)[0] = 3e38f;
    for (float threshold : {0.0f, 6.0f}) {
        EXPECT_EQ(quantize(cuda, NQ_DTYPE_F32, rows, columns, values, threshold),
                  quantize(scalar, NQ_DTYPE_F32, rows, columns, values, threshold))
            << threshold;
    }
}

TEST_F(int8_rows_on_cuda, more_columns_than_the_device_keeps_marks_for) {
    constexpr size_t columns = 8192 * 32 + 5;
    std::vector<float> values(columns, 0.25f);
    values[0] = values[77] = values[columns - 1] = 9;
    EXPECT_EQ(quantize(cuda, NQ_DTYPE_F16, 1, columns, values, 6), quantize(scalar, NQ_DTYPE_F16, 1, columns, values, 6));
}

TEST_F(int8_rows_on_cuda, dequantized_rows_have_the_scalar_bits) {
    constexpr size_t rows = 3, columns = 67;
    std::vector<int8_t> codes(rows * columns);
    for (size_t i = 0; i < codes.size(); i++) codes[i] = static_cast<int8_t>(i * 37 % 255 - 127);
    const std::vector<float> absmax = {0.37f, 65504, 1e-40f};
    for (nq_dtype dtype : floating_types) {
        std::vector<uint8_t> bytes[2];
        nq_device* devices[] = {cuda, scalar};
        for (int i = 0; i < 2; i++) {
            const array c(devices[i], rows, columns, codes), a(devices[i], 1, rows, absmax), y(devices[i], dtype, rows, columns, 2);
            ASSERT_OK(nq_dequantize_int8_rows(c, a, y));
            bytes[i] = y.bytes();
        }
        EXPECT_EQ(bytes[0], bytes[1]) << dtype;
    }
}

TEST_F(int8_rows_on_cuda, products_of_codes_are_exact_and_scaled_as_the_scalar_ones) {
    for (const auto& [m, n, k] : {std::array<size_t, 3>{1, 1, 1}, {3, 7, 31}, {17, 65, 100}, {33, 16, 130}, {66, 17, 600}}) {
        std::mt19937 random(static_cast<uint32_t>(m));
        std::vector<int8_t> a(m * k), b(n * k);
        for (int8_t& v : a) v = static_cast<int8_t>(random() % 256);
        for (int8_t& v : b) v = static_cast<int8_t>(random() % 256);
        const std::vector<float> rows = normal_values(m, 1), columns = normal_values(n, 2), bias = normal_values(n, 3);
        std::vector<int32_t> expected(m * n);
        for (size_t i = 0; i < m * n; i++) {
            for (size_t c = 0; c < k; c++) expected[i] += a[i / n * k + c] * b[i % n * k + c];
        }
        std::vector<uint8_t> results[2];
        nq_device* devices[] = {cuda, scalar};
        for (int i = 0; i < 2; i++) {
            array left(devices[i], NQ_DTYPE_I8, m, k, 5), right(devices[i], NQ_DTYPE_I8, n, k, 3), sums(devices[i], NQ_DTYPE_I32, m, n, 1);
            left.set_bytes({a.begin(), a.end()});
            right.set_bytes({b.begin(), b.end()});
            ASSERT_OK(nq_int8_matmul(left, right, sums));
            EXPECT_EQ(sums.as<int32_t>(), expected) << m << ' ' << n << ' ' << k;
            const array r(devices[i], 1, m, rows), c(devices[i], 1, n, columns), added(devices[i], NQ_DTYPE_BF16, 1, n, bias),
                y(devices[i], NQ_DTYPE_F16, m, n, 2);
            ASSERT_OK(nq_int8_matmul_dequantize(sums, r, c, added, y));
            results[i] = y.bytes();
        }
        EXPECT_EQ(results[0], results[1]) << m << ' ' << n << ' ' << k;
    }
}

}  // namespace
}  // namespace nq::test
