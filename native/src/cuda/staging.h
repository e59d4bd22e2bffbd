// Copies between the host's memory and the device by way of pinned memory, which the device reads and writes by itself, so that a write
// need not wait for the device and a large copy is in both places at once. A ring of slots, each with an event that says when the device
// has done with it.
#pragma once

#include <array>
#include <memory>
#include <mutex>

#include "cuda/device_context.h"

namespace nq::cuda {

class staging {
public:
    explicit staging(std::shared_ptr<device_context> device) : device_(std::move(device)) {}
    ~staging();
    staging(const staging&) = delete;
    staging& operator=(const staging&) = delete;

    // Returns when `from` has been read; the device may not have the bytes yet.
    void write(driver::device_pointer to, const void* from, size_t bytes);
    // Returns when `to` has the bytes.
    void read(void* to, driver::device_pointer from, size_t bytes);

private:
    struct slot {
        driver::owned_host_memory memory;
        driver::owned_event event;
        bool busy = false;  // the event says until when
    };

    // The next slot of the ring, when the device has done with it.
    slot& next();
    void prepare(slot& s);
    void wait(slot& s);
    // Everything asked of the device so far must come before the slot is used again.
    void mark_busy(slot& s, driver::stream stream);

    std::shared_ptr<device_context> device_;
    std::mutex mutex_;
    std::array<slot, 4> ring_;
    size_t position_ = 0;
};

}  // namespace nq::cuda
