// A short way to 4-bit codes. round(scale * y) puts y into one of 32 cells that hold at most one threshold each, so the code is what lies
// below the cell, plus one if y is above the one threshold. The cells are checked at compile time; quantizers.h stays the definition.
#pragma once

#include "formats/codebooks.h"

namespace nq::formats {

struct code_cells {
    float scale;
    float threshold[32];  // of the cell, or the next one above it; index = cell mod 32
    uint16_t below[32];   // number of thresholds below the cell
};

// Cells `first` to `last` for ascending thresholds.
template <int count>
constexpr code_cells make_code_cells(const float (&thresholds)[count], float scale, int first, int last) {
    code_cells cells{};
    cells.scale = scale;
    for (int cell = first; cell <= last; cell++) {
        int below = 0;
        while (below < count && double{thresholds[below]} * double{scale} < cell - 0.5) below++;
        cells.below[cell & 31] = static_cast<uint16_t>(below);
        cells.threshold[cell & 31] = below < count ? thresholds[below] : 2.0f;
    }
    return cells;
}

// Every threshold has a cell of its own and is further from its ends than any rounding of scale * y.
template <int count>
constexpr bool cells_separate(const float (&thresholds)[count], const code_cells& cells) {
    int before = -100;
    for (const float threshold : thresholds) {
        const double at = double{threshold} * double{cells.scale} + 64.5;
        const int cell = static_cast<int>(at);
        if (cell == before || at - cell < 0.01 || at - cell > 0.99) return false;
        before = cell;
    }
    return true;
}

// NF4 by y, from -1 to 1; FP4 by |y|, its codes counted by magnitude.
inline constexpr code_cells nf4_cells = make_code_cells(nf4_thresholds, 14.6f, -15, 15);
inline constexpr code_cells fp4_cells = make_code_cells(fp4_thresholds, 24.0f, 0, 24);
static_assert(cells_separate(nf4_thresholds, nf4_cells) && cells_separate(fp4_thresholds, fp4_cells));

}  // namespace nq::formats
