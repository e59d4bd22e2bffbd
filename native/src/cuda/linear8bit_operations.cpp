#include "cuda/cuda_backend.h"
#include "cuda/fail.h"
#include "cuda/linear_layers.h"

namespace nq::cuda {

void cuda_backend::quantize_int8_rows(const tensor&, float, const tensor&, const tensor&, const tensor*) {
    fail(NQ_STATUS_UNSUPPORTED, "quantize_int8_rows is not there on CUDA");
}

void cuda_backend::dequantize_int8_rows(const tensor&, const tensor&, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "dequantize_int8_rows is not there on CUDA");
}

std::shared_ptr<matrix> cuda_backend::quantize_matrix_8bit(const host_weights&) {
    fail(NQ_STATUS_UNSUPPORTED, "quantize_matrix_8bit is not there on CUDA");
}

std::shared_ptr<matrix> cuda_backend::import_8bit(size_t, size_t, nq_dtype, const int8_t*, const float*) {
    fail(NQ_STATUS_UNSUPPORTED, "import_8bit is not there on CUDA");
}

void cuda_backend::export_8bit(const matrix&, int8_t*, float*) { fail(NQ_STATUS_UNSUPPORTED, "export_8bit is not there on CUDA"); }

void cuda_backend::linear8bit_forward(const matrix&, const tensor&, const tensor*, float, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "linear8bit_forward is not there on CUDA");
}

void cuda_backend::int8_matmul(const tensor&, const tensor&, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "int8_matmul is not there on CUDA");
}

void cuda_backend::int8_matmul_dequantize(const tensor&, const tensor&, const tensor&, const tensor*, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "int8_matmul_dequantize is not there on CUDA");
}

void enqueue_linear8bit(cuda_backend&, const matrix&, const tensor&, float, const epilogue&) {
    fail(NQ_STATUS_UNSUPPORTED, "8-bit layers are not there on CUDA");
}

void dequantize_matrix8bit(cuda_backend&, const matrix&, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "8-bit matrices are not there on CUDA");
}

}  // namespace nq::cuda
