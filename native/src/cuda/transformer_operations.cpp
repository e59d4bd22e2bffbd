#include <algorithm>

#include "cuda/cuda_backend.h"
#include "cuda/dense_matrix.h"
#include "cuda/kernels/elementwise.h"
#include "cuda/kernels/embedding.h"
#include "cuda/kernels/normalization.h"
#include "cuda/kernels/rotary.h"
#include "cuda/kernels/softmax.h"

namespace nq::cuda {

namespace {

// Enough blocks to fill the device, no more than there are elements for.
launch_shape elementwise_shape(size_t count, unsigned multiprocessors) {
    constexpr unsigned blocks_per_multiprocessor = 8;
    const size_t blocks = (count + elementwise_threads - 1) / elementwise_threads;
    return {.grid_x = static_cast<unsigned>(std::min<size_t>(blocks, multiprocessors * blocks_per_multiprocessor)),
            .threads = elementwise_threads};
}

// A block a row, as far as a grid goes; kernels take the rest in further rounds.
unsigned row_blocks(const tensor& t) { return static_cast<unsigned>(std::min<size_t>(t.rows, 0x7fffffff)); }

}  // namespace

void cuda_backend::embedding_forward(const matrix& weights, const tensor& ids, const tensor& y) {
    device_->launch(embedding_kernel, {.grid_x = row_blocks(y), .threads = embedding_threads},
                    {as_dense(weights).weights(), static_cast<const uint32_t*>(ids.data), view_of(y), errors_.record()});
}

void cuda_backend::rmsnorm_forward(const tensor& x, const tensor& weight, float epsilon, const tensor& y) {
    device_->launch(rmsnorm_kernel, {.grid_x = row_blocks(x), .threads = rmsnorm_threads},
                    {view_of(x), weight.data, weight.dtype, epsilon, view_of(y)});
}

void cuda_backend::rotary_forward(const tensor& x, uint32_t head_dim, const tensor& positions, const tensor& cosine, const tensor& sine) {
    constexpr size_t most_blocks_a_row = 64;
    const size_t pairs = x.columns / head_dim * cosine.columns, blocks = (pairs + rotary_threads - 1) / rotary_threads;
    device_->launch(
        rotary_kernel,
        {.grid_x = row_blocks(x), .grid_y = static_cast<unsigned>(std::min(blocks, most_blocks_a_row)), .threads = rotary_threads},
        {view_of(x), head_dim, static_cast<const uint32_t*>(positions.data), view_of(cosine), view_of(sine), errors_.record()});
}

void cuda_backend::log_softmax_forward(const tensor& logits, const tensor& y) {
    device_->launch(log_softmax_kernel, {.grid_x = row_blocks(logits), .threads = softmax_threads}, {view_of(logits), view_of(y)});
}

void cuda_backend::token_log_probability_forward(const tensor& logits, const tensor& ids, const tensor& y) {
    device_->launch(token_log_probability_kernel, {.grid_x = row_blocks(logits), .threads = softmax_threads},
                    {view_of(logits), static_cast<const uint32_t*>(ids.data), static_cast<float*>(y.data), errors_.record()});
}

void cuda_backend::gated_silu_forward(const tensor& gate, const tensor& up, const tensor& y) {
    device_->launch(gated_silu_kernel, elementwise_shape(y.count(), device_->multiprocessors()), {view_of(gate), view_of(up), view_of(y)});
}

void cuda_backend::residual_add_forward(const tensor& x, const tensor& y) {
    device_->launch(residual_add_kernel, elementwise_shape(y.count(), device_->multiprocessors()), {view_of(x), {}, view_of(y)});
}

}  // namespace nq::cuda
