// Memory of the CPU device: aligned, counted, refused before the system would have to kill the process for it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "backend.h"

namespace nq::cpu {

// What a device holds. Shared by the device and everything it made.
class memory_account {
public:
    void add(size_t bytes) noexcept;
    void remove(size_t bytes) noexcept { current_.fetch_sub(bytes, std::memory_order_relaxed); }
    uint64_t current() const noexcept { return current_.load(std::memory_order_relaxed); }
    uint64_t peak() const noexcept { return peak_.load(std::memory_order_relaxed); }
    void reset_peak() noexcept { peak_.store(current(), std::memory_order_relaxed); }

private:
    std::atomic<uint64_t> current_{0};
    std::atomic<uint64_t> peak_{0};
};

// 64-byte aligned memory. From 256 KiB on it is a mapping of its own, so that freeing it gives it back to the system; from 2 MiB on the
// mapping begins on a 2 MiB boundary and huge pages are asked for.
class allocation final : public memory {
public:
    // Zero-filled. Throws OUT_OF_MEMORY with the bytes asked for and available.
    allocation(std::shared_ptr<memory_account> account, size_t bytes);
    ~allocation() override;
    allocation(const allocation&) = delete;
    allocation& operator=(const allocation&) = delete;

    void* address() const noexcept override { return address_; }
    size_t bytes() const noexcept override { return bytes_; }
    template <class T>
    T* as() const noexcept {
        return static_cast<T*>(address_);
    }

private:
    std::shared_ptr<memory_account> account_;
    size_t bytes_;
    void* address_ = nullptr;
};

// Scratch memory that operations borrow and give back. Blocks are kept for the next operation until trim().
class scratch_pool {
public:
    explicit scratch_pool(std::shared_ptr<memory_account> account) : account_(std::move(account)) {}

    class lease {
    public:
        lease() = default;
        lease(scratch_pool& pool, std::unique_ptr<allocation> block) : pool_(&pool), block_(std::move(block)) {}
        lease(lease&& other) noexcept = default;
        lease& operator=(lease&& other) noexcept = default;
        ~lease();
        template <class T>
        T* as() const noexcept {
            return block_->as<T>();
        }

    private:
        scratch_pool* pool_ = nullptr;
        std::unique_ptr<allocation> block_;
    };

    // A block of at least `bytes`, contents undefined. The pool must outlive it.
    lease take(size_t bytes);
    template <class T>
    lease take_array(size_t count) {
        return take(checked_bytes(count, sizeof(T)));
    }
    void trim();

private:
    static size_t checked_bytes(size_t count, size_t size);
    void give_back(std::unique_ptr<allocation> block) noexcept;

    std::shared_ptr<memory_account> account_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<allocation>> free_;
};

}  // namespace nq::cpu
