// Row-wise int8 quantization as the host runs it.
#pragma once

#include "cuda/cuda_backend.h"
#include "cuda/kernels/int8_rows.h"

namespace nq::cuda {

// Quantizes p.x as p says; p.marks is set here. Where p.threshold > 0 and p.x has more than one row, p.outlier_columns has room for all
// columns.
void enqueue_int8_rows(cuda_backend& device, int8_rows_parameters p);

// x [M, K] for an 8-bit layer: int8 codes and row absmax of f16(x), and the list of outlier columns. Made once for all layers of one x.
struct int8_activations {
    int8_activations(cuda_backend& device, const tensor& x, float threshold);

    size_t column_tiles;  // K / 32, rounded up
    device_block codes;   // [M, 32 * column_tiles]
    device_block row_absmax;
    device_block outliers;  // their number, then the columns
};

}  // namespace nq::cuda
