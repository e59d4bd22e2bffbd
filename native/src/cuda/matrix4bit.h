// A 4-bit matrix on a CUDA device: in fragments (layout: device/fragments4bit.h), or flat as in the exchange format where a block may run
// over the end of a row.
#pragma once

#include "cuda/cuda_backend.h"
#include "cuda/device/weights4bit.h"
#include "formats/matrix_storage.h"

namespace nq::cuda {

class matrix4bit final : public matrix {
public:
    using format = formats::matrix4bit_format;

    // Everything but the codebook and the nested absmax of padding is undefined until it is written.
    matrix4bit(cuda_backend& device, const format& f);

    nq_matrix_info info() const noexcept override;
    float nested_offset() const noexcept override { return nested_offset_; }
    void set_nested_offset(float offset) noexcept { nested_offset_ = offset; }

    const format& layout() const noexcept { return f_; }
    bool in_fragments() const noexcept { return f_.columns % f_.blocksize == 0; }
    bool nested() const noexcept { return f_.nested_blocksize != 0; }
    size_t count() const noexcept { return f_.count(); }
    size_t blocks() const noexcept { return f_.blocks(); }
    size_t nested_blocks() const noexcept { return f_.nested_blocks(); }

    // What kernels read.
    weights4bit weights() const noexcept;
    uint8_t* codes() const noexcept { return codes_.as<uint8_t>(); }
    size_t absmax_bytes() const noexcept { return absmax_.bytes(); }
    void* absmax() const noexcept { return absmax_.address(); }
    float* nested_map() const noexcept { return tables_.as<float>() + 16; }
    float* nested_absmax() const noexcept { return tables_.as<float>() + 16 + 256; }

private:
    format f_;
    device_block codes_;
    device_block absmax_;
    device_block tables_;  // codebook [16]; nested: map [256], then nested absmax
    float nested_offset_ = 0;
};

inline const matrix4bit& as_4bit(const matrix& weights) { return static_cast<const matrix4bit&>(weights); }

}  // namespace nq::cuda
