// What kernels find wrong in their data. They note it on the device; whoever next waits for the device raises it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "cuda/device/index_check.h"
#include "cuda/device_context.h"

namespace nq::cuda {

class device_errors {
public:
    explicit device_errors(std::shared_ptr<device_context> device);
    ~device_errors();
    device_errors(const device_errors&) = delete;
    device_errors& operator=(const device_errors&) = delete;

    // For the parameters of a kernel about to be enqueued.
    index_error* record() noexcept;
    // Runs `wait`, which waits for everything enqueued before it; INVALID_DATA if a kernel has noted something since the last call.
    template <class Wait>
    void check_after(const Wait& wait) {
        if (!handed_out_.exchange(false)) return wait();
        const std::lock_guard lock(mutex_);
        enqueue_copy();
        wait();
        raise_noted();
    }

private:
    void enqueue_copy();
    void raise_noted();

    std::shared_ptr<device_context> device_;
    driver::owned_host_memory seen_;  // pinned, an index_error
    driver::owned_device_memory noted_;
    std::mutex mutex_;  // of seen_
    std::atomic<bool> handed_out_{false};
};

}  // namespace nq::cuda
