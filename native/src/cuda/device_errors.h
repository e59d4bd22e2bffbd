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
    // Waits for everything enqueued; INVALID_DATA if a kernel has noted something since the last call.
    void synchronize();

private:
    std::shared_ptr<device_context> device_;
    driver::device_pointer noted_ = 0;
    index_error* seen_ = nullptr;  // pinned host memory
    std::mutex mutex_;             // of seen_
    std::atomic<bool> handed_out_{false};
};

}  // namespace nq::cuda
