// Memory of a CUDA device. Freed blocks are kept and handed out again in the order of the stream: whoever gets a block next enqueues after
// its last use, so nothing has to wait.
//
// Blocks of up to 1 MiB are cut from segments of 2 MiB and joined again when free. Larger ones are segments of their own, multiples of
// 2 MiB, handed out again for requests of at least 8/9 of their size: a large block that a small request splits would be lost to large
// ones.
//
// NATIVEQUANT_CUDA_EXACT_MEMORY=1 takes every block from the driver with exactly its size and keeps none, so that checkers of memory
// accesses see its bounds.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "backend.h"
#include "cuda/block_map.h"
#include "cuda/device_context.h"

namespace nq::cuda {

// Blocks of a device; shared by the backend and everything it made.
class device_memory : public std::enable_shared_from_this<device_memory> {
public:
    explicit device_memory(std::shared_ptr<device_context> device);
    ~device_memory();
    device_memory(const device_memory&) = delete;
    device_memory& operator=(const device_memory&) = delete;

    // Contents undefined. Gives kept blocks back before it raises OUT_OF_MEMORY.
    driver::device_pointer take(size_t bytes);
    void give_back(driver::device_pointer address, size_t bytes) noexcept;
    // Gives kept blocks back to the driver.
    void trim();

    device_context& device() noexcept { return *device_; }
    // Blocks in use.
    uint64_t current() const noexcept { return current_.load(std::memory_order_relaxed); }
    uint64_t peak() const noexcept { return peak_.load(std::memory_order_relaxed); }
    void reset_peak() noexcept { peak_.store(current(), std::memory_order_relaxed); }

private:
    driver::device_pointer allocate(size_t bytes);
    // Nothing of it may be in use on the stream.
    void free_kept();
    void count(size_t bytes) noexcept;

    std::shared_ptr<device_context> device_;
    const bool exact_;
    std::mutex mutex_;
    block_map small_, large_;
    std::atomic<uint64_t> current_{0}, peak_{0};
};

// A block of device memory.
class device_block final : public memory {
public:
    device_block(std::shared_ptr<device_memory> owner, size_t bytes)
        : owner_(std::move(owner)), bytes_(bytes), address_(owner_->take(bytes)) {}
    ~device_block() override { owner_->give_back(address_, bytes_); }
    device_block(const device_block&) = delete;
    device_block& operator=(const device_block&) = delete;

    void* address() const noexcept override { return reinterpret_cast<void*>(address_); }
    size_t bytes() const noexcept override { return bytes_; }
    template <class T>
    T* as() const noexcept {
        return reinterpret_cast<T*>(address_);
    }

private:
    std::shared_ptr<device_memory> owner_;
    size_t bytes_;
    driver::device_pointer address_;
};

}  // namespace nq::cuda
