#include <algorithm>

#include "cuda/cuda_backend.h"
#include "cuda/fail.h"
#include "cuda/kernels/elementwise.h"

namespace nq::cuda {

namespace {

// Enough blocks to fill the device, no more than there are elements for.
launch_shape elementwise_shape(size_t count, unsigned multiprocessors) {
    constexpr unsigned blocks_per_multiprocessor = 8;
    const size_t blocks = (count + elementwise_threads - 1) / elementwise_threads;
    return {.grid_x = static_cast<unsigned>(std::min<size_t>(blocks, multiprocessors * blocks_per_multiprocessor)),
            .threads = elementwise_threads};
}

}  // namespace

void cuda_backend::embedding_forward(const matrix&, const tensor&, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "embedding_forward is not there on CUDA");
}

void cuda_backend::rmsnorm_forward(const tensor&, const tensor&, float, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "rmsnorm_forward is not there on CUDA");
}

void cuda_backend::rotary_forward(const tensor&, uint32_t, const tensor&, const tensor&, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "rotary_forward is not there on CUDA");
}

void cuda_backend::log_softmax_forward(const tensor&, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "log_softmax_forward is not there on CUDA");
}

void cuda_backend::token_log_probability_forward(const tensor&, const tensor&, const tensor&) {
    fail(NQ_STATUS_UNSUPPORTED, "token_log_probability_forward is not there on CUDA");
}

void cuda_backend::gated_silu_forward(const tensor& gate, const tensor& up, const tensor& y) {
    device_->launch(gated_silu_kernel, elementwise_shape(y.count(), device_->multiprocessors()), {view_of(gate), view_of(up), view_of(y)});
}

void cuda_backend::residual_add_forward(const tensor& x, const tensor& y) {
    device_->launch(residual_add_kernel, elementwise_shape(y.count(), device_->multiprocessors()), {view_of(x), {}, view_of(y)});
}

}  // namespace nq::cuda
