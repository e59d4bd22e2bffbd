#include "cuda/cuda_backend.h"
#include "cuda/fail.h"

namespace nq::cuda {

std::shared_ptr<kv_cache> cuda_backend::create_kv_cache(uint32_t, uint32_t, uint32_t, uint64_t, nq_dtype) {
    fail(NQ_STATUS_UNSUPPORTED, "create_kv_cache is not there on CUDA");
}

void cuda_backend::kv_cache_append(kv_cache&, uint32_t, const tensor&, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "kv_cache_append is not there on CUDA");
}

void cuda_backend::kv_cache_truncate(kv_cache&, uint64_t) { fail(NQ_STATUS_UNSUPPORTED, "kv_cache_truncate is not there on CUDA"); }

void cuda_backend::attention_forward(const kv_cache&, uint32_t, const tensor&, float, uint64_t, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "attention_forward is not there on CUDA");
}

}  // namespace nq::cuda
