// Index arithmetic of the dense matrix product, exhaustively: shared memory without bank conflicts, fragments as the PTX manual draws them.
#include "cuda/device/gemm_layout.h"

#include <gtest/gtest.h>

#include <set>

#include "cuda/device/dense_layout.h"

namespace nq::cuda {
namespace {

constexpr uint32_t lanes = 32, tile_rows = 128;

TEST(gemm_layout, every_chunk_of_a_slice_has_a_place_of_its_own) {
    std::set<uint32_t> places;
    for (uint32_t row = 0; row < tile_rows; row++) {
        for (uint32_t chunk = 0; chunk < slice_chunks; chunk++) {
            const uint32_t offset = slice_offset(row, chunk);
            EXPECT_EQ(offset % 16, 0u);
            EXPECT_EQ(offset / slice_row_bytes, row) << "a row stays in its row, so a smaller tile fits in front of another operand";
            places.insert(offset);
        }
    }
    EXPECT_EQ(places.size(), tile_rows * slice_chunks);
}

TEST(gemm_layout, eight_accesses_of_16_bytes_meet_every_bank_once) {
    const auto expect_all_banks = [](const std::set<uint32_t>& groups_of_banks, const char* what) {
        EXPECT_EQ(groups_of_banks.size(), 8u) << what;
    };
    for (uint32_t first = 0; first < tile_rows; first += 8) {
        for (uint32_t chunk = 0; chunk < slice_chunks; chunk++) {
            std::set<uint32_t> banks;
            for (uint32_t row = first; row < first + 8; row++) banks.insert(slice_offset(row, chunk) % 128 / 16);
            expect_all_banks(banks, "a matrix that ldmatrix reads");
        }
    }
    for (uint32_t first = 0; first < tile_rows * slice_chunks; first += 8) {
        std::set<uint32_t> banks;
        for (uint32_t i = first; i < first + 8; i++) banks.insert(slice_offset(i / slice_chunks, i % slice_chunks) % 128 / 16);
        expect_all_banks(banks, "chunks that neighbouring threads write");
    }
}

// ldmatrix.x4: result i of a lane holds row lane / 4, columns 2 (lane % 4) and the next of matrix i, whose rows lanes 8i to 8i + 7 address.
TEST(gemm_layout, ldmatrix_yields_the_fragments_of_mma_m16n8k16) {
    for (uint32_t l = 0; l < lanes; l++) {
        for (uint32_t i = 0; i < 4; i++) {
            const uint32_t from = 8 * i + l / 4, within = l % 4 * 2;
            // A (16 x 16): register i is row l / 4 (+ 8 for i odd), columns 2 (l % 4) (+ 8 for i of 2 and 3).
            EXPECT_EQ(a_row(from), l / 4 + i % 2 * 8);
            EXPECT_EQ(a_chunk(from) * 8 + within, l % 4 * 2 + i / 2 * 8);
            // B (16 x 8, twice): register i % 2 is k of 2 (l % 4) (+ 8 for i odd), column l / 4 of tile i / 2.
            EXPECT_EQ(b_row(from), i / 2 * 8 + l / 4);
            EXPECT_EQ(b_chunk(from) * 8 + within, l % 4 * 2 + i % 2 * 8);
        }
    }
}

TEST(gemm_layout, accumulators_cover_the_tile) {
    std::set<uint32_t> elements;
    for (uint32_t l = 0; l < lanes; l++) {
        for (uint32_t i = 0; i < 4; i++) {
            EXPECT_EQ(c_row(l, i), l / 4 + (i >= 2 ? 8 : 0));
            EXPECT_EQ(c_column(l, i), 2 * (l % 4) + i % 2);
            elements.insert(c_row(l, i) * 8 + c_column(l, i));
        }
    }
    EXPECT_EQ(elements.size(), 128u);
}

TEST(gemm_layout, a_patch_is_written_and_read_without_bank_conflicts) {
    for (uint32_t columns : {16u, 32u}) {
        const uint32_t pitch = patch_pitch(columns);
        std::set<uint32_t> elements;
        for (uint32_t step = 0; step < columns / 2; step++) {
            std::set<uint32_t> banks;
            for (uint32_t l = 0; l < lanes; l++) {
                const uint32_t row = patch_row(step, l, columns);
                EXPECT_LT(row, 16u);
                elements.insert(row * columns + l % columns);
                banks.insert((row * pitch + l % columns) % 32);
            }
            EXPECT_EQ(banks.size(), 32u) << columns << " columns, step " << step;
        }
        EXPECT_EQ(elements.size(), 16 * columns);
        for (uint32_t first = 0; first < lanes; first += 16) {  // 16 lanes write 8 bytes each at once
            for (uint32_t i = 0; i < 4; i += 2) {
                std::set<uint32_t> banks;
                for (uint32_t l = first; l < first + 16; l++) banks.insert((c_row(l, i) * pitch + c_column(l, i)) % 32 / 2);
                EXPECT_EQ(banks.size(), 16u);
            }
        }
    }
}

TEST(gemm_layout, a_transposed_slice_has_places_for_all_and_meets_every_bank_once) {
    std::set<uint32_t> places;
    for (uint32_t column = 0; column < slice_columns; column++) {
        for (uint32_t row = 0; row < f32_slice_pitch; row++) {
            const uint32_t offset = f32_slice_offset(column, row);
            EXPECT_LT(offset, slice_columns * f32_slice_pitch);
            EXPECT_EQ(offset - row % 4, f32_slice_offset(column, row / 4 * 4)) << "four rows stay together";
            places.insert(offset);
        }
        for (uint32_t first = 0; first < f32_slice_pitch; first += 32) {  // eight threads read four rows each
            std::set<uint32_t> banks;
            for (uint32_t row = first; row < first + 32; row += 4) banks.insert(f32_slice_offset(column, row) % 32 / 4);
            EXPECT_EQ(banks.size(), 8u);
        }
    }
    EXPECT_EQ(places.size(), slice_columns * f32_slice_pitch);
    for (uint32_t first = 0; first < f32_slice_pitch; first += 4) {  // a warp writes column e of the eight quads of four rows
        for (uint32_t e = 0; e < 4; e++) {
            std::set<uint32_t> banks;
            for (uint32_t i = 0; i < lanes; i++) banks.insert(f32_slice_offset(i % 8 * 4 + e, first + i / 8) % 32);
            EXPECT_EQ(banks.size(), 32u);
        }
    }
}

TEST(gemm_layout, parts_of_k_are_all_slices_once_and_of_nearly_one_size) {
    for (uint32_t slices = 1; slices < 200; slices++) {
        for (uint32_t splits = 1; splits <= slices; splits++) {
            EXPECT_EQ(first_slice(0, splits, slices), 0u);
            EXPECT_EQ(first_slice(splits, splits, slices), slices);
            for (uint32_t s = 0; s < splits; s++) {
                const uint32_t size = first_slice(s + 1, splits, slices) - first_slice(s, splits, slices);
                EXPECT_GE(size, slices / splits);
                EXPECT_LE(size, (slices + splits - 1) / splits);
            }
        }
    }
}

TEST(dense_layout, rows_are_whole_slices) {
    for (size_t columns = 1; columns < 300; columns++) {
        EXPECT_EQ(dense_stride(columns) % slice_columns, 0u);
        EXPECT_GE(dense_stride(columns), columns);
        EXPECT_LT(dense_stride(columns), columns + slice_columns);
    }
    EXPECT_EQ(dense_slice, slice_columns);
}

}  // namespace
}  // namespace nq::cuda
