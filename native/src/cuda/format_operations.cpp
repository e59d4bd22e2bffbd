#include "cuda/cuda_backend.h"
#include "cuda/fail.h"

namespace nq::cuda {

void cuda_backend::quantize_4bit(const tensor&, nq_quant_type, uint32_t, const tensor&, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "quantize_4bit is not there on CUDA");
}

void cuda_backend::dequantize_4bit(const tensor&, const tensor&, nq_quant_type, uint32_t, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "dequantize_4bit is not there on CUDA");
}

void cuda_backend::quantize_blockwise(const tensor&, const tensor&, uint32_t, const tensor&, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "quantize_blockwise is not there on CUDA");
}

void cuda_backend::dequantize_blockwise(const tensor&, const tensor&, const tensor&, uint32_t, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "dequantize_blockwise is not there on CUDA");
}

void cuda_backend::quantize_absmax(const tensor&, const tensor&, uint32_t, const tensor&, const tensor&, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "quantize_absmax is not there on CUDA");
}

void cuda_backend::dequantize_absmax(const tensor&, const tensor&, const tensor&, const tensor&, uint32_t, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "dequantize_absmax is not there on CUDA");
}

}  // namespace nq::cuda
