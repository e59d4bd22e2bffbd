// Parameters of the kernels in kv_cache.cu.
#pragma once

#include "cuda/device/kv_layout.h"
#include "cuda/device/view.h"
#include "cuda/kernel.h"

namespace nq::cuda {

inline constexpr uint32_t kv_append_threads = 128;

// Positions first, first + 1, ... of one layer become the rows of keys and values.
struct kv_append_parameters {
    kv_view cache;
    view keys, values;  // [T, kv_heads * head_dim]
    uint64_t first;
};
inline constexpr kernel<kv_append_parameters> kv_append_kernel{"kv_cache", "nq_kv_append"};

inline constexpr uint32_t kv_pages_at_once = 128;

// pages[first + i] = addresses[i].
struct kv_set_pages_parameters {
    uint8_t** pages;
    uint32_t first;
    uint32_t count;
    uint8_t* addresses[kv_pages_at_once];
};
inline constexpr kernel<kv_set_pages_parameters> kv_set_pages_kernel{"kv_cache", "nq_kv_set_pages"};

}  // namespace nq::cuda
