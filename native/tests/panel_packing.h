// Row-major weights brought into the execution layouts, element by element as panels.h states them: an independent packer, so that the
// tests check the kernels against the written layout and not against the driver's packing.
#pragma once

#include "formats/codebooks.h"
#include "kernel_testing.h"

namespace nq::cpu::testing {

struct packed_dense {
    packed_dense(const std::vector<float>& w, size_t n, size_t k, nq_dtype dtype)
        : weights(w), data(panel_count(n) * k * 16 * (dtype == NQ_DTYPE_F32 ? 4 : 2), 64), panels{data.data(), dtype, n, k} {
        for (size_t panel = 0; panel < panel_count(n); ++panel) {
            for (size_t i = 0; i < k; ++i) {
                for (size_t lane = 0; lane < 16; ++lane) {
                    const size_t row = panel * 16 + lane, to = (panel * k + i) * 16 + lane;
                    float value = 0;
                    if (row < n) value = weights[row * k + i] = through(dtype, weights[row * k + i]);
                    const uint16_t half = dtype == NQ_DTYPE_F16 ? formats::f16_from_f32(value) : formats::bf16_from_f32(value);
                    if (dtype == NQ_DTYPE_F32)
                        std::memcpy(data.data() + to * 4, &value, 4);
                    else
                        std::memcpy(data.data() + to * 2, &half, 2);
                }
            }
        }
    }

    std::vector<float> weights;  // as held, row-major
    guarded<char> data;
    dense_panels panels;
};

struct packed_4bit {
    // codes: one per weight, row-major; absmax: one per block, or with nested its codes and statistics.
    packed_4bit(const std::vector<uint8_t>& codes, size_t n, size_t k, uint32_t blocksize, nq_quant_type type,
                const std::vector<float>& plain_absmax)
        : weights(n * k),
          nibbles(panel_count(n) * k * 2, 64),
          plain(panel_count(n) * (k / blocksize) * 16, 64),
          nested_codes(0),
          nested_absmax(0),
          codebook(std::vector<float>(formats::codebook_4bit(type), formats::codebook_4bit(type) + 16)) {
        pack(codes, n, k, blocksize);
        const size_t groups = k / blocksize;
        for (size_t i = 0; i < plain.size(); ++i) plain[i] = 0;
        for (size_t row = 0; row < n; ++row)
            for (size_t group = 0; group < groups; ++group)
                plain[((row / 16) * groups + group) * 16 + row % 16] = plain_absmax[row * groups + group];
        panels.absmax = plain.data();
        set_weights(codes, plain_absmax);
    }
    packed_4bit(const std::vector<uint8_t>& codes, size_t n, size_t k, uint32_t blocksize, nq_quant_type type,
                const std::vector<uint8_t>& absmax_codes, const std::vector<float>& nested, uint32_t nested_blocksize, float offset)
        : weights(n * k),
          nibbles(panel_count(n) * k * 2, 64),
          plain(0),
          nested_codes(panel_count(n) * (k / blocksize) * 16, 64),
          nested_absmax(nested),
          codebook(std::vector<float>(formats::codebook_4bit(type), formats::codebook_4bit(type) + 16)) {
        pack(codes, n, k, blocksize);
        const size_t groups = k / blocksize;
        for (size_t i = 0; i < nested_codes.size(); ++i) nested_codes[i] = 0;
        for (size_t row = 0; row < n; ++row)
            for (size_t group = 0; group < groups; ++group)
                nested_codes[((row / 16) * groups + group) * 16 + row % 16] = absmax_codes[row * groups + group];
        panels.absmax_codes = nested_codes.data();
        panels.nested_map = map.data();
        panels.nested_absmax = nested_absmax.data();
        panels.nested_offset = offset;
        panels.nested_blocksize = nested_blocksize;
        std::vector<float> values(absmax_codes.size());
        for (size_t block = 0; block < values.size(); ++block) {
            const float product = map[absmax_codes[block]] * nested[block / nested_blocksize];
            values[block] = product + offset;
        }
        set_weights(codes, values);
    }

    std::vector<float> weights;        // dequantized, row-major
    std::vector<int8_t> int8_weights;  // 127 times the codebook entry, rounded, row-major
    std::vector<float> absmax;         // of each block, row-major
    guarded<uint32_t> nibbles;
    guarded<float> plain;
    guarded<uint8_t> nested_codes;
    guarded<float> nested_absmax;
    guarded<float> codebook;
    guarded<float> map{std::vector<float>(formats::dynamic_map_signed, formats::dynamic_map_signed + 256)};
    panels4bit panels{};

private:
    void set_weights(const std::vector<uint8_t>& codes, const std::vector<float>& values) {
        absmax = values;
        for (size_t i = 0; i < codes.size(); ++i) {
            weights[i] = codebook[codes[i]] * absmax[i / panels.blocksize];
            int8_weights.push_back(static_cast<int8_t>(std::nearbyint(127.0f * codebook[codes[i]])));
        }
    }
    void pack(const std::vector<uint8_t>& codes, size_t n, size_t k, uint32_t blocksize) {
        for (size_t i = 0; i < nibbles.size(); ++i) nibbles[i] = 0;
        for (size_t row = 0; row < n; ++row) {
            for (size_t i = 0; i < k; ++i) {
                const unsigned shift = static_cast<unsigned>(i % 2 * 16 + i % 8 / 2 * 4);
                nibbles[(row / 16) * k * 2 + i / 8 * 16 + row % 16] |= static_cast<uint32_t>(codes[row * k + i]) << shift;
            }
        }
        panels.nibbles = nibbles.data();
        panels.codebook = codebook.data();
        panels.rows = n;
        panels.columns = k;
        panels.blocksize = blocksize;
    }
};

inline size_t padded(size_t k) { return (k + 63) / 64 * 64; }

struct packed_8bit {
    packed_8bit(const std::vector<int8_t>& row_major, const std::vector<float>& absmax, size_t n, size_t k)
        : codes(panel_count(n) * 16 * padded(k), 64),
          row_absmax(panel_count(n) * 16, 64),
          row_sums(panel_count(n) * 16, 64),
          panels{codes.data(), row_absmax.data(), row_sums.data(), n, k, padded(k)} {
        std::memset(codes.data(), 0, codes.size());
        for (size_t row = 0; row < row_absmax.size(); ++row) {
            row_absmax[row] = row < n ? absmax[row] : 0.0f;
            row_sums[row] = 0;
            for (size_t i = 0; i < k && row < n; ++i) {
                codes[(row / 16) * 16 * padded(k) + (i / 4 * 16 + row % 16) * 4 + i % 4] = row_major[row * k + i];
                row_sums[row] += row_major[row * k + i];
            }
        }
    }

    guarded<int8_t> codes;
    guarded<float> row_absmax;
    guarded<int32_t> row_sums;
    panels8bit panels;
};

}  // namespace nq::cpu::testing
