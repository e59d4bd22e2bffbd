// 4-bit matrices of random codes.
#pragma once

#include "panel_packing.h"

namespace nq::cpu::testing {

inline std::vector<uint8_t> random_codes(size_t n, uint32_t seed) {
    std::mt19937 generator(seed);
    std::vector<uint8_t> codes(n);
    for (uint8_t& c : codes) c = static_cast<uint8_t>(generator() & 15);
    return codes;
}

struct shape {
    size_t n, k;
    uint32_t blocksize;
};

inline packed_4bit plain_matrix(const shape& s, nq_quant_type type, uint32_t seed) {
    std::vector<float> absmax = normal_values(s.n * s.k / s.blocksize, seed + 1);
    for (float& a : absmax) a = std::fabs(a) + 0.1f;
    return packed_4bit(random_codes(s.n * s.k, seed), s.n, s.k, s.blocksize, type, absmax);
}

inline packed_4bit nested_matrix(const shape& s, nq_quant_type type, uint32_t nested_blocksize, uint32_t seed) {
    const size_t blocks = s.n * s.k / s.blocksize;
    std::vector<uint8_t> codes(blocks);
    for (size_t i = 0; i < blocks; ++i) codes[i] = static_cast<uint8_t>(i * 101 + i / 3);
    std::vector<float> nested((blocks + nested_blocksize - 1) / nested_blocksize);
    for (size_t i = 0; i < nested.size(); ++i) nested[i] = 0.5f + 0.01f * static_cast<float>(i % 77);
    return packed_4bit(random_codes(s.n * s.k, seed), s.n, s.k, s.blocksize, type, codes, nested, nested_blocksize, 1.37f);
}

}  // namespace nq::cpu::testing
