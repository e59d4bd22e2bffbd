#include "cuda/cuda_backend.h"

#include <algorithm>

#include "cuda/fail.h"

namespace nq::cuda {

cuda_backend::cuda_backend(uint32_t index)
    : device_(std::make_shared<device_context>(index)), memory_(std::make_shared<device_memory>(device_)) {}

void cuda_backend::clear(const device_block& block) {
    device_->make_current();
    device_->check(device_->api().set_bytes(reinterpret_cast<driver::device_pointer>(block.address()), 0, block.bytes(), device_->stream()),
                   "clearing device memory");
}

std::unique_ptr<memory> cuda_backend::allocate(size_t bytes) {
    auto block = std::make_unique<device_block>(memory_, bytes);
    clear(*block);
    return block;
}

void cuda_backend::write(void* destination, const void* host_source, size_t bytes) {
    writes_.write(reinterpret_cast<driver::device_pointer>(destination), host_source, bytes);
}

void cuda_backend::read(void* host_destination, const void* source, size_t bytes) {
    errors_.check_after([&] { reads_.read(host_destination, reinterpret_cast<driver::device_pointer>(source), bytes); });
}

void cuda_backend::synchronize() {
    errors_.check_after([&] { device_->synchronize(); });
}

void cuda_backend::copy(void* destination, const void* source, size_t bytes) {
    const auto to = reinterpret_cast<driver::device_pointer>(destination), from = reinterpret_cast<driver::device_pointer>(source);
    const auto enqueue = [&](driver::device_pointer target, driver::device_pointer origin) {
        device_->check(device_->api().copy_on_device(target, origin, bytes, device_->stream()), "copying on the device");
    };
    device_->make_current();
    if (to < from + bytes && from < to + bytes) {  // the driver does not copy between ranges that overlap
        const device_block between = scratch(bytes);
        const auto middle = reinterpret_cast<driver::device_pointer>(between.address());
        enqueue(middle, from);
        enqueue(to, middle);
    } else {
        enqueue(to, from);
    }
}

uint32_t* cuda_backend::tickets() {
    const std::lock_guard lock(mutex_);
    if (tickets_ == nullptr) tickets_ = allocate(ticket_count * sizeof(uint32_t));
    return static_cast<uint32_t*>(tickets_->address());
}

}  // namespace nq::cuda
