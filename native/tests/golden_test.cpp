// The format operations against vectors recorded from bitsandbytes, on every implementation. Tolerances are those of the vectors' README.
#include <algorithm>

#include "golden.h"

namespace nq::test {
namespace {

class Golden : public EveryImplementation {};
NQ_RUN_ON_EVERY_IMPLEMENTATION(Golden);

int nibble(const std::vector<uint8_t>& packed, size_t i) { return i % 2 == 0 ? packed[i / 2] >> 4 : packed[i / 2] & 15; }

std::vector<float> codebook(nq_quant_type type) {
    std::vector<float> values(16);
    EXPECT_OK(nq_codebook_4bit(type, values.data()));
    return values;
}

std::vector<float> dynamic_map(bool is_signed) {
    std::vector<float> values(256);
    EXPECT_OK(nq_dynamic_map(is_signed, values.data()));
    return values;
}

// Whether y = x / absmax is within `ulps` of a midpoint of the codebook.
bool near_boundary(float y, const std::vector<float>& book, int ulps) {
    std::vector<float> sorted = book;
    std::sort(sorted.begin(), sorted.end());
    for (size_t i = 0; i + 1 < sorted.size(); i++) {
        const float middle = 0.5f * (sorted[i] + sorted[i + 1]);
        if (std::fabs(y - middle) <= static_cast<float>(ulps) * std::fabs(std::nextafter(middle, 2.0f) - middle)) return true;
    }
    return false;
}

TEST(GoldenTables, AreEmbeddedBitForBit) {
    for (const golden_case& c : golden_cases("tables")) {
        EXPECT_EQ(codebook(NQ_QUANT_TYPE_NF4), c.floats("codebook_nf4"));
        EXPECT_EQ(codebook(NQ_QUANT_TYPE_FP4), c.floats("codebook_fp4"));
        EXPECT_EQ(dynamic_map(true), c.floats("dynamic_map_signed"));
        EXPECT_EQ(dynamic_map(false), c.floats("dynamic_map_unsigned"));
    }
}

TEST_P(Golden, FourBitQuantizationAgrees) {
    const auto cases = golden_cases("quantize_4bit");
    ASSERT_FALSE(cases.empty());
    for (const golden_case& c : cases) {
        SCOPED_TRACE(c.name());
        const std::vector<float> x = c.floats("input"), expected_absmax = c.floats("absmax"), book = codebook(c.quant_type());
        const size_t n = x.size(), blocks = expected_absmax.size();
        const array input = c.on(device_, "input", 1, n);
        const array packed(device_, NQ_DTYPE_U8, 1, (n + 1) / 2), absmax(device_, NQ_DTYPE_F32, 1, blocks);
        ASSERT_OK(nq_quantize_4bit(input, c.quant_type(), c.blocksize(), packed, absmax));
        const std::vector<float> actual_absmax = absmax.floats();
        const std::vector<uint8_t> codes = packed.bytes(), expected_codes = c.bytes("packed");
        for (size_t b = 0; b < blocks; b++) {
            if (expected_absmax[b] < 1.1e-38f) {
                EXPECT_EQ(actual_absmax[b], 0.0f) << "block " << b;  // a zero tail is recorded as 1e-38
            } else {
                EXPECT_EQ(actual_absmax[b], expected_absmax[b]) << "block " << b;
            }
        }
        size_t wrong = 0;
        for (size_t i = 0; i < n; i++) {
            const float scale = actual_absmax[i / c.blocksize()];
            const float actual = book[static_cast<size_t>(nibble(codes, i))] * scale;
            const float expected = book[static_cast<size_t>(nibble(expected_codes, i))] * scale;
            const bool ragged_tail = n % c.blocksize() != 0 && i / c.blocksize() == blocks - 1;
            const bool excused = near_boundary(x[i] / scale, book, c.quant_type() == NQ_QUANT_TYPE_FP4 ? 16 : ragged_tail ? 1 : 0);
            if (actual != expected && !excused) wrong++;
        }
        EXPECT_EQ(wrong, 0u);
    }
}

TEST_P(Golden, FourBitDequantizationIsBitExact) {
    for (const golden_case& c : golden_cases("quantize_4bit")) {
        SCOPED_TRACE(c.name());
        const size_t packed_bytes = c.bytes("packed").size(), blocks = c.floats("absmax").size();
        const array packed = c.on(device_, "packed", 1, packed_bytes), absmax = c.on(device_, "absmax", 1, blocks);
        for (const char* role : {"dequant_f32", "dequant_f16", "dequant_bf16"}) {
            if (!c.has(role)) continue;
            const std::vector<uint8_t> expected = c.bytes(role);
            const array output(device_, c.dtype(role), 1, expected.size() / size_of(c.dtype(role)));
            ASSERT_OK(nq_dequantize_4bit(packed, absmax, c.quant_type(), c.blocksize(), output));
            EXPECT_EQ(output.floats(), decode(expected, c.dtype(role))) << role;
        }
    }
}

TEST_P(Golden, BlockwiseQuantizationAgrees) {
    const auto cases = golden_cases("quantize_blockwise");
    ASSERT_FALSE(cases.empty());
    for (const golden_case& c : cases) {
        SCOPED_TRACE(c.name());
        const std::vector<float> x = c.floats("input"), expected_absmax = c.floats("absmax_reference");
        const std::vector<float> map = dynamic_map(c.parameters()["map"].text == "dynamic_signed");
        const size_t n = x.size(), blocks = expected_absmax.size();
        const array input = c.on(device_, "input", 1, n), map_array(device_, NQ_DTYPE_F32, 1, 256, map);
        const array codes(device_, NQ_DTYPE_U8, 1, n), absmax(device_, NQ_DTYPE_F32, 1, blocks);
        ASSERT_OK(nq_quantize_blockwise(input, map_array, c.blocksize(), codes, absmax));
        const std::vector<float> actual_absmax = absmax.floats();
        const std::vector<uint8_t> actual = codes.bytes(), expected = c.bytes("codes_reference");
        size_t wrong = 0;
        for (size_t i = 0; i < n; i++) {
            const size_t block = i / c.blocksize();
            const float scale = actual_absmax[block];
            EXPECT_TRUE(scale == expected_absmax[block] || (scale == 0 && expected_absmax[block] < 1.1e-38f)) << "block " << block;
            const bool same_value = map[actual[i]] * scale == map[expected[i]] * scale;
            // On a midpoint either neighbour is right; a ragged tail is recorded with a division instead of a reciprocal.
            const int low = std::min<int>({actual[i], expected[i], 254});
            const float middle = 0.5f * (map[static_cast<size_t>(low)] + map[static_cast<size_t>(low) + 1]);
            const float y = x[i] / scale;
            const bool tie =
                std::abs(actual[i] - expected[i]) == 1 && std::fabs(y - middle) <= 2 * std::fabs(std::nextafter(middle, 2.0f) - middle);
            if (!same_value && !tie) wrong++;
        }
        EXPECT_EQ(wrong, 0u);
    }
}

TEST_P(Golden, BlockwiseDequantizationIsBitExact) {
    for (const golden_case& c : golden_cases("quantize_blockwise")) {
        SCOPED_TRACE(c.name());
        const size_t n = c.bytes("codes_reference").size(), blocks = c.floats("absmax_reference").size();
        const array codes = c.on(device_, "codes_reference", 1, n), absmax = c.on(device_, "absmax_reference", 1, blocks);
        const array map(device_, NQ_DTYPE_F32, 1, 256, dynamic_map(c.parameters()["map"].text == "dynamic_signed"));
        for (const char* role : {"dequant_f32", "dequant_f16", "dequant_bf16"}) {
            if (!c.has(role)) continue;
            const array output(device_, c.dtype(role), 1, n);
            ASSERT_OK(nq_dequantize_blockwise(codes, map, absmax, c.blocksize(), output));
            EXPECT_EQ(output.floats(), c.floats(role)) << role;
        }
    }
}

TEST_P(Golden, DoubleQuantizationAgrees) {
    const auto cases = golden_cases("quantize_4bit nested");
    ASSERT_FALSE(cases.empty());
    for (const golden_case& c : cases) {
        SCOPED_TRACE(c.name());
        const std::vector<uint8_t> expected_codes = c.bytes("absmax_codes_reference");
        const size_t n = expected_codes.size(), nested_blocks = c.floats("nested_absmax_reference").size();
        const array absmax = c.on(device_, "absmax_plain", 1, n), map(device_, NQ_DTYPE_F32, 1, 256, dynamic_map(true));
        const array codes(device_, NQ_DTYPE_U8, 1, n), nested(device_, NQ_DTYPE_F32, 1, nested_blocks), offset(device_, NQ_DTYPE_F32, 1, 1);
        ASSERT_OK(nq_quantize_absmax(absmax, map, 256, codes, nested, offset));
        const float expected_offset = c.floats("offset")[0], actual_offset = offset.floats()[0];
        EXPECT_LE(std::fabs(actual_offset - expected_offset), std::nextafter(expected_offset, infinity) - expected_offset);
        if (actual_offset == expected_offset) {
            EXPECT_EQ(codes.bytes(), expected_codes);
            EXPECT_EQ(nested.floats(), c.floats("nested_absmax_reference"));
        }

        const array recorded_codes = c.on(device_, "absmax_codes_reference", 1, n), recorded_offset = c.on(device_, "offset", 1, 1);
        const array recorded_nested = c.on(device_, "nested_absmax_reference", 1, nested_blocks), restored(device_, NQ_DTYPE_F32, 1, n);
        ASSERT_OK(nq_dequantize_absmax(recorded_codes, map, recorded_nested, recorded_offset, 256, restored));
        EXPECT_EQ(restored.floats(), c.floats("absmax_restored"));
    }
}

TEST_P(Golden, RowWiseInt8IsBitExact) {
    const auto cases = golden_cases("int8_vectorwise_quant");
    ASSERT_FALSE(cases.empty());
    for (const golden_case& c : cases) {
        SCOPED_TRACE(c.name());
        const size_t rows = c.size("input", 0), columns = c.size("input", 1);
        const float threshold = static_cast<float>(c.parameters()["threshold"].value);
        const array input = c.on(device_, "input", rows, columns);
        const array codes(device_, NQ_DTYPE_I8, rows, columns), absmax(device_, NQ_DTYPE_F32, 1, rows),
            outliers(device_, NQ_DTYPE_U8, 1, columns);
        ASSERT_OK(nq_quantize_int8_rows(input, threshold, codes, absmax, outliers));
        EXPECT_EQ(codes.as<int8_t>(), c.as<int8_t>("q"));
        EXPECT_EQ(absmax.floats(), c.floats("stats"));
        if (c.has("outlier_cols")) {
            std::vector<int64_t> found;
            const std::vector<uint8_t> flags = outliers.bytes();
            for (size_t i = 0; i < columns; i++) {
                if (flags[i] != 0) found.push_back(static_cast<int64_t>(i));
            }
            EXPECT_EQ(found, c.as<int64_t>("outlier_cols"));
        }
        const array output(device_, NQ_DTYPE_F32, rows, columns);
        ASSERT_OK(nq_dequantize_int8_rows(codes, absmax, output));
        EXPECT_EQ(output.floats(), c.floats("dequant_f32"));
    }
}

void expect_close(const std::vector<float>& actual, const std::vector<float>& expected, double tolerance, const char* role) {
    ASSERT_EQ(actual.size(), expected.size());
    double largest = 0, worst = 0;
    for (float v : expected) largest = std::max(largest, std::fabs(static_cast<double>(v)));
    for (size_t i = 0; i < actual.size(); i++) worst = std::max(worst, std::fabs(static_cast<double>(actual[i]) - expected[i]));
    EXPECT_LE(worst, tolerance * largest) << role;
}

TEST_P(Golden, LlmInt8Agrees) {
    const auto cases = golden_cases("int8 matmul");
    ASSERT_FALSE(cases.empty());
    for (const golden_case& c : cases) {
        SCOPED_TRACE(c.name());
        const size_t m = c.size("A_f16", 0), k = c.size("A_f16", 1), n = c.size("W_f16", 0);
        const array b = c.on(device_, "CB", n, k), acc(device_, NQ_DTYPE_I32, m, n);
        ASSERT_OK(nq_int8_matmul(c.on(device_, "CA_t0", m, k), b, acc));
        EXPECT_EQ(acc.as<int32_t>(), c.as<int32_t>("acc_i32"));

        const std::vector<uint8_t> weight_bytes = c.bytes("W_f16");
        matrix weights;
        ASSERT_OK(nq_matrix_quantize_8bit(device_, n, k, NQ_DTYPE_F16, weight_bytes.data(), weight_bytes.size(), weights.out()));
        std::vector<int8_t> codes(n * k);
        std::vector<float> row_absmax(n);
        ASSERT_OK(nq_matrix_export_8bit(weights, codes.data(), row_absmax.data()));
        EXPECT_EQ(codes, c.as<int8_t>("CB"));
        EXPECT_EQ(row_absmax, c.floats("SCB"));

        const array x = c.on(device_, "A_f16", m, k), bias = c.on(device_, "bias_f16", 1, n);
        const float threshold = static_cast<float>(c.parameters()["threshold"].value);
        const array mixed(device_, NQ_DTYPE_F32, m, n), mixed16(device_, NQ_DTYPE_BF16, m, n), scaled(device_, NQ_DTYPE_F32, m, n);
        ASSERT_OK(nq_linear8bit_forward(weights, x, bias, threshold, mixed));
        expect_close(mixed.floats(), c.floats("mixed_f32"), 5e-5, "mixed_f32");
        ASSERT_OK(nq_linear8bit_forward(weights, x, bias, threshold, mixed16));
        expect_close(mixed16.floats(), c.floats("mixed_bf16"), 1.0 / 128, "mixed_bf16");
        ASSERT_OK(nq_linear8bit_forward(weights, x, bias, 0, scaled));
        expect_close(scaled.floats(), c.floats("scaled_f32"), 5e-5, "scaled_f32");
    }
}

TEST_P(Golden, FourBitProductsAgree) {
    const auto cases = golden_cases("matmul_4bit");
    ASSERT_FALSE(cases.empty());
    for (const golden_case& c : cases) {
        SCOPED_TRACE(c.name());
        const size_t m = c.size("X", 0), k = c.size("X", 1), n = c.size("bias", 0);
        std::vector<uint8_t> packed = c.bytes("packed"), absmax_codes;
        std::vector<float> absmax, nested_absmax, map = dynamic_map(true);
        nq_matrix4bit_storage storage{};
        storage.rows = n;
        storage.columns = k;
        storage.quant_type = c.quant_type();
        storage.dtype = c.dtype("X");
        storage.blocksize = c.blocksize();
        storage.packed = packed.data();
        if (c.parameters()["nested"].value != 0) {
            absmax_codes = c.bytes("absmax_codes");
            nested_absmax = c.floats("nested_absmax");
            storage.nested_blocksize = 256;
            storage.absmax_codes = absmax_codes.data();
            storage.nested_absmax = nested_absmax.data();
            storage.nested_map = map.data();
            storage.nested_offset = c.floats("offset")[0];
        } else {
            absmax = c.floats("absmax");
            storage.absmax = absmax.data();
        }
        matrix weights;
        ASSERT_OK(nq_matrix_import_4bit(device_, &storage, weights.out()));
        const array x = c.on(device_, "X", m, k), bias = c.on(device_, "bias", 1, n), y(device_, c.dtype("Y"), m, n);
        ASSERT_OK(nq_linear4bit_forward(weights, x, bias, c.dtype("X"), y));
        expect_close(y.floats(), c.floats("Y"), c.dtype("Y") == NQ_DTYPE_F32 ? 1e-5 : 1.0 / 128, "Y");
    }
}

}  // namespace
}  // namespace nq::test
