#include <cstring>

#include "cpu/matrices.h"
#include "formats/codebooks.h"

namespace nq::cpu {

namespace {

// Bytes of a format's parts as the CPU holds them. Padding rows are allocated throughout, so that a kernel may read whole panels.
size_t code_bytes(const matrix4bit::format& f) {
    const bool flat = f.columns % f.blocksize != 0;
    return flat ? (f.rows * f.columns + 1) / 2 : panel_count(f.rows) * panel_rows * f.columns / 2;
}

size_t absmax_count(const matrix4bit::format& f) {
    const bool flat = f.columns % f.blocksize != 0;
    return flat ? (f.rows * f.columns - 1) / f.blocksize + 1 : panel_count(f.rows) * panel_rows * (f.columns / f.blocksize);
}

}  // namespace

matrix4bit::matrix4bit(cpu_backend& device, const format& f)
    : f_(f),
      codes_(device.account(), code_bytes(f)),
      absmax_(device.account(), absmax_count(f) * (f.nested_blocksize == 0 ? sizeof(float) : 1)) {
    if (f.nested_blocksize != 0) {
        nested_.emplace(device.account(), (256 + (absmax_count(f) - 1) / f.nested_blocksize + 1) * sizeof(float));
    }
}

nq_matrix_info matrix4bit::info() const noexcept {
    return formats::info_of(f_, codes_.bytes() + absmax_.bytes() + (nested_ ? nested_->bytes() : 0));
}

panels4bit matrix4bit::panels() const noexcept {
    const bool plain = f_.nested_blocksize == 0;
    return {.nibbles = codes_.as<uint32_t>(),
            .absmax = plain ? absmax() : nullptr,
            .absmax_codes = plain ? nullptr : absmax_codes(),
            .nested_map = nested_map(),
            .nested_absmax = nested_absmax(),
            .nested_offset = nested_offset_,
            .nested_blocksize = f_.nested_blocksize,
            .codebook = formats::codebook_4bit(f_.quant_type),
            .rows = f_.rows,
            .columns = f_.columns,
            .blocksize = f_.blocksize};
}

size_t matrix4bit::absmax_index(size_t block) const noexcept {
    if (!in_panels()) return block;
    const size_t groups = f_.columns / f_.blocksize;
    const size_t row = block / groups, group = block % groups;
    return (row / panel_rows * groups + group) * panel_rows + row % panel_rows;
}

void matrix4bit::load_packed(size_t row, size_t first, size_t n, uint8_t* packed) const noexcept {
    const uint32_t* words = codes_.as<uint32_t>() + (row / panel_rows * (f_.columns / 8) + first / 8) * panel_rows + row % panel_rows;
    for (size_t i = 0; i < n / 8; i++) {
        const uint32_t word = words[i * panel_rows];
        for (unsigned pair = 0; pair < 4; pair++) {
            packed[i * 4 + pair] = static_cast<uint8_t>((word >> (4 * pair) & 15) << 4 | (word >> (16 + 4 * pair) & 15));
        }
    }
}

void matrix4bit::store_absmax_codes(size_t panel, const uint8_t* codes) noexcept {
    const size_t groups = f_.columns / f_.blocksize, first = panel * panel_rows, valid = std::min(panel_rows, f_.rows - first);
    uint8_t* lanes = absmax_codes() + first * groups;
    for (size_t group = 0; group < groups; group++, lanes += panel_rows) {
        for (size_t lane = 0; lane < valid; lane++) lanes[lane] = codes[(first + lane) * groups + group];
    }
}

float matrix4bit::absmax_of_block(size_t block) const noexcept {
    const size_t index = absmax_index(block);
    return f_.nested_blocksize == 0 ? absmax()[index] : nested().absmax(absmax_codes()[index], block);
}

void matrix4bit::expand_row(size_t row, float* values) const noexcept {
    const float* codebook = formats::codebook_4bit(f_.quant_type);
    for (size_t c = 0; c < f_.columns;) {
        const size_t flat = row * f_.columns + c;
        const size_t block = flat / f_.blocksize;
        const size_t n = std::min(f_.columns - c, (block + 1) * f_.blocksize - flat);
        const float absmax = absmax_of_block(block);
        if (in_panels()) {
            uint8_t packed[2048];
            load_packed(row, c, n, packed);
            for (size_t i = 0; i < n; i++) values[c + i] = codebook[i % 2 == 0 ? packed[i / 2] >> 4 : packed[i / 2] & 15] * absmax;
        } else {
            for (size_t i = 0; i < n; i++) {
                const uint8_t byte = flat_packed()[(flat + i) / 2];
                values[c + i] = codebook[(flat + i) % 2 == 0 ? byte >> 4 : byte & 15] * absmax;
            }
        }
        c += n;
    }
}

}  // namespace nq::cpu
