// Matrices: what goes in comes out, bit for bit, whatever the layout inside; and what is refused.
#include <algorithm>
#include <cstring>

#include "storage_4bit.h"

namespace nq::test {
namespace {

class Matrix : public EveryImplementation {};
NQ_RUN_ON_EVERY_IMPLEMENTATION(Matrix);

constexpr nq_dtype floating_types[] = {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16};

TEST_P(Matrix, FourBitIsImportedAndExportedBitForBit) {
    std::mt19937 generator(1);
    for (const auto& [rows, columns] :
         {std::pair<size_t, size_t>{1, 1}, {1, 64}, {3, 5}, {16, 128}, {17, 192}, {33, 100}, {7, 4096}, {130, 63}}) {
        for (uint32_t blocksize : {32u, 64u, 4096u}) {
            for (uint32_t nested : {0u, 256u, 16u}) {
                storage_4bit in(rows, columns, NQ_QUANT_TYPE_FP4, NQ_DTYPE_BF16, blocksize, nested);
                for (uint8_t& b : in.packed) b = static_cast<uint8_t>(generator());  // an odd count keeps even its padding nibble
                for (uint8_t& b : in.absmax_codes) b = static_cast<uint8_t>(generator());
                in.absmax = normal_values(in.absmax.size(), 2);
                in.nested_absmax = normal_values(in.nested_absmax.size(), 3);
                in.nested_map = normal_values(in.nested_map.size(), 4);
                in.view.absmax = nested == 0 ? in.absmax.data() : nullptr;
                in.view.nested_absmax = in.nested_absmax.data();
                in.view.nested_map = in.nested_map.data();
                in.view.nested_offset = nested == 0 ? 0 : 0.625f;
                matrix weights;
                ASSERT_OK(nq_matrix_import_4bit(device_, &in.view, weights.out()));
                const storage_4bit out(weights);
                EXPECT_EQ(out.packed, in.packed);
                EXPECT_EQ(out.absmax, in.absmax);
                EXPECT_EQ(out.absmax_codes, in.absmax_codes);
                EXPECT_EQ(out.nested_absmax, in.nested_absmax);
                EXPECT_EQ(out.nested_map, in.nested_map);
                EXPECT_EQ(out.view.nested_offset, in.view.nested_offset);
            }
        }
    }
}

TEST_P(Matrix, FourBitQuantizationEqualsTheTensorOperations) {
    std::vector<float> map(256);
    ASSERT_OK(nq_dynamic_map(1, map.data()));
    const array map_array(device_, NQ_DTYPE_F32, 1, 256, map);
    for (const auto& [rows, columns] : {std::pair<size_t, size_t>{1, 1}, {20, 64}, {300, 128}, {9, 77}, {5, 4100}}) {
        const size_t n = rows * columns, blocks = (n - 1) / 64 + 1;
        for (nq_dtype type : floating_types) {
            for (nq_quant_type quant_type : {NQ_QUANT_TYPE_NF4, NQ_QUANT_TYPE_FP4}) {
                std::vector<uint8_t> bytes = encode(normal_values(n, 5), type);
                bytes.insert(bytes.begin(), 0);  // host memory has no alignment
                const array input(device_, type, 1, n, normal_values(n, 5)), packed(device_, NQ_DTYPE_U8, 1, (n + 1) / 2);
                const array absmax(device_, NQ_DTYPE_F32, 1, blocks), codes(device_, NQ_DTYPE_U8, 1, blocks);
                const array nested_absmax(device_, NQ_DTYPE_F32, 1, (blocks - 1) / 256 + 1), offset(device_, NQ_DTYPE_F32, 1, 1);
                ASSERT_OK(nq_quantize_4bit(input, quant_type, 64, packed, absmax));
                ASSERT_OK(nq_quantize_absmax(absmax, map_array, 256, codes, nested_absmax, offset));
                for (int nested : {0, 1}) {
                    matrix weights;
                    ASSERT_OK(nq_matrix_quantize_4bit(device_, rows, columns, type, bytes.data() + 1, bytes.size() - 1, quant_type, 64,
                                                      nested, weights.out()));
                    const storage_4bit out(weights);
                    EXPECT_EQ(out.packed, packed.bytes());
                    if (nested == 0) {
                        EXPECT_EQ(out.absmax, absmax.floats());
                    } else {
                        EXPECT_EQ(out.absmax_codes, codes.bytes());
                        EXPECT_EQ(out.nested_absmax, nested_absmax.floats());
                        EXPECT_EQ(out.nested_map, map);
                        EXPECT_EQ(out.view.nested_offset, offset.floats()[0]);
                    }
                }
            }
        }
    }
}

TEST_P(Matrix, DequantizingEqualsTheTensorOperation) {
    for (const auto& [rows, columns] : {std::pair<size_t, size_t>{18, 128}, {9, 77}}) {
        const size_t n = rows * columns;
        const std::vector<float> values = normal_values(n, 6);
        const matrix weights = matrix_4bit(device_, rows, columns, values, NQ_QUANT_TYPE_NF4, 64, false);
        const array packed(device_, NQ_DTYPE_U8, 1, (n + 1) / 2), absmax(device_, NQ_DTYPE_F32, 1, (n - 1) / 64 + 1);
        ASSERT_OK(nq_quantize_4bit(array(device_, NQ_DTYPE_F32, 1, n, values), NQ_QUANT_TYPE_NF4, 64, packed, absmax));
        for (nq_dtype type : floating_types) {
            const array from_matrix(device_, type, rows, columns, 3), from_tensors(device_, type, rows, columns);
            ASSERT_OK(nq_matrix_dequantize(weights, from_matrix));
            ASSERT_OK(nq_dequantize_4bit(packed, absmax, NQ_QUANT_TYPE_NF4, 64, from_tensors));
            EXPECT_EQ(from_matrix.floats(), from_tensors.floats());
        }
    }
}

TEST_P(Matrix, DenseHoldsEveryTypeWithOneRounding) {
    for (const auto& [rows, columns] : {std::pair<size_t, size_t>{1, 1}, {17, 300}, {32, 5}}) {
        const std::vector<float> values = normal_values(rows * columns, 7);
        for (nq_dtype source : floating_types) {
            std::vector<uint8_t> bytes = encode(values, source);
            bytes.insert(bytes.begin(), 0);
            for (nq_dtype held : floating_types) {
                matrix weights;
                ASSERT_OK(nq_matrix_create_dense(device_, rows, columns, source, bytes.data() + 1, bytes.size() - 1, held, weights.out()));
                EXPECT_EQ(dequantized(device_, weights), rounded(rounded(values, source), held));
                EXPECT_EQ(info_of(weights).storage_bytes, rows * columns * size_of(held));
            }
        }
    }
}

TEST_P(Matrix, EightBitIsImportedAndExportedBitForBit) {
    std::mt19937 generator(8);
    for (const auto& [rows, columns] : {std::pair<size_t, size_t>{1, 1}, {16, 64}, {17, 65}, {40, 3}}) {
        std::vector<int8_t> codes(rows * columns), out_codes(rows * columns);
        for (int8_t& c : codes) c = static_cast<int8_t>(generator());
        const std::vector<float> absmax = normal_values(rows, 9);
        std::vector<float> out_absmax(rows);
        matrix weights;
        ASSERT_OK(nq_matrix_import_8bit(device_, rows, columns, NQ_DTYPE_F16, codes.data(), absmax.data(), weights.out()));
        ASSERT_OK(nq_matrix_export_8bit(weights, out_codes.data(), out_absmax.data()));
        EXPECT_EQ(out_codes, codes);
        EXPECT_EQ(out_absmax, absmax);
        const std::vector<float> w = dequantized(device_, weights);
        for (size_t i = 0; i < w.size(); i++) EXPECT_EQ(w[i], codes[i] * absmax[i / columns] * 0.0078740157f);
    }
}

TEST_P(Matrix, EightBitRoundsWeightsThroughF16) {
    const std::vector<float> values = normal_values(19 * 70, 10);
    const matrix weights = matrix_8bit(device_, 19, 70, values);
    std::vector<int8_t> codes(values.size());
    std::vector<float> absmax(19);
    ASSERT_OK(nq_matrix_export_8bit(weights, codes.data(), absmax.data()));
    const array input(device_, NQ_DTYPE_F16, 19, 70, values), expected(device_, NQ_DTYPE_I8, 19, 70),
        expected_absmax(device_, NQ_DTYPE_F32, 1, 19);
    ASSERT_OK(nq_quantize_int8_rows(input, 0, expected, expected_absmax, nullptr));
    EXPECT_EQ(codes, expected.as<int8_t>());
    EXPECT_EQ(absmax, expected_absmax.floats());
    const matrix huge = matrix_8bit(device_, 1, 2, {1e30f, -1});
    ASSERT_OK(nq_matrix_export_8bit(huge, codes.data(), absmax.data()));
    EXPECT_EQ(absmax[0], 65504) << "saturating";
}

TEST_P(Matrix, WeightsThatAreNotFiniteAreRefusedByIndex) {
    for (float bad : {nan, infinity, -infinity}) {
        for (const auto& [columns, index] : {std::pair<size_t, size_t>{64, 700}, {64, 1023}, {50, 0}, {50, 799}}) {
            std::vector<float> values = normal_values(16 * columns, 11);
            values[index] = bad;
            if (index < 700) values[index + 30] = bad;  // the first one is named
            matrix weights;
            const std::string name = "value at flat index " + std::to_string(index) + " is ";
            EXPECT_EQ(nq_matrix_quantize_4bit(device_, 16, columns, NQ_DTYPE_F32, values.data(), values.size() * 4, NQ_QUANT_TYPE_NF4, 64,
                                              1, weights.out()),
                      NQ_STATUS_INVALID_DATA);
            EXPECT_EQ(std::string(nq_last_error_message()).rfind(name, 0), 0u) << nq_last_error_message();
            EXPECT_EQ(nq_matrix_quantize_8bit(device_, 16, columns, NQ_DTYPE_F32, values.data(), values.size() * 4, weights.out()),
                      NQ_STATUS_INVALID_DATA);
            EXPECT_EQ(std::string(nq_last_error_message()).rfind(name, 0), 0u) << nq_last_error_message();
            const array input(device_, NQ_DTYPE_F32, 1, values.size(), values), packed(device_, NQ_DTYPE_U8, 1, values.size() / 2);
            EXPECT_EQ(nq_quantize_4bit(input, NQ_QUANT_TYPE_FP4, 32, packed, array(device_, NQ_DTYPE_F32, 1, values.size() / 32)),
                      NQ_STATUS_INVALID_DATA);
            EXPECT_EQ(std::string(nq_last_error_message()).rfind(name, 0), 0u) << nq_last_error_message();
        }
    }
    ASSERT_OK(nq_device_trim(device_));
    EXPECT_EQ(device_.info().allocated_bytes, 0u) << "nothing half-made stays";
}

TEST_P(Matrix, InfoCountsTheBitsOfTheExchangeFormat) {
    const matrix plain = matrix_4bit(device_, 64, 256, normal_values(64 * 256, 12), NQ_QUANT_TYPE_NF4, 64, false);
    const matrix nested = matrix_4bit(device_, 64, 256, normal_values(64 * 256, 12), NQ_QUANT_TYPE_NF4, 64, true);
    const matrix eight = matrix_8bit(device_, 64, 256, normal_values(64 * 256, 12));
    EXPECT_EQ(info_of(plain).storage_bytes, 64u * 256 / 2 + 256 * 4);
    EXPECT_EQ(info_of(nested).storage_bytes, 64u * 256 / 2 + 256 + 4);
    EXPECT_EQ(info_of(eight).storage_bytes, 64u * 256 + 64 * 4);
    if (test_device() == nullptr) {
        EXPECT_EQ(info_of(plain).resident_bytes, info_of(plain).storage_bytes) << "16 rows a panel: no padding";
    } else {
        EXPECT_GE(info_of(plain).resident_bytes, info_of(plain).storage_bytes);
        EXPECT_LE(info_of(plain).resident_bytes, info_of(plain).storage_bytes * 65 / 64);
    }
    EXPECT_EQ(info_of(nested).nested_blocksize, 256u);
    EXPECT_EQ(info_of(plain).nested_blocksize, 0u);
    EXPECT_EQ(info_of(eight).kind, NQ_MATRIX_8BIT);
}

TEST_P(Matrix, EveryValueOfADenormalBlockIsQuantized) {
    std::vector<float> values(64, 0.0f);
    values[3] = 1e-45f;
    values[4] = -1e-45f;
    const matrix weights = matrix_4bit(device_, 1, 64, values, NQ_QUANT_TYPE_NF4, 64, false);
    EXPECT_EQ(dequantized(device_, weights), values) << "1 / absmax overflows: the quotient is used";
}

// The quantized size of a matrix plus little: while a matrix is made, the device may not need more. Where weights have to be brought to it
// first, they pass through 16 MiB, and their codes through a quarter of that.
TEST_P(Matrix, QuantizingNeedsLittleExtraMemory) {
    const size_t rows = test_device() == nullptr ? 1024 : 2560, columns = 2048, staging = test_device() == nullptr ? 0 : 22 << 20;
    const std::vector<float> values = normal_values(rows * columns, 13);
    for (int kind : {0, 1, 2}) {
        ASSERT_OK(nq_device_trim(device_));
        ASSERT_OK(nq_device_reset_peak(device_));
        const uint64_t before = device_.info().allocated_bytes;
        const matrix weights = kind == 2 ? matrix_8bit(device_, rows, columns, values)
                                         : matrix_4bit(device_, rows, columns, values, NQ_QUANT_TYPE_NF4, 64, kind == 1);
        const uint64_t resident = info_of(weights).resident_bytes;
        EXPECT_LE(device_.info().peak_allocated_bytes - before, staging + 2 * resident);
        EXPECT_LE(device_.info().peak_allocated_bytes - before - resident, staging + rows * columns / 10)
            << "absmax waiting for double quantization";
    }
}

}  // namespace
}  // namespace nq::test
