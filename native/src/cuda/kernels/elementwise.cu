// Elementwise operations.
//
//   nq_gated_silu    y = x / (1 + exp(-x)) * z
//   nq_residual_add  y = y + x
// Views [rows, columns] of f32, f16 or bf16, arithmetic f32, one rounding to the type of y.
//
// Launch: blocks of 256 threads over rows * columns in a grid-stride loop; no shared memory.
// Cost: the bytes of the operands; expected at the copy bandwidth of the device from about 1 MiB on.
// Source: arXiv 2002.05202 (gated SiLU).
#include "cuda/kernels/elementwise.h"

#include "cuda/device/numbers.h"

namespace nq::cuda {

NQ_DEVICE size_t offset_of(const view& v, size_t row, size_t column) { return row * v.row_stride + column; }

// body(row, column) for every element.
template <class Body>
NQ_DEVICE void for_each_element(const view& v, const Body& body) {
    const size_t count = v.rows * v.columns, step = static_cast<size_t>(gridDim.x) * blockDim.x;
    for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) body(i / v.columns, i % v.columns);
}

NQ_KERNEL(nq_gated_silu, elementwise_parameters, elementwise_threads) {
    for_each_element(p.y, [&](size_t r, size_t c) {
        const float gate = load_as_f32(p.x.data, p.x.dtype, offset_of(p.x, r, c));
        const float up = load_as_f32(p.z.data, p.z.dtype, offset_of(p.z, r, c));
        store_from_f32(p.y.data, p.y.dtype, offset_of(p.y, r, c), divide(gate, 1 + exponential(-gate)) * up);
    });
}

NQ_KERNEL(nq_residual_add, elementwise_parameters, elementwise_threads) {
    for_each_element(p.y, [&](size_t r, size_t c) {
        const size_t i = offset_of(p.y, r, c);
        store_from_f32(p.y.data, p.y.dtype, i,
                       load_as_f32(p.y.data, p.y.dtype, i) + load_as_f32(p.x.data, p.x.dtype, offset_of(p.x, r, c)));
    });
}

}  // namespace nq::cuda
