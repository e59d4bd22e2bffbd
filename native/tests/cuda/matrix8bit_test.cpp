// 8-bit matrices on the device: codes, absmax and weights have the scalar implementation's bits.
#include <algorithm>

#include "cuda_testing.h"

namespace nq::test {
namespace {

class matrix8bit_on_cuda : public cuda_and_scalar {};

struct exported {
    std::vector<int8_t> codes;
    std::vector<float> row_absmax;
    bool operator==(const exported&) const = default;
};

exported contents(nq_matrix* weights) {
    nq_matrix_info info{};
    EXPECT_OK(nq_matrix_get_info(weights, &info));
    exported e{std::vector<int8_t>(info.rows * info.columns), std::vector<float>(info.rows)};
    EXPECT_OK(nq_matrix_export_8bit(weights, e.codes.data(), e.row_absmax.data()));
    return e;
}

matrix quantized(nq_device* device, size_t rows, size_t columns, const std::vector<float>& values, nq_dtype dtype) {
    const std::vector<uint8_t> source = encode(values, dtype);
    matrix result;
    EXPECT_OK(nq_matrix_quantize_8bit(device, rows, columns, dtype, source.data(), source.size(), result.out()));
    return result;
}

TEST_F(matrix8bit_on_cuda, quantization_gives_the_scalar_codes_and_weights_for_ragged_shapes_and_every_type) {
    uint32_t seed = 1;
    for (size_t rows : {1, 15, 16, 17, 65}) {
        for (size_t columns : {1, 31, 32, 100}) {
            const nq_dtype dtype = seed % 3 == 0 ? NQ_DTYPE_F32 : seed % 3 == 1 ? NQ_DTYPE_F16 : NQ_DTYPE_BF16;
            std::vector<float> values = normal_values(rows * columns, seed++);
            if (rows > 15) {
                std::fill_n(values.begin(), columns, 0.0f);
                values[columns] = dtype == NQ_DTYPE_F16 ? 65504.0f : 1e6f;  // beyond f16
                values[2 * columns] = 1e-7f;
            }
            const matrix a = quantized(cuda, rows, columns, values, dtype), b = quantized(scalar, rows, columns, values, dtype);
            EXPECT_EQ(contents(a), contents(b)) << rows << 'x' << columns;
            for (nq_dtype output : {NQ_DTYPE_F32, NQ_DTYPE_BF16}) {
                const array x(cuda, output, rows, columns, 3), y(scalar, output, rows, columns, 3);
                ASSERT_OK(nq_matrix_dequantize(a, x));
                ASSERT_OK(nq_matrix_dequantize(b, y));
                EXPECT_EQ(x.bytes(), y.bytes()) << rows << 'x' << columns;
            }
        }
    }
}

TEST_F(matrix8bit_on_cuda, what_is_imported_is_exported_bit_for_bit) {
    for (const auto& [rows, columns] : {std::pair<size_t, size_t>{1, 1}, {17, 33}, {32, 64}, {50, 100}}) {
        exported e{std::vector<int8_t>(rows * columns), normal_values(rows, 5)};
        for (size_t i = 0; i < e.codes.size(); i++) e.codes[i] = static_cast<int8_t>(i * 89 % 256 - 128);
        matrix weights;
        ASSERT_OK(nq_matrix_import_8bit(cuda, rows, columns, NQ_DTYPE_F16, e.codes.data(), e.row_absmax.data(), weights.out()));
        EXPECT_EQ(contents(weights), e);
        nq_matrix_info info{};
        ASSERT_OK(nq_matrix_get_info(weights, &info));
        EXPECT_EQ(info.kind, NQ_MATRIX_8BIT);
        EXPECT_EQ(info.dtype, NQ_DTYPE_F16);
        EXPECT_EQ(info.storage_bytes, rows * columns + 4 * rows);
        EXPECT_GE(info.resident_bytes, info.storage_bytes);
    }
}

TEST_F(matrix8bit_on_cuda, a_weight_that_is_not_finite_is_refused_and_named) {
    for (float bad : {nan, infinity, -infinity}) {
        std::vector<float> values = normal_values(20 * 40, 1);
        values[777] = bad;
        nq_matrix* weights = nullptr;
        EXPECT_EQ(nq_matrix_quantize_8bit(cuda, 20, 40, NQ_DTYPE_F32, values.data(), values.size() * 4, &weights), NQ_STATUS_INVALID_DATA);
        EXPECT_EQ(nq_last_error_message(), std::string("value at flat index 777 is ") +
                                               (std::isnan(bad) ? "NaN"
                                                : bad > 0       ? "infinity"
                                                                : "-infinity") +
                                               ", expected a finite number");
    }
}

}  // namespace
}  // namespace nq::test
