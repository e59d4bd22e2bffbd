// Tensors as f32: in place where they are f32 already, else through scratch memory.
#pragma once

#include <atomic>
#include <optional>

#include "cpu/cpu_backend.h"

namespace nq::cpu {

// Bytes of one element.
size_t element_size(nq_dtype dtype);

inline char* row_address(const tensor& t, size_t row) { return static_cast<char*>(t.data) + row * t.row_stride * element_size(t.dtype); }

// Index of the first element with something wrong, gathered from many threads.
class first_index {
public:
    void offer(size_t index) noexcept {
        size_t seen = index_.load(std::memory_order_relaxed);
        while (index < seen && !index_.compare_exchange_weak(seen, index, std::memory_order_relaxed)) {
        }
    }
    bool found() const noexcept { return get() != SIZE_MAX; }
    size_t get() const noexcept { return index_.load(std::memory_order_relaxed); }

private:
    std::atomic<size_t> index_{SIZE_MAX};
};

// Reads a tensor as f32 [rows][stride], rounded through `through` if that is narrower.
class f32_input {
public:
    f32_input(cpu_backend& device, const tensor& t, nq_dtype through = NQ_DTYPE_F32);

    const float* data() const noexcept { return data_; }
    size_t stride() const noexcept { return stride_; }
    const float* row(size_t r) const noexcept { return data_ + r * stride_; }

private:
    scratch_pool::lease scratch_;
    const float* data_;
    size_t stride_;
};

// A contiguous tensor as one vector, or nothing (null): for biases.
class optional_f32_input {
public:
    optional_f32_input(cpu_backend& device, const tensor* t, nq_dtype through = NQ_DTYPE_F32) {
        if (t != nullptr) input_.emplace(device, tensor{t->data, 1, t->count(), t->count(), t->dtype}, through);
    }
    const float* data() const noexcept { return input_ ? input_->data() : nullptr; }

private:
    std::optional<f32_input> input_;
};

// Takes results as f32 [rows][stride]; store() rounds them through `through` and into the tensor's type.
class f32_output {
public:
    f32_output(cpu_backend& device, const tensor& t);

    // Fills data() with what the tensor holds, for operations that work in place.
    void load();
    void store(nq_dtype through = NQ_DTYPE_F32);

    float* data() const noexcept { return data_; }
    size_t stride() const noexcept { return stride_; }
    float* row(size_t r) const noexcept { return data_ + r * stride_; }

private:
    cpu_backend& device_;
    const tensor& tensor_;
    scratch_pool::lease scratch_;
    float* data_;
    size_t stride_;
};

}  // namespace nq::cpu
