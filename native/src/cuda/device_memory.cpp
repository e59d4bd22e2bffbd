#include "cuda/device_memory.h"

#include "cuda/fail.h"

namespace nq::cuda {

device_memory::~device_memory() {
    device_->api().synchronize_stream(device_->stream());
    free_kept();
}

size_t device_memory::rounded(size_t bytes) noexcept {
    const size_t granule = bytes < (1 << 20) ? 512 : 2 << 20;
    return (bytes + granule - 1) / granule * granule;
}

driver::device_pointer device_memory::take(size_t bytes) {
    const size_t size = rounded(bytes);
    const std::lock_guard lock(mutex_);
    const auto found = kept_.find(size);
    if (found != kept_.end()) {
        const driver::device_pointer address = found->second;
        kept_.erase(found);
        return address;
    }
    device_->make_current();
    driver::device_pointer address = 0;
    driver::result r = device_->api().allocate(&address, size);
    if (r == driver::out_of_memory && !kept_.empty()) {
        free_kept();
        r = device_->api().allocate(&address, size);
    }
    if (r == driver::out_of_memory) {
        size_t free = 0, total = 0;
        device_->api().get_memory_info(&free, &total);
        fail(NQ_STATUS_OUT_OF_MEMORY, "%zu bytes of device memory could not be had on %s: %zu of %zu are free", size, device_->name(), free,
             total);
    }
    driver::check(r, "allocating device memory");
    const uint64_t now = current_.fetch_add(size) + size;
    uint64_t seen = peak_.load();
    while (seen < now && !peak_.compare_exchange_weak(seen, now)) {
    }
    return address;
}

void device_memory::give_back(driver::device_pointer address, size_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    kept_.emplace(rounded(bytes), address);
}

void device_memory::trim() {
    device_->synchronize();
    const std::lock_guard lock(mutex_);
    free_kept();
}

void device_memory::free_kept() noexcept {
    device_->api().synchronize_stream(device_->stream());
    for (const auto& [size, address] : kept_) {
        device_->api().free(address);
        current_.fetch_sub(size);
    }
    kept_.clear();
}

}  // namespace nq::cuda
