#include "formats/map_search.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "formats/codebooks.h"
#include "formats/half.h"

namespace nq::formats {

map_search::map_search(const float* map) : map_(map), exact_(true) {
    float midpoints[255];
    for (int i = 0; i < 255; i++) {
        midpoints[i] = 0.5f * (map[i] + map[i + 1]);
        exact_ = exact_ && std::abs(midpoints[i]) < 1.0f && (i == 0 || midpoints[i] > midpoints[i - 1]);
    }
    if (!exact_) return;
    for (uint32_t i = 0; i < cells_per_sign; i++) {
        cells_[i] = cell(midpoints, first_cell + i, false);
        cells_[cells_per_sign + i] = cell(midpoints, first_cell + i, true);
    }
    exact_ = exact_ && (cells_[0] & 0xff) == ((cells_[cells_per_sign] + 1) & 0xff);  // -0 is 0
}

uint32_t map_search::cell(const float* midpoints, uint32_t magnitude, bool negative) {
    constexpr uint32_t never = 0x10000;
    // Values of the cell in ascending order: least <= y < end, or for negative ones least < y <= end.
    const float inner = magnitude == first_cell ? 0.0f : float_of(magnitude << 16);
    const float outer = float_of((magnitude == last_cell ? magnitude : magnitude + 1) << 16);
    const float* last = midpoints + 255;
    // Midpoints that part the cell lie in [inner, outer) of the magnitudes.
    const float* begin = negative ? std::upper_bound(midpoints, last, -outer) : std::lower_bound(midpoints, last, inner);
    const float* end = negative ? std::upper_bound(midpoints, last, -inner) : std::lower_bound(midpoints, last, outer);
    const uint32_t below = static_cast<uint32_t>(begin - midpoints);
    if (begin == end) return never << 8 | (negative ? (below - 1) & 0xff : below);
    if (end - begin > 1 || magnitude == first_cell || magnitude == last_cell) exact_ = false;
    // On the midpoint itself the even one of below and below + 1 is right.
    const uint32_t at = bits_of(*begin) & 0xffff;
    const bool onwards = negative ? below % 2 == 0 : below % 2 == 1;  // the midpoint belongs to the larger magnitudes
    return (onwards ? at : at + 1) << 8 | below;
}

const map_search* map_search::of_dynamic_map(const float* map) {
    static const map_search searches[] = {map_search(dynamic_map_signed), map_search(dynamic_map_unsigned)};
    for (const map_search& search : searches) {
        if (std::memcmp(map, search.map_, 256 * sizeof(float)) == 0) return &search;
    }
    return nullptr;
}

}  // namespace nq::formats
