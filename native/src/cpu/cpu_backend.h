// The CPU backend: the operation table over the kernels of one implementation. Its methods are defined by subject in *_operations.cpp;
// they own the split over threads, the staging of tensors that are not f32, and the layouts of matrices. Kernels do the arithmetic.
#pragma once

#include <algorithm>
#include <memory>

#include "backend.h"
#include "cpu/kernels.h"
#include "cpu/memory.h"
#include "cpu/thread_pool.h"

namespace nq::cpu {

class cpu_backend final : public backend {
public:
    cpu_backend(const kernels& implementation, uint32_t threads);

    const char* kind() const noexcept override { return "cpu"; }
    const char* implementation() const noexcept override { return kernels_.name; }
    uint32_t thread_count() const noexcept override { return threads_; }
    uint64_t allocated_bytes() const noexcept override { return account_->current(); }
    uint64_t peak_allocated_bytes() const noexcept override { return account_->peak(); }
    void reset_peak() noexcept override { account_->reset_peak(); }
    void trim() override { scratch_.trim(); }
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

    const kernels& kernel() const noexcept { return kernels_; }
    const std::shared_ptr<memory_account>& account() const noexcept { return account_; }
    scratch_pool& scratch() noexcept { return scratch_; }

    // body(begin, end, worker) over [0, count) on this device's threads. `cost` is the work of one element in elementary steps; a share too
    // small to be worth waking a thread for is not split off.
    template <class Body>
    void parallel(size_t count, size_t cost, const Body& body) {
        constexpr size_t least_work = 16384;  // about 5 us
        thread_pool::shared().parallel_for(count, (least_work - 1) / std::max<size_t>(cost, 1) + 1, threads_, body);
    }

    // body(begin, end, worker) over the panels of a linear layer with so many rows of x, `cost` the work of one panel. Few rows: in strips
    // of neighbouring panels, which kernels read side by side.
    template <class Body>
    void parallel_panels(size_t panels, size_t rows, size_t cost, const Body& body) {
        const size_t strip = strip_panels(panels, rows);
        parallel((panels - 1) / strip + 1, strip * cost,
                 [&](size_t begin, size_t end, uint32_t worker) { body(begin * strip, std::min(end * strip, panels), worker); });
    }
    size_t strip_panels(size_t panels, size_t rows) const noexcept {
        constexpr size_t few_rows = 8, most = 4;
        return rows > few_rows ? 1 : std::clamp<size_t>(panels / (4 * threads_), 1, most);
    }

private:
    const kernels& kernels_;
    const uint32_t threads_;
    std::shared_ptr<memory_account> account_ = std::make_shared<memory_account>();
    scratch_pool scratch_{account_};
};

}  // namespace nq::cpu
