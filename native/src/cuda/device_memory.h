// Memory of a CUDA device. Freed blocks are kept and handed out again in the order of the stream: whoever gets a block next enqueues after
// its last use, so nothing has to wait.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>

#include "backend.h"
#include "cuda/device_context.h"

namespace nq::cuda {

// Blocks of a device; shared by the backend and everything it made.
class device_memory : public std::enable_shared_from_this<device_memory> {
public:
    explicit device_memory(std::shared_ptr<device_context> device) : device_(std::move(device)) {}
    ~device_memory();

    // Contents undefined. Gives kept blocks back before it raises OUT_OF_MEMORY.
    driver::device_pointer take(size_t bytes);
    void give_back(driver::device_pointer address, size_t bytes) noexcept;
    void trim();

    device_context& device() noexcept { return *device_; }
    // Blocks in use and blocks kept.
    uint64_t current() const noexcept { return current_.load(std::memory_order_relaxed); }
    uint64_t peak() const noexcept { return peak_.load(std::memory_order_relaxed); }
    void reset_peak() noexcept { peak_.store(current(), std::memory_order_relaxed); }

private:
    static size_t rounded(size_t bytes) noexcept;
    void free_kept() noexcept;

    std::shared_ptr<device_context> device_;
    std::mutex mutex_;
    std::multimap<size_t, driver::device_pointer> kept_;  // by size
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
