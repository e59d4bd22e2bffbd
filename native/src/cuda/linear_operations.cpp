#include "cuda/cuda_backend.h"
#include "cuda/fail.h"

namespace nq::cuda {

std::shared_ptr<matrix> cuda_backend::create_dense(const host_weights&, nq_dtype) {
    fail(NQ_STATUS_UNSUPPORTED, "create_dense is not there on CUDA");
}

void cuda_backend::dequantize_matrix(const matrix&, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "dequantize_matrix is not there on CUDA");
}

void cuda_backend::linear_forward(const matrix&, const tensor&, const tensor*, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "linear_forward is not there on CUDA");
}

void cuda_backend::linear_group_forward(const linear_layer*, size_t, const tensor&, nq_epilogue) {
    fail(NQ_STATUS_UNSUPPORTED, "linear_group_forward is not there on CUDA");
}

}  // namespace nq::cuda
