// A codebook as a table of pairs in shared memory: entry `byte` holds the f32 values of the two codes of a byte, so that one 8-byte load
// decodes two weights. The table is there `copies` times, interleaved, lane l reading copy l modulo copies: with 16 copies (32 KiB) the
// sixteen lanes that a shared-memory cycle serves never meet in a bank; with 4 (8 KiB) they meet about three at a time, which devices with
// slow memory do not notice.
#pragma once

#include "cuda/device/numbers.h"

namespace nq::cuda {

struct alignas(8) code_pair {
    float first, second;  // of the high and the low nibble
};

inline constexpr uint32_t code_bytes = 256;

// By all `threads` of a block; they are to meet in sync_block() before they read.
NQ_DEVICE void fill_code_pairs(code_pair* table, uint32_t copies_log2, const float* codebook, uint32_t threads) {
    for (uint32_t i = threadIdx.x; i < code_bytes << copies_log2; i += threads) {
        const uint32_t byte = i >> copies_log2;
        reinterpret_cast<uint2*>(table)[i] = {bits_of(codebook[byte >> 4]), bits_of(codebook[byte & 15])};
    }
}

// Both numbers rounded to f16 or bf16, the first in the low half.
template <nq_dtype type>
NQ_DEVICE uint32_t round_pair(float first, float second) {
    return type == NQ_DTYPE_F16 ? f16_pair(first, second) : bf16_pair(first, second);
}
template <nq_dtype type>
NQ_DEVICE code_pair widen_pair(uint32_t pair) {
    if (type == NQ_DTYPE_F16) return {f32_from_f16(static_cast<uint16_t>(pair)), f32_from_f16(static_cast<uint16_t>(pair >> 16))};
    return {float_of(pair << 16), float_of(pair & 0xffff0000)};
}

}  // namespace nq::cuda
