#include "cuda/cuda_backend.h"
#include "cuda/fail.h"
#include "cuda/linear_layers.h"

namespace nq::cuda {

void cuda_backend::linear4bit_forward(const matrix&, const tensor&, const tensor*, nq_dtype, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "linear4bit_forward is not there on CUDA");
}

void enqueue_linear4bit(cuda_backend&, const matrix&, const tensor&, nq_dtype, const epilogue&) {
    fail(NQ_STATUS_UNSUPPORTED, "4-bit layers are not there on CUDA");
}

void dequantize_matrix4bit(cuda_backend&, const matrix&, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "4-bit matrices are not there on CUDA");
}

}  // namespace nq::cuda
