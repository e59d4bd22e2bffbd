// Conversion between floating-point types.
//
//   nq_convert  y = x, one rounding to nearest, ties to even
// Views [rows, columns] of f32, f16 or bf16; NaN stays NaN.
//
// Launch: grid (blocks of 256 columns, rows up to 65535, then in strides); a thread per column; no shared memory.
// Cost: the bytes of x and y; expected at the copy bandwidth of the device from about 1 MiB on.
#include "cuda/kernels/conversion.h"

#include "cuda/device/numbers.h"

namespace nq::cuda {

NQ_KERNEL(nq_convert, convert_parameters, conversion_threads) {
    const size_t column = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (column >= p.padded) return;
    for (size_t row = blockIdx.y; row < p.y.rows; row += gridDim.y) {
        const float value = column < p.x.columns ? load_as_f32(p.x.data, p.x.dtype, row * p.x.row_stride + column) : 0.0f;
        store_from_f32(p.y.data, p.y.dtype, row * p.y.row_stride + column, value);
    }
}

}  // namespace nq::cuda
