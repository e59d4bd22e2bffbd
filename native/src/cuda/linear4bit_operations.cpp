#include "cuda/cuda_backend.h"
#include "cuda/fail.h"

namespace nq::cuda {

void cuda_backend::linear4bit_forward(const matrix&, const tensor&, const tensor*, nq_dtype, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "linear4bit_forward is not there on CUDA");
}

}  // namespace nq::cuda
