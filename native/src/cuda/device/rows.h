// Rows of f32, f16 or bf16 read and written four elements at a time: in one access where the row lies so that it can be, else one by one.
#pragma once

#include "cuda/device/numbers.h"
#include "cuda/device/view.h"

namespace nq::cuda {

struct row {
    void* data;
    uint64_t columns;
    nq_dtype dtype;
    bool whole_quads;
};

NQ_DEVICE row row_at(void* data, uint64_t columns, nq_dtype dtype) {
    const uint32_t quad_bytes = dtype == NQ_DTYPE_F32 ? 16 : 8;
    return {data, columns, dtype, reinterpret_cast<size_t>(data) % quad_bytes == 0};
}

NQ_DEVICE row row_of(const view& v, uint64_t r) {
    return row_at(static_cast<uint8_t*>(v.data) + r * v.row_stride * (v.dtype == NQ_DTYPE_F32 ? 4 : 2), v.columns, v.dtype);
}

// Elements i to i + 3, `beyond` for those past the end of the row. i is a multiple of 4.
NQ_DEVICE void load_quad(const row& r, uint64_t i, float beyond, float (&x)[4]) {
    if (!r.whole_quads || i + 4 > r.columns) {
        for (int e = 0; e < 4; e++) x[e] = i + e < r.columns ? load_as_f32(r.data, r.dtype, i + e) : beyond;
    } else if (r.dtype == NQ_DTYPE_F32) {
        const uint4 bits = static_cast<const uint4*>(r.data)[i / 4];
        x[0] = float_of(bits.x), x[1] = float_of(bits.y), x[2] = float_of(bits.z), x[3] = float_of(bits.w);
    } else {
        const uint2 bits = static_cast<const uint2*>(r.data)[i / 4];
        const uint32_t pairs[2] = {bits.x, bits.y};
        NQ_UNROLL
        for (int e = 0; e < 4; e++) {
            const uint16_t half = static_cast<uint16_t>(pairs[e / 2] >> 16 * (e % 2));
            x[e] = r.dtype == NQ_DTYPE_F16 ? f32_from_f16(half) : f32_from_bf16(half);
        }
    }
}

NQ_DEVICE void store_quad(const row& r, uint64_t i, const float (&x)[4]) {
    if (!r.whole_quads || i + 4 > r.columns) {
        for (int e = 0; e < 4; e++) {
            if (i + e < r.columns) store_from_f32(r.data, r.dtype, i + e, x[e]);
        }
    } else if (r.dtype == NQ_DTYPE_F32) {
        static_cast<uint4*>(r.data)[i / 4] = {bits_of(x[0]), bits_of(x[1]), bits_of(x[2]), bits_of(x[3])};
    } else {
        uint32_t pairs[2] = {};
        NQ_UNROLL
        for (int e = 0; e < 4; e++) {
            const uint16_t half = r.dtype == NQ_DTYPE_F16 ? f16_from_f32(x[e]) : bf16_from_f32(x[e]);
            pairs[e / 2] |= static_cast<uint32_t>(half) << 16 * (e % 2);
        }
        static_cast<uint2*>(r.data)[i / 4] = {pairs[0], pairs[1]};
    }
}

}  // namespace nq::cuda
