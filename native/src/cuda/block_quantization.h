// Block-wise quantization of device memory, as the format operations and the loading of matrices use it.
#pragma once

#include "cuda/cuda_backend.h"

namespace nq::cuda {

// Numbers in device memory, taken flat.
struct flat_values {
    const void* data;
    nq_dtype dtype;
    size_t count;
};

// Where a kernel says which block holds a NaN or an infinity, the first of them. The host looks when it must.
class first_bad_block {
public:
    explicit first_bad_block(cuda_backend& device);

    uint32_t* address() const noexcept { return place_.as<uint32_t>(); }
    // Waits. INVALID_DATA, naming the index, if values - offset of a block were not all finite. `values` begin at flat index `first`.
    void check(const flat_values& values, size_t blocksize, size_t first = 0, float offset = 0) const;

private:
    cuda_backend& device_;
    device_block place_;
};

// nq_quantize_4bit, but for the check.
void enqueue_quantize_4bit(cuda_backend& device, const flat_values& values, nq_quant_type type, uint32_t blocksize, uint8_t* packed,
                           float* absmax, const first_bad_block& bad);
// nq_quantize_absmax; `codes` and all others in device memory. Waits for the check.
void quantize_absmax_values(cuda_backend& device, const float* absmax, size_t count, const float* map, uint32_t nested_blocksize,
                            uint8_t* codes, float* nested_absmax, float* offset);

}  // namespace nq::cuda
