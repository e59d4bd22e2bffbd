// Parameters of the kernel in embedding.cu.
#pragma once

#include "cuda/device/index_check.h"
#include "cuda/device/view.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t embedding_threads = 128;

// y[t] = table[ids[t]].
struct embedding_parameters {
    view table;
    const uint32_t* ids;
    view y;
    index_error* error;
};

inline constexpr kernel<embedding_parameters> embedding_kernel{"embedding", "nq_embedding"};

}  // namespace nq::cuda
