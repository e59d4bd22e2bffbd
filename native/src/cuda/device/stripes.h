// A product shared out in equal stripes ("stream-K"): `columns` pieces of the result of `steps` steps each, laid end to end, are cut into
// as many stripes as there are blocks, wherever the cuts fall. A stripe takes its part of each column it meets, a segment; a column that
// lies in several stripes is the sum of its segments, in order of the stripes.
#pragma once

#include "cuda/device/target.h"

namespace nq::cuda {

struct stripes {
    uint64_t columns, steps;
    uint32_t count;  // at most columns * steps

    struct segment {
        uint64_t column, first, last;  // steps [first, last)
    };

    NQ_HOST_DEVICE uint64_t total() const { return columns * steps; }
    // Steps of stripe s, counted through all columns: [begin(s), begin(s + 1)).
    NQ_HOST_DEVICE uint64_t begin(uint32_t s) const { return total() * s / count; }
    NQ_HOST_DEVICE uint32_t stripe_of(uint64_t step) const { return static_cast<uint32_t>(((step + 1) * count - 1) / total()); }
    // What is done of [at, end) without leaving a column.
    NQ_HOST_DEVICE segment next(uint64_t at, uint64_t end) const {
        const uint64_t column = at / steps, first = at % steps;
        return {column, first, end - at < steps - first ? first + (end - at) : steps};
    }
    NQ_HOST_DEVICE bool whole(const segment& s) const { return s.first == 0 && s.last == steps; }
    // The stripes that a column lies in: [first_stripe, last_stripe].
    NQ_HOST_DEVICE uint32_t first_stripe(uint64_t column) const { return stripe_of(column * steps); }
    NQ_HOST_DEVICE uint32_t last_stripe(uint64_t column) const { return stripe_of((column + 1) * steps - 1); }
    // A stripe leaves parts of at most two columns: of the one that it begins within, and of the one that it ends within. The part of the
    // column's first stripe is of the second kind.
    NQ_HOST_DEVICE uint64_t part_of(uint32_t stripe, bool columns_first) const { return 2 * uint64_t{stripe} + (columns_first ? 1 : 0); }
    NQ_HOST_DEVICE uint64_t parts() const { return 2 * uint64_t{count}; }
};

}  // namespace nq::cuda
