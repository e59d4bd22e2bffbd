#include "memory/memory.h"

#include <cstdlib>
#include <cstring>

namespace emulation {

void memory::free_pages::operator()(std::byte* p) const noexcept { std::free(p); }

std::byte* memory::allocate(size_t bytes) {
    // What lies behind belongs to nobody, so that running past the end does not end in another allocation.
    const size_t rounded = bytes / alignment * alignment + 3 * alignment;
    std::unique_ptr<std::byte, free_pages> data(static_cast<std::byte*>(std::aligned_alloc(alignment, rounded)));
    if (!data) {
        return nullptr;
    }
    std::memset(data.get(), 0xff, rounded);
    std::byte* address = data.get();
    living_.emplace(reinterpret_cast<uintptr_t>(address), allocation{std::move(data), bytes});
    bytes_ += bytes;
    return address;
}

bool memory::release(const void* address) {
    const auto found = living_.find(reinterpret_cast<uintptr_t>(address));
    if (found == living_.end()) {
        return false;
    }
    bytes_ -= found->second.bytes;
    held_bytes_ += found->second.bytes;
    std::memset(found->second.data.get(), 0xff, found->second.bytes);
    freed_.push_back(std::move(found->second));
    living_.erase(found);
    while (held_bytes_ > most_held_bytes) {
        held_bytes_ -= freed_.front().bytes;
        freed_.pop_front();
    }
    return true;
}

memory_range memory::find(uint64_t address) const noexcept {
    auto next = living_.upper_bound(address);
    if (next == living_.begin()) {
        return {};
    }
    --next;
    const memory_range range{next->first, next->first + next->second.bytes};
    return address <= range.end ? range : memory_range{};
}

bool memory::contains(const void* address, size_t bytes) const noexcept {
    const auto a = reinterpret_cast<uintptr_t>(address);
    return find(a).contains(a, bytes);
}

}  // namespace emulation
