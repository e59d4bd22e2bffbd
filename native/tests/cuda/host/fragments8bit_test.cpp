// Where the codes of an 8-bit matrix lie, and the rows of x in shared memory, for every place there is.
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "cuda/kernels/linear8bit.h"

namespace nq::cuda {
namespace {

using namespace fragments8bit;

TEST(fragments8bit, every_byte_of_a_tile_holds_one_code_and_knows_which) {
    std::set<uint32_t> places;
    for (uint32_t row = 0; row < tile_rows; row++) {
        for (uint32_t column = 0; column < tile_columns; column++) {
            const uint32_t at = place(row, column);
            ASSERT_LT(at, tile_bytes);
            EXPECT_TRUE(places.insert(at).second) << row << ' ' << column;
            EXPECT_EQ(row_of(at), row);
            EXPECT_EQ(column_of(at), column);
        }
    }
}

// The PTX manual's map of B of m16n8k32: register i of lane l holds, in byte e, k = 4 (l % 4) + e + 16 i, n = l / 4.
TEST(fragments8bit, a_lane_loads_its_operands_of_two_products_in_the_order_of_the_registers) {
    for (uint32_t lane = 0; lane < 32; lane++) {
        for (uint32_t product = 0; product < 2; product++) {
            for (uint32_t i = 0; i < 2; i++) {
                for (uint32_t e = 0; e < 4; e++) {
                    const uint32_t k = lane % 4 * 4 + e + 16 * i, n = lane / 4;
                    EXPECT_EQ(place(product * 8 + n, k), lane * 16 + (product * 2 + i) * 4 + e);
                }
            }
        }
    }
}

TEST(fragments8bit, a_matrix_is_filled_without_gaps_tile_by_tile_along_its_rows) {
    constexpr size_t rows = 48, columns = 96;
    std::vector<int> seen(rows * columns);
    for (size_t row = 0; row < rows; row++) {
        for (size_t column = 0; column < columns; column++) {
            const size_t at = offset(row, column, columns / tile_columns);
            ASSERT_LT(at, seen.size());
            seen[at]++;
            EXPECT_EQ(at / tile_bytes, row / tile_rows * (columns / tile_columns) + column / tile_columns);
        }
    }
    EXPECT_EQ(seen, std::vector<int>(rows * columns, 1));
}

TEST(fragments8bit, eight_rows_read_at_one_chunk_lie_in_eight_different_groups_of_banks) {
    for (uint32_t chunks : {4u, 8u}) {
        for (uint32_t first = 0; first < 128; first += 8) {
            for (uint32_t chunk = 0; chunk < chunks; chunk++) {
                std::set<uint32_t> groups;
                for (uint32_t row = first; row < first + 8; row++) {
                    ASSERT_LT(swizzled_chunk(row, chunk, chunks), chunks);
                    groups.insert((row * chunks + swizzled_chunk(row, chunk, chunks)) % 8);
                }
                EXPECT_EQ(groups.size(), 8u) << first << ' ' << chunk << " of " << chunks;
            }
        }
        for (uint32_t row = 0; row < 128; row++) {
            std::set<uint32_t> places;
            for (uint32_t chunk = 0; chunk < chunks; chunk++) places.insert(swizzled_chunk(row, chunk, chunks));
            EXPECT_EQ(places.size(), chunks) << row;
        }
    }
}

}  // namespace
}  // namespace nq::cuda
