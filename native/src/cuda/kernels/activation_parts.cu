// Activations as operands of a matrix product on tensor cores: rows padded with zeros, each number as the sum of up to three bf16 parts
// (device/number_parts.h), so that products with bf16 weights lose nothing of it.
//
// Launch: grid (blocks of 256 threads over a row, four columns a thread; rows up to 65535, then in strides); no shared memory.
// Cost: reads x once, writes 2 bytes per part; small beside the product, which reads the parts once per 128 columns.
#include "cuda/kernels/activation_parts.h"

#include "cuda/device/number_parts.h"
#include "cuda/device/rows.h"

namespace nq::cuda {

NQ_KERNEL(nq_activation_parts, activation_parts_parameters, activation_parts_threads) {
    const size_t column = 4 * (static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x);
    if (column >= p.stride) return;
    for (size_t m = blockIdx.y; m < p.x.rows; m += gridDim.y) {
        float x[4];
        load_quad(row_of(p.x, m), column, 0, x);
        for (uint32_t part = 0; part < p.parts; part++) {
            auto* const result = reinterpret_cast<uint2*>(p.result + (part * p.x.rows + m) * p.stride + column);
            if (p.dtype == NQ_DTYPE_F16) {
                *result = {f16_from_f32(x[0]) | static_cast<uint32_t>(f16_from_f32(x[1])) << 16,
                           f16_from_f32(x[2]) | static_cast<uint32_t>(f16_from_f32(x[3])) << 16};
            } else {
                *result = {pack_parts(leading_part(x[0]), leading_part(x[1])), pack_parts(leading_part(x[2]), leading_part(x[3]))};
            }
            NQ_UNROLL
            for (float& v : x) v = rest_of(v);
        }
    }
}

}  // namespace nq::cuda
