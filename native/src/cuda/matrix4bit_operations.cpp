#include "cuda/cuda_backend.h"
#include "cuda/fail.h"

namespace nq::cuda {

std::shared_ptr<matrix> cuda_backend::quantize_matrix_4bit(const host_weights&, nq_quant_type, uint32_t, bool) {
    fail(NQ_STATUS_UNSUPPORTED, "quantize_matrix_4bit is not there on CUDA");
}

std::shared_ptr<matrix> cuda_backend::import_4bit(const nq_matrix4bit_storage&) {
    fail(NQ_STATUS_UNSUPPORTED, "import_4bit is not there on CUDA");
}

void cuda_backend::export_4bit(const matrix&, nq_matrix4bit_storage&) { fail(NQ_STATUS_UNSUPPORTED, "export_4bit is not there on CUDA"); }

}  // namespace nq::cuda
