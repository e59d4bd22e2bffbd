// Parameters of the kernels in absmax.cu.
#pragma once

#include "cuda/device/view.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t absmax_piece = 4096, absmax_chains = 8, absmax_pieces_per_block = 16;
inline constexpr uint32_t absmax_threads = absmax_chains * absmax_pieces_per_block;

struct absmax_mean_parameters {
    const float* values;
    uint64_t count;
    double* sums;  // one for each piece of `absmax_piece` values
    float* mean;
    uint32_t* bad_piece;  // receives the least index of a piece with a NaN or an infinity
};

inline constexpr kernel<absmax_mean_parameters> absmax_piece_sums_kernel{"absmax", "nq_absmax_piece_sums"};
inline constexpr kernel<absmax_mean_parameters> absmax_mean_kernel{"absmax", "nq_absmax_mean"};

}  // namespace nq::cuda
