// Parameters of the kernels in softmax.cu.
#pragma once

#include "cuda/device/index_check.h"
#include "cuda/device/view.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t softmax_threads = 512;

// y = logits - log(sum(exp(logits))), per row; y may be logits.
struct log_softmax_parameters {
    view logits, y;
};
inline constexpr kernel<log_softmax_parameters> log_softmax_kernel{"softmax", "nq_log_softmax"};

// y[t] = log-softmax(logits[t])[ids[t]].
struct token_log_probability_parameters {
    view logits;
    const uint32_t* ids;
    float* y;
    index_error* error;
};
inline constexpr kernel<token_log_probability_parameters> token_log_probability_kernel{"softmax", "nq_token_log_probability"};

}  // namespace nq::cuda
