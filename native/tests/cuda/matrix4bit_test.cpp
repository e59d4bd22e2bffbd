// 4-bit matrices on CUDA: the layout as index arithmetic, and what goes in comes out.
#include "cuda/device/fragments4bit.h"
#include "matrices4bit.h"

namespace nq::test {
namespace {

namespace layout = cuda::fragments4bit;
using matrix4bit = cuda_and_scalar;

TEST(fragments4bit, lane_bytes_are_the_b_fragments_of_the_matrix_instruction) {
    // PTX manual, mma.m16n8k16, 16-bit B: lane l holds in register r the elements k = 2 (l % 4) + 8 r and the next, n = l / 4.
    for (uint32_t lane = 0; lane < 32; lane++) {
        for (uint32_t block = 0; block < 8; block++) {
            for (uint32_t r = 0; r < 2; r++) {
                EXPECT_EQ(layout::row_of(lane, block * 2 + r), block * 8 + lane / 4);
                EXPECT_EQ(2 * layout::pair_of(lane, block * 2 + r), 2 * (lane % 4) + 8 * r);
            }
        }
    }
}

TEST(fragments4bit, every_pair_of_codes_has_one_byte_of_its_own) {
    for (const auto& [rows, columns] : {std::pair<size_t, size_t>{1, 32}, {64, 64}, {65, 160}, {192, 4096}}) {
        const size_t padded = layout::row_tiles(rows) * layout::tile_rows;
        std::vector<int> seen(padded * columns / 2);
        for (size_t row = 0; row < padded; row++) {
            for (size_t pair = 0; pair < columns / 2; pair++) {
                const size_t byte = layout::code_byte(row, pair, columns);
                ASSERT_LT(byte, seen.size());
                EXPECT_EQ(seen[byte]++, 0);
                const uint32_t lane = byte % layout::tile_bytes / layout::lane_bytes, in_lane = byte % layout::lane_bytes;
                const size_t tile = byte / layout::tile_bytes, along_k = columns / layout::tile_columns;
                EXPECT_EQ(tile / along_k * layout::tile_rows + layout::row_of(lane, in_lane), row);
                EXPECT_EQ(tile % along_k * 8 + layout::pair_of(lane, in_lane), pair);
            }
        }
    }
}

TEST(fragments4bit, every_absmax_has_a_place_and_a_lane_finds_its_eight_together) {
    for (const auto& [rows, groups] : {std::pair<size_t, size_t>{64, 1}, {128, 3}, {192, 64}}) {
        std::vector<int> seen(rows * groups);
        for (size_t row = 0; row < rows; row++) {
            for (size_t group = 0; group < groups; group++) {
                const size_t index = layout::absmax_index(row, group, groups);
                ASSERT_LT(index, seen.size());
                EXPECT_EQ(seen[index]++, 0);
                const uint32_t place = index % layout::tile_rows;
                EXPECT_EQ(layout::absmax_row(place), row % layout::tile_rows);
                EXPECT_EQ(place / 8, row % 8) << "lane / 4 of the lanes that hold the row";
                EXPECT_EQ(place % 8, row % layout::tile_rows / 8) << "block of the row";
            }
        }
    }
}

TEST_F(matrix4bit, is_imported_and_exported_bit_for_bit) {
    std::mt19937 generator(1);
    for (const auto& [rows, columns] :
         {std::pair<size_t, size_t>{1, 1}, {1, 64}, {3, 5}, {16, 128}, {65, 192}, {33, 100}, {2, 4096}, {130, 63}, {64, 32}}) {
        for (uint32_t blocksize : {32u, 64u, 4096u}) {
            for (uint32_t nested : {0u, 256u, 16u}) {
                storage_4bit in(rows, columns, NQ_QUANT_TYPE_FP4, NQ_DTYPE_BF16, blocksize, nested);
                for (uint8_t& b : in.packed) b = static_cast<uint8_t>(generator());  // an odd count keeps even its padding nibble
                for (uint8_t& b : in.absmax_codes) b = static_cast<uint8_t>(generator());
                for (float& v : in.absmax) v = static_cast<float>(generator());
                for (float& v : in.nested_absmax) v = static_cast<float>(generator());
                for (float& v : in.nested_map) v = static_cast<float>(generator());
                in.view.nested_offset = nested == 0 ? 0 : 0.625f;
                const matrix weights = in.import(cuda);
                const storage_4bit out(weights);
                EXPECT_EQ(out.packed, in.packed);
                EXPECT_EQ(out.absmax, in.absmax);
                EXPECT_EQ(out.absmax_codes, in.absmax_codes);
                EXPECT_EQ(out.nested_absmax, in.nested_absmax);
                EXPECT_EQ(out.nested_map, in.nested_map);
                EXPECT_EQ(out.view.nested_offset, in.view.nested_offset);
                const matrix specified = in.import(scalar);
                for (nq_dtype type : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
                    const array got(cuda, type, rows, columns, 3), expected(scalar, type, rows, columns);
                    ASSERT_OK(nq_matrix_dequantize(weights, got));
                    ASSERT_OK(nq_matrix_dequantize(specified, expected));
                    EXPECT_EQ(got.bytes(), expected.bytes());
                }
            }
        }
    }
}

TEST_F(matrix4bit, is_quantized_to_the_bits_of_the_scalar_one) {
    for (const auto& [rows, columns] : {std::pair<size_t, size_t>{1, 1}, {70, 128}, {9, 77}, {130, 64}, {3, 4100}}) {
        for (nq_dtype type : {NQ_DTYPE_F32, NQ_DTYPE_BF16}) {
            std::vector<uint8_t> bytes = encode(normal_values(rows * columns, 5), type);
            bytes.insert(bytes.begin(), 0);  // host memory has no alignment
            for (int nested : {0, 1}) {
                matrix on[2];
                for (int i = 0; i < 2; i++) {
                    ASSERT_OK(nq_matrix_quantize_4bit(i == 0 ? static_cast<nq_device*>(cuda) : scalar, rows, columns, type,
                                                      bytes.data() + 1, bytes.size() - 1,
                                                      nested == 0 ? NQ_QUANT_TYPE_NF4 : NQ_QUANT_TYPE_FP4, 64, nested, on[i].out()));
                }
                const storage_4bit got(on[0]), expected(on[1]);
                EXPECT_EQ(got.packed, expected.packed);
                EXPECT_EQ(got.absmax, expected.absmax);
                EXPECT_EQ(got.absmax_codes, expected.absmax_codes);
                EXPECT_EQ(got.nested_absmax, expected.nested_absmax);
                EXPECT_EQ(got.nested_map, expected.nested_map);
                EXPECT_EQ(got.view.nested_offset, expected.view.nested_offset);
            }
        }
    }
}

TEST_F(matrix4bit, a_weight_that_is_not_finite_is_named_by_its_index) {
    for (size_t columns : {size_t{64}, size_t{50}}) {
        std::vector<float> values = normal_values(70 * columns, 6);
        values[66 * columns + 3] = nan;
        matrix weights;
        EXPECT_EQ(nq_matrix_quantize_4bit(cuda, 70, columns, NQ_DTYPE_F32, values.data(), values.size() * 4, NQ_QUANT_TYPE_NF4, 32, 1,
                                          weights.out()),
                  NQ_STATUS_INVALID_DATA);
        const std::string name = "value at flat index " + std::to_string(66 * columns + 3) + " is NaN";
        EXPECT_EQ(std::string(nq_last_error_message()).rfind(name, 0), 0u) << nq_last_error_message();
    }
}

TEST_F(matrix4bit, nested_blocks_of_no_power_of_two_are_refused) {
    const storage_4bit in(1, 64, NQ_QUANT_TYPE_NF4, NQ_DTYPE_F16, 64, 12);
    matrix weights;
    EXPECT_EQ(nq_matrix_import_4bit(cuda, &in.view, weights.out()), NQ_STATUS_UNSUPPORTED);
    EXPECT_NE(std::string(nq_last_error_message()).find("nested_blocksize is 12"), std::string::npos) << nq_last_error_message();
}

TEST_F(matrix4bit, tells_its_sizes) {
    const matrix weights = storage_4bit(65, 128, NQ_QUANT_TYPE_NF4, NQ_DTYPE_F16, 64, 0).import(cuda);
    const nq_matrix_info info = info_of(weights);
    EXPECT_EQ(info.kind, NQ_MATRIX_4BIT);
    EXPECT_EQ(info.storage_bytes, 65 * 128 / 2 + 65 * 2 * 4);
    EXPECT_EQ(info.resident_bytes, 128 * 128 / 2 + 128 * 2 * 4 + 64) << "rows padded to 128, and the codebook";
}

}  // namespace
}  // namespace nq::test
