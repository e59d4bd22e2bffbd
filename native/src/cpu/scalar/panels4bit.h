// Single weights of the 4-bit layout, as panels.h states it.
#pragma once

#include "cpu/panels.h"

namespace nq::cpu::scalar {

inline float absmax_of(const panels4bit& weights, size_t panel, size_t lane, size_t group) {
    const size_t groups = weights.columns / weights.blocksize;
    const size_t index = (panel * groups + group) * panel_rows + lane;
    if (weights.absmax != nullptr) return weights.absmax[index];
    const size_t flat = (panel * panel_rows + lane) * groups + group;
    const float scaled = weights.nested_map[weights.absmax_codes[index]] * weights.nested_absmax[flat / weights.nested_blocksize];
    return scaled + weights.nested_offset;
}

// Where the code of column k lies within the dword of its eight columns: even k below, odd k above.
inline unsigned nibble_shift(size_t k) { return static_cast<unsigned>((k % 8) / 2 * 4 + (k % 2) * 16); }

}  // namespace nq::cpu::scalar
