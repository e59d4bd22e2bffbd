// Device memory: every access of a kernel lies within one living allocation or is refused. Addresses are the host's own. Fresh memory is
// full of ones (NaN in every floating-point type), freed memory is not handed out again for a while.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>

namespace emulation {

struct memory_range {
    uintptr_t begin = 0;
    uintptr_t end = 0;

    bool contains(uint64_t address, size_t bytes) const noexcept { return address >= begin && address <= end && bytes <= end - address; }
};

class memory {
public:
    static constexpr size_t alignment = 256;

    // Null where the host has no memory left.
    std::byte* allocate(size_t bytes);
    // False for an address that allocate() did not return, or that is freed already.
    bool release(const void* address);
    // The allocation an address lies in; an empty range where there is none.
    memory_range find(uint64_t address) const noexcept;
    bool contains(const void* address, size_t bytes) const noexcept;
    size_t bytes() const noexcept { return bytes_; }

private:
    struct free_pages {
        void operator()(std::byte* p) const noexcept;
    };
    struct allocation {
        std::unique_ptr<std::byte, free_pages> data;
        size_t bytes;
    };
    static constexpr size_t most_held_bytes = size_t{64} << 20;

    std::map<uintptr_t, allocation> living_;
    std::deque<allocation> freed_;
    size_t bytes_ = 0;
    size_t held_bytes_ = 0;
};

}  // namespace emulation
