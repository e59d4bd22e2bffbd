// The nearest entry of an 8-bit map in one look. Sign, exponent and seven bits of mantissa of y name a cell that holds at most one midpoint
// between entries, so the code is that of the cell, or its neighbour beyond the midpoint. quantizers.h stays the definition.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nq::formats {

class map_search {
public:
    // Cells of |y| from 2^-23 to 1, one of what is below, one of 1.
    static constexpr uint32_t first_cell = 0x3400, last_cell = 0x3f80;  // the upper half of an f32
    static constexpr size_t cells_per_sign = last_cell - first_cell + 1;

    // 256 ascending values, which must outlive this.
    explicit map_search(const float* map);

    // The prepared searches of the two dynamic maps, null for others.
    static const map_search* of_dynamic_map(const float* map);

    const float* map() const noexcept { return map_; }
    // Whether the cells tell the codes of all |y| <= 1. Maps of many nearly equal entries have too many midpoints in a cell; then there are
    // formats::nearest_code_8bit and patience.
    bool exact() const noexcept { return exact_; }

    // Positive y, then negative ones. Low byte: a code. Above it, a limit from 0 to 0x10000: with the lower half of y's bits >= limit the
    // answer is code + 1 for positive y and code for negative ones, else the other of the two.
    const uint32_t* cells() const noexcept { return cells_; }

private:
    uint32_t cell(const float* midpoints, uint32_t magnitude, bool negative);

    const float* map_;
    bool exact_;
    uint32_t cells_[2 * cells_per_sign];
};

}  // namespace nq::formats
