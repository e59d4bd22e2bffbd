// The CUDA backend: the operation table over the kernels of kernels/. Its methods are defined by subject in *_operations.cpp; they check
// what only the device limits, choose a kernel, and enqueue it. Nothing waits for the device but read(), synchronize() and loading.
#pragma once

#include <mutex>

#include "backend.h"
#include "cuda/device/view.h"
#include "cuda/device_errors.h"
#include "cuda/device_memory.h"
#include "cuda/staging.h"

namespace nq::cuda {

class cuda_backend final : public backend {
public:
    explicit cuda_backend(uint32_t index);

    const char* kind() const noexcept override { return "cuda"; }
    const char* implementation() const noexcept override { return device_->name(); }
    uint32_t thread_count() const noexcept override { return device_->multiprocessors(); }
    uint64_t allocated_bytes() const noexcept override { return memory_->current(); }
    uint64_t peak_allocated_bytes() const noexcept override { return memory_->peak(); }
    void reset_peak() noexcept override { memory_->reset_peak(); }
    void trim() override { memory_->trim(); }
    void synchronize() override;
    void step_begin() override { device_->step_begin(); }
    void step_end() override { device_->step_end(); }
    std::unique_ptr<memory> allocate(size_t bytes) override;
    void write(void* destination, const void* host_source, size_t bytes) override;
    void read(void* host_destination, const void* source, size_t bytes) override;
    void copy(void* destination, const void* source, size_t bytes) override;
    void quantize_4bit(const tensor& input, nq_quant_type type, uint32_t blocksize, const tensor& packed, const tensor& absmax) override;
    void dequantize_4bit(const tensor& packed, const tensor& absmax, nq_quant_type type, uint32_t blocksize, const tensor& output) override;
    void quantize_blockwise(const tensor& input, const tensor& map, uint32_t blocksize, const tensor& codes, const tensor& absmax) override;
    void dequantize_blockwise(const tensor& codes, const tensor& map, const tensor& absmax, uint32_t blocksize,
                              const tensor& output) override;
    void quantize_absmax(const tensor& absmax, const tensor& map, uint32_t nested_blocksize, const tensor& codes,
                         const tensor& nested_absmax, const tensor& offset) override;
    void dequantize_absmax(const tensor& codes, const tensor& map, const tensor& nested_absmax, const tensor& offset,
                           uint32_t nested_blocksize, const tensor& absmax) override;
    void quantize_int8_rows(const tensor& input, float threshold, const tensor& codes, const tensor& row_absmax,
                            const tensor* outlier_columns) override;
    void dequantize_int8_rows(const tensor& codes, const tensor& row_absmax, const tensor& output) override;
    std::shared_ptr<matrix> create_dense(const host_weights& source, nq_dtype dtype) override;
    std::shared_ptr<matrix> quantize_matrix_4bit(const host_weights& source, nq_quant_type type, uint32_t blocksize, bool nested) override;
    std::shared_ptr<matrix> import_4bit(const nq_matrix4bit_storage& storage) override;
    void export_4bit(const matrix& weights, nq_matrix4bit_storage& storage) override;
    std::shared_ptr<matrix> quantize_matrix_8bit(const host_weights& source) override;
    std::shared_ptr<matrix> import_8bit(size_t rows, size_t columns, nq_dtype dtype, const int8_t* codes, const float* row_absmax) override;
    void export_8bit(const matrix& weights, int8_t* codes, float* row_absmax) override;
    void dequantize_matrix(const matrix& weights, const tensor& output) override;
    void linear_forward(const matrix& weights, const tensor& x, const tensor* bias, const tensor& y) override;
    void linear4bit_forward(const matrix& weights, const tensor& x, const tensor* bias, nq_dtype compute_dtype, const tensor& y) override;
    void linear8bit_forward(const matrix& weights, const tensor& x, const tensor* bias, float threshold, const tensor& y) override;
    void linear_group_forward(const linear_layer* layers, size_t count, const tensor& x, nq_epilogue epilogue) override;
    void int8_matmul(const tensor& a, const tensor& b, const tensor& y) override;
    void int8_matmul_dequantize(const tensor& acc, const tensor& row_absmax, const tensor& column_absmax, const tensor* bias,
                                const tensor& y) override;
    void embedding_forward(const matrix& weights, const tensor& ids, const tensor& y) override;
    void rmsnorm_forward(const tensor& x, const tensor& weight, float epsilon, const tensor& y) override;
    void rotary_forward(const tensor& x, uint32_t head_dim, const tensor& positions, const tensor& cosine, const tensor& sine) override;
    std::shared_ptr<kv_cache> create_kv_cache(uint32_t layers, uint32_t kv_heads, uint32_t head_dim, uint64_t capacity,
                                              nq_dtype dtype) override;
    void kv_cache_append(kv_cache& cache, uint32_t layer, const tensor& keys, const tensor& values) override;
    void kv_cache_truncate(kv_cache& cache, uint64_t length) override;
    void attention_forward(const kv_cache& cache, uint32_t layer, const tensor& q, float scale, uint64_t window, const tensor& y) override;
    void gated_silu_forward(const tensor& gate, const tensor& up, const tensor& y) override;
    void residual_add_forward(const tensor& x, const tensor& y) override;
    void log_softmax_forward(const tensor& logits, const tensor& y) override;
    void token_log_probability_forward(const tensor& logits, const tensor& ids, const tensor& y) override;

    // --- what the files of operations share

    device_context& device() noexcept { return *device_; }
    device_errors& errors() noexcept { return errors_; }
    // Device memory until the block goes out of scope; what is enqueued meanwhile may still use it.
    device_block scratch(size_t bytes) { return device_block(memory_, bytes); }
    const std::shared_ptr<device_memory>& blocks() const noexcept { return memory_; }
    void clear(const device_block& block);
    // Words that are zero between kernels, for counters and marks: who uses them leaves zeros behind.
    static constexpr size_t ticket_count = 8192;
    uint32_t* tickets();

private:
    std::shared_ptr<device_context> device_;
    std::shared_ptr<device_memory> memory_;
    device_errors errors_{device_};
    staging writes_{device_}, reads_{device_};
    std::mutex mutex_;
    std::unique_ptr<memory> tickets_;
};

inline view view_of(const tensor& t) { return {t.data, t.rows, t.columns, t.row_stride, t.dtype}; }

}  // namespace nq::cuda
