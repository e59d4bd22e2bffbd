// The operation table: what a backend implements. The API layer has checked every argument before it calls in here (shapes, types,
// ranges, one device), so a backend computes and nothing else. Data pointers are device addresses.
// Failure: throw nq::error (see error.h); the API layer turns it into a status.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "nativequant/nativequant.h"

namespace nq {

// A resolved nq_tensor: same meaning, with the address of element (0, 0).
struct tensor {
    void* data;
    size_t rows;
    size_t columns;
    size_t row_stride;
    nq_dtype dtype;

    size_t count() const noexcept { return rows * columns; }
};

// Device memory. Freed by the destructor.
class memory {
public:
    virtual ~memory() = default;
    virtual void* address() const noexcept = 0;
    virtual size_t bytes() const noexcept = 0;
};

// A weight matrix in its backend's own layout.
class matrix {
public:
    virtual ~matrix() = default;
    virtual nq_matrix_info info() const noexcept = 0;
    virtual float nested_offset() const noexcept { return 0.0f; }
};

// Keys and values of one sequence in its backend's own layout.
class kv_cache {
public:
    virtual ~kv_cache() = default;
    virtual uint32_t layers() const noexcept = 0;
    virtual uint32_t kv_heads() const noexcept = 0;
    virtual uint32_t head_dim() const noexcept = 0;
    virtual uint64_t capacity() const noexcept = 0;
    virtual uint64_t length(uint32_t layer) const noexcept = 0;
    virtual uint64_t bytes() const noexcept = 0;
};

// Weights in host memory, contiguous row-major; no alignment is promised.
struct host_weights {
    const void* data;
    size_t rows;
    size_t columns;
    nq_dtype dtype;
};

// One layer of a group. The matrix is of any kind.
struct linear_layer {
    const matrix* weights;
    const tensor* bias;  // may be null
    const tensor* y;
    nq_dtype compute_dtype;  // 4-bit
    float threshold;         // 8-bit
};
inline constexpr size_t most_group_layers = 8;

class backend {
public:
    virtual ~backend() = default;

    // Device and memory
    virtual const char* kind() const noexcept = 0;
    virtual const char* implementation() const noexcept = 0;
    virtual uint32_t thread_count() const noexcept = 0;
    virtual uint64_t allocated_bytes() const noexcept = 0;
    virtual uint64_t peak_allocated_bytes() const noexcept = 0;
    virtual void reset_peak() noexcept = 0;
    virtual void trim() = 0;
    // Waits for everything asked of the device. A backend that has finished when a call returns has nothing to do here or in a step.
    virtual void synchronize() {}
    virtual void step_begin() {}
    virtual void step_end() {}
    virtual std::unique_ptr<memory> allocate(size_t bytes) = 0;
    virtual void write(void* destination, const void* host_source, size_t bytes) = 0;
    virtual void read(void* host_destination, const void* source, size_t bytes) = 0;
    virtual void copy(void* destination, const void* source, size_t bytes) = 0;

    // Formats
    virtual void quantize_4bit(const tensor& input, nq_quant_type type, uint32_t blocksize, const tensor& packed, const tensor& absmax) = 0;
    virtual void dequantize_4bit(const tensor& packed, const tensor& absmax, nq_quant_type type, uint32_t blocksize,
                                 const tensor& output) = 0;
    virtual void quantize_blockwise(const tensor& input, const tensor& map, uint32_t blocksize, const tensor& codes,
                                    const tensor& absmax) = 0;
    virtual void dequantize_blockwise(const tensor& codes, const tensor& map, const tensor& absmax, uint32_t blocksize,
                                      const tensor& output) = 0;
    virtual void quantize_absmax(const tensor& absmax, const tensor& map, uint32_t nested_blocksize, const tensor& codes,
                                 const tensor& nested_absmax, const tensor& offset) = 0;
    virtual void dequantize_absmax(const tensor& codes, const tensor& map, const tensor& nested_absmax, const tensor& offset,
                                   uint32_t nested_blocksize, const tensor& absmax) = 0;
    virtual void quantize_int8_rows(const tensor& input, float threshold, const tensor& codes, const tensor& row_absmax,
                                    const tensor* outlier_columns) = 0;
    virtual void dequantize_int8_rows(const tensor& codes, const tensor& row_absmax, const tensor& output) = 0;

    // Matrices
    virtual std::shared_ptr<matrix> create_dense(const host_weights& source, nq_dtype dtype) = 0;
    virtual std::shared_ptr<matrix> quantize_matrix_4bit(const host_weights& source, nq_quant_type type, uint32_t blocksize,
                                                         bool nested) = 0;
    virtual std::shared_ptr<matrix> import_4bit(const nq_matrix4bit_storage& storage) = 0;
    virtual void export_4bit(const matrix& weights, nq_matrix4bit_storage& storage) = 0;
    virtual std::shared_ptr<matrix> quantize_matrix_8bit(const host_weights& source) = 0;
    virtual std::shared_ptr<matrix> import_8bit(size_t rows, size_t columns, nq_dtype dtype, const int8_t* codes,
                                                const float* row_absmax) = 0;
    virtual void export_8bit(const matrix& weights, int8_t* codes, float* row_absmax) = 0;
    virtual void dequantize_matrix(const matrix& weights, const tensor& output) = 0;

    // Linear layers
    virtual void linear_forward(const matrix& weights, const tensor& x, const tensor* bias, const tensor& y) = 0;
    virtual void linear4bit_forward(const matrix& weights, const tensor& x, const tensor* bias, nq_dtype compute_dtype,
                                    const tensor& y) = 0;
    virtual void linear8bit_forward(const matrix& weights, const tensor& x, const tensor* bias, float threshold, const tensor& y) = 0;
    virtual void linear_group_forward(const linear_layer* layers, size_t count, const tensor& x, nq_epilogue epilogue) = 0;
    virtual void int8_matmul(const tensor& a, const tensor& b, const tensor& y) = 0;
    virtual void int8_matmul_dequantize(const tensor& acc, const tensor& row_absmax, const tensor& column_absmax, const tensor* bias,
                                        const tensor& y) = 0;

    // Transformer operations
    virtual void embedding_forward(const matrix& weights, const tensor& ids, const tensor& y) = 0;
    virtual void rmsnorm_forward(const tensor& x, const tensor& weight, float epsilon, const tensor& y) = 0;
    virtual void rotary_forward(const tensor& x, uint32_t head_dim, const tensor& positions, const tensor& cosine, const tensor& sine) = 0;
    virtual std::shared_ptr<kv_cache> create_kv_cache(uint32_t layers, uint32_t kv_heads, uint32_t head_dim, uint64_t capacity,
                                                      nq_dtype dtype) = 0;
    virtual void kv_cache_append(kv_cache& cache, uint32_t layer, const tensor& keys, const tensor& values) = 0;
    virtual void kv_cache_truncate(kv_cache& cache, uint64_t length) = 0;
    virtual void attention_forward(const kv_cache& cache, uint32_t layer, const tensor& q, float scale, uint64_t window,
                                   const tensor& y) = 0;
    virtual void gated_silu_forward(const tensor& gate, const tensor& up, const tensor& y) = 0;
    virtual void residual_add_forward(const tensor& x, const tensor& y) = 0;
    virtual void log_softmax_forward(const tensor& logits, const tensor& y) = 0;
    virtual void token_log_probability_forward(const tensor& logits, const tensor& ids, const tensor& y) = 0;
};

}  // namespace nq
