// Quantization of tensors: checks only.
#include "api/arguments.h"

using namespace nq;
using namespace nq::api;

namespace {

constexpr type_set f32 = only(NQ_DTYPE_F32), u8 = only(NQ_DTYPE_U8), i8 = only(NQ_DTYPE_I8);

}  // namespace

nq_status nq_quantize_4bit(const nq_tensor* input, nq_quant_type quant_type, uint32_t blocksize, const nq_tensor* packed,
                           const nq_tensor* absmax) noexcept {
    return guarded([&] {
        operation op;
        const tensor& x = op.input(input, "input", floating);
        const tensor& p = op.output(packed, "packed", u8);
        const tensor& a = op.output(absmax, "absmax", f32);
        require_quant_type(quant_type);
        require_4bit_blocksize(blocksize);
        op.require_contiguous(x);
        op.require_elements(p, (x.count() + 1) / 2);
        op.require_elements(a, blocks_of(x.count(), blocksize));
        op.device().quantize_4bit(x, quant_type, blocksize, p, a);
    });
}

nq_status nq_dequantize_4bit(const nq_tensor* packed, const nq_tensor* absmax, nq_quant_type quant_type, uint32_t blocksize,
                             const nq_tensor* output) noexcept {
    return guarded([&] {
        operation op;
        const tensor& p = op.input(packed, "packed", u8);
        const tensor& a = op.input(absmax, "absmax", f32);
        const tensor& y = op.output(output, "output", floating);
        require_quant_type(quant_type);
        require_4bit_blocksize(blocksize);
        op.require_contiguous(y);
        op.require_elements(p, (y.count() + 1) / 2);
        op.require_elements(a, blocks_of(y.count(), blocksize));
        op.device().dequantize_4bit(p, a, quant_type, blocksize, y);
    });
}

nq_status nq_quantize_blockwise(const nq_tensor* input, const nq_tensor* map, uint32_t blocksize, const nq_tensor* codes,
                                const nq_tensor* absmax) noexcept {
    return guarded([&] {
        operation op;
        const tensor& x = op.input(input, "input", floating);
        const tensor& m = op.input(map, "map", f32);
        const tensor& c = op.output(codes, "codes", u8);
        const tensor& a = op.output(absmax, "absmax", f32);
        require_positive(blocksize, "blocksize");
        op.require_contiguous(x);
        op.require_elements(m, 256);
        op.require_elements(c, x.count());
        op.require_elements(a, blocks_of(x.count(), blocksize));
        op.device().quantize_blockwise(x, m, blocksize, c, a);
    });
}

nq_status nq_dequantize_blockwise(const nq_tensor* codes, const nq_tensor* map, const nq_tensor* absmax, uint32_t blocksize,
                                  const nq_tensor* output) noexcept {
    return guarded([&] {
        operation op;
        const tensor& c = op.input(codes, "codes", u8);
        const tensor& m = op.input(map, "map", f32);
        const tensor& a = op.input(absmax, "absmax", f32);
        const tensor& y = op.output(output, "output", floating);
        require_positive(blocksize, "blocksize");
        op.require_contiguous(y);
        op.require_elements(c, y.count());
        op.require_elements(m, 256);
        op.require_elements(a, blocks_of(y.count(), blocksize));
        op.device().dequantize_blockwise(c, m, a, blocksize, y);
    });
}

nq_status nq_quantize_absmax(const nq_tensor* absmax, const nq_tensor* map, uint32_t nested_blocksize, const nq_tensor* codes,
                             const nq_tensor* nested_absmax, const nq_tensor* offset) noexcept {
    return guarded([&] {
        operation op;
        const tensor& a = op.input(absmax, "absmax", f32);
        const tensor& m = op.input(map, "map", f32);
        const tensor& c = op.output(codes, "codes", u8);
        const tensor& n = op.output(nested_absmax, "nested_absmax", f32);
        const tensor& o = op.output(offset, "offset", f32);
        require_positive(nested_blocksize, "nested_blocksize");
        op.require_contiguous(a);
        op.require_elements(m, 256);
        op.require_elements(c, a.count());
        op.require_elements(n, blocks_of(a.count(), nested_blocksize));
        op.require_elements(o, 1);
        op.device().quantize_absmax(a, m, nested_blocksize, c, n, o);
    });
}

nq_status nq_dequantize_absmax(const nq_tensor* codes, const nq_tensor* map, const nq_tensor* nested_absmax, const nq_tensor* offset,
                               uint32_t nested_blocksize, const nq_tensor* absmax) noexcept {
    return guarded([&] {
        operation op;
        const tensor& c = op.input(codes, "codes", u8);
        const tensor& m = op.input(map, "map", f32);
        const tensor& n = op.input(nested_absmax, "nested_absmax", f32);
        const tensor& o = op.input(offset, "offset", f32);
        const tensor& a = op.output(absmax, "absmax", f32);
        require_positive(nested_blocksize, "nested_blocksize");
        op.require_contiguous(a);
        op.require_elements(c, a.count());
        op.require_elements(m, 256);
        op.require_elements(n, blocks_of(a.count(), nested_blocksize));
        op.require_elements(o, 1);
        op.device().dequantize_absmax(c, m, n, o, nested_blocksize, a);
    });
}

nq_status nq_quantize_int8_rows(const nq_tensor* input, float threshold, const nq_tensor* codes, const nq_tensor* row_absmax,
                                const nq_tensor* outlier_columns) noexcept {
    return guarded([&] {
        operation op;
        const tensor& x = op.input(input, "input", floating);
        const tensor& c = op.output(codes, "codes", i8);
        const tensor& a = op.output(row_absmax, "row_absmax", f32);
        const tensor* o = outlier_columns == nullptr ? nullptr : &op.output(outlier_columns, "outlier_columns", u8);
        require_threshold(threshold);
        op.require_shape(c, x.rows, x.columns);
        op.require_elements(a, x.rows);
        if (o != nullptr) op.require_elements(*o, x.columns);
        op.device().quantize_int8_rows(x, threshold, c, a, o);
    });
}

nq_status nq_dequantize_int8_rows(const nq_tensor* codes, const nq_tensor* row_absmax, const nq_tensor* output) noexcept {
    return guarded([&] {
        operation op;
        const tensor& c = op.input(codes, "codes", i8);
        const tensor& a = op.input(row_absmax, "row_absmax", f32);
        const tensor& y = op.output(output, "output", floating);
        op.require_elements(a, c.rows);
        op.require_shape(y, c.rows, c.columns);
        op.device().dequantize_int8_rows(c, a, y);
    });
}
