// A 4-bit matrix as kernels see it.
#pragma once

#include "cuda/device/target.h"

#if defined(NQ_DEVICE_CODE) || defined(NQ_SIMT)
#include "cuda/device/instructions.h"
#endif

namespace nq::cuda {

struct weights4bit {
    const uint8_t* codes;         // fragments4bit.h; "flat" matrices: the exchange format
    const float* absmax;          // plain, else null
    const uint8_t* absmax_codes;  // nested, else null
    const float* nested_absmax;
    const float* nested_map;  // 256 entries
    const float* codebook;    // 16 entries
    uint64_t rows, columns;   // N, K
    float nested_offset;
    // Powers of two, both: a division takes a device as long as many products.
    uint32_t nested_blocksize_log2;
    uint32_t blocksize_log2;

    NQ_HOST_DEVICE uint32_t blocksize() const { return 1u << blocksize_log2; }
    // Blocks in a row of a matrix in fragments.
    NQ_HOST_DEVICE uint64_t groups() const { return columns >> blocksize_log2; }
};

#if defined(NQ_DEVICE_CODE) || defined(NQ_SIMT)

// The absmax behind a code, `block` counted over the flat matrix; `map` may be a copy of nested_map. Product and sum are rounded
// separately.
NQ_DEVICE float nested_absmax_of(const weights4bit& w, const float* map, uint32_t code, size_t block) {
    const float scaled = map[code] * w.nested_absmax[block >> w.nested_blocksize_log2];
    return scaled + w.nested_offset;
}

// The absmax stored at `index`, of flat block `block`.
NQ_DEVICE float absmax_of(const weights4bit& w, size_t index, size_t block) {
    return w.absmax != nullptr ? w.absmax[index] : nested_absmax_of(w, w.nested_map, w.absmax_codes[index], block);
}

// Weight `flat` of a flat matrix, in f32.
NQ_DEVICE float flat_weight(const weights4bit& w, size_t flat) {
    const uint32_t byte = w.codes[flat / 2], code = flat % 2 == 0 ? byte >> 4 : byte & 15;
    const size_t block = flat >> w.blocksize_log2;
    return w.codebook[code] * absmax_of(w, block, block);
}

#endif

}  // namespace nq::cuda
