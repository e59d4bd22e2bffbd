#include "cuda/matrix4bit.h"

#include <bit>
#include <vector>

#include "cuda/device/fragments4bit.h"
#include "formats/codebooks.h"

namespace nq::cuda {

namespace {

bool in_fragments(const matrix4bit::format& f) { return f.columns % f.blocksize == 0; }

size_t code_bytes(const matrix4bit::format& f) {
    using namespace fragments4bit;
    return in_fragments(f) ? row_tiles(f.rows) * (f.columns / tile_columns) * tile_bytes : (f.rows * f.columns + 1) / 2;
}

size_t absmax_count(const matrix4bit::format& f) {
    using namespace fragments4bit;
    return in_fragments(f) ? row_tiles(f.rows) * tile_rows * (f.columns / f.blocksize) : (f.rows * f.columns - 1) / f.blocksize + 1;
}

// The padding rows of fragments read theirs too.
size_t table_floats(const matrix4bit::format& f) {
    return 16 + (f.nested_blocksize != 0 ? 256 + (absmax_count(f) - 1) / f.nested_blocksize + 1 : 0);
}

}  // namespace

matrix4bit::matrix4bit(cuda_backend& device, const format& f)
    : f_(f),
      codes_(device.scratch(code_bytes(f))),
      absmax_(device.scratch(absmax_count(f) * (f.nested_blocksize == 0 ? sizeof(float) : 1))),
      tables_(device.scratch(table_floats(f) * sizeof(float))) {
    device.write(tables_.address(), formats::codebook_4bit(f.quant_type), 16 * sizeof(float));
    if (nested()) {  // padding rows are decoded with the rest
        const std::vector<float> padding(table_floats(f) - 16 - 256 - nested_blocks());
        if (!padding.empty()) device.write(nested_absmax() + nested_blocks(), padding.data(), padding.size() * sizeof(float));
    }
}

nq_matrix_info matrix4bit::info() const noexcept { return formats::info_of(f_, codes_.bytes() + absmax_.bytes() + tables_.bytes()); }

weights4bit matrix4bit::weights() const noexcept {
    weights4bit w{};
    w.codes = codes();
    w.codebook = tables_.as<float>();
    w.rows = f_.rows;
    w.columns = f_.columns;
    w.blocksize_log2 = static_cast<uint32_t>(std::countr_zero(f_.blocksize));
    if (!nested()) {
        w.absmax = static_cast<const float*>(absmax());
        return w;
    }
    w.absmax_codes = static_cast<const uint8_t*>(absmax());
    w.nested_map = nested_map();
    w.nested_absmax = nested_absmax();
    w.nested_offset = nested_offset_;
    w.nested_blocksize_log2 = static_cast<uint32_t>(std::countr_zero(f_.nested_blocksize));
    return w;
}

}  // namespace nq::cuda
