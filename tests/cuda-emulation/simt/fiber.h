// A switch between stacks: saves what the x86-64 calling convention keeps across calls, nothing else.
#pragma once

#include <cstddef>
#include <memory>

namespace simt {

// Stacks of one size with a page below each that may not be touched.
class stacks {
public:
    stacks() = default;
    explicit stacks(size_t count);

    size_t count() const noexcept { return count_; }
    // One past the highest address that stack i uses. Staggered: tops with equal low bits would share few sets of the cache.
    void* top(size_t i) const noexcept { return memory_.get() + (i + 1) * stride - i % 15 * 256; }
    bool contains(const void* address) const noexcept { return address >= memory_.get() && address < memory_.get() + count_ * stride; }

private:
    static constexpr size_t stride = 64 << 10;
    struct unmap {
        size_t bytes;
        void operator()(char* memory) const noexcept;
    };
    std::unique_ptr<char[], unmap> memory_;
    size_t count_ = 0;
};

// A stack that begins to run at `entry` when it is first switched to.
inline void* prepare_stack(void* top, void (*entry)()) {
    void** stack = static_cast<void**>(top);
    *--stack = nullptr;  // where entry would return to
    *--stack = reinterpret_cast<void*>(entry);
    return stack - 6;  // the registers that simt_switch_stack restores
}

// Saves this stack in `*from` and goes on with `to`.
extern "C" void simt_switch_stack(void** from, void* to);

}  // namespace simt
