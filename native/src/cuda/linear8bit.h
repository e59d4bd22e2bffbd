// The 8-bit layer as the host runs it.
#pragma once

#include "cuda/int8_rows.h"
#include "cuda/kernels/linear8bit.h"

namespace nq::cuda {

// Enqueues the product that p describes, on tensor cores; p.splits and what goes with it is set here.
void enqueue_linear8bit_gemm(cuda_backend& device, linear8bit_parameters p);

// A layer whose activations are there already: several layers of one x share them.
void enqueue_linear8bit(cuda_backend& device, const matrix& weights, const tensor& x, const int8_activations& activations,
                        const epilogue& e);

}  // namespace nq::cuda
