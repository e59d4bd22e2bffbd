#include "shadow.h"

#include <cstring>
#include <new>

namespace simt::check {

shadow::shadow(size_t bytes) : cells_(static_cast<cell*>(std::calloc((bytes + granule - 1) / granule + 1, sizeof(cell)))) {
    if (cells_ == nullptr) throw std::bad_alloc();
}

void shadow::split(cell& c) {
    parts_.push_back({c, c, c, c});
    c.split = static_cast<uint32_t>(parts_.size());
}

void shadow::clear(size_t bytes) {
    std::memset(static_cast<void*>(cells_.get()), 0, (bytes + granule - 1) / granule * sizeof(cell));
    parts_.clear();
}

void device_shadow::add(const void* address, size_t bytes) {
    const auto begin = reinterpret_cast<uintptr_t>(address);
    all_[begin] = {begin, begin + bytes, std::make_unique<shadow>(bytes)};
    last_ = nullptr;
}

void device_shadow::remove(const void* address) {
    all_.erase(reinterpret_cast<uintptr_t>(address));
    last_ = nullptr;
}

allocation* device_shadow::find(uintptr_t address) {
    if (last_ != nullptr && address >= last_->begin && address < last_->end) return last_;
    auto next = all_.upper_bound(address);
    if (next == all_.begin()) return nullptr;
    --next;
    if (address >= next->second.end) return nullptr;
    return last_ = &next->second;
}

}  // namespace simt::check
