// Asynchronous copies to shared memory. A device lands them any time between the copy and the wait: here at the last moment, or at once.
#include <cstring>

#include "block.h"
#include "observer.h"

namespace simt {

namespace {

void land(const pending_copy& c) {
    if (current_observer != nullptr) current_observer->copy_lands(current.me->index, c.shared, c.bytes, c.site);
    if (c.valid < c.bytes) std::memset(static_cast<char*>(c.shared) + c.valid, 0, c.bytes - c.valid);
    if (c.valid > 0) std::memcpy(c.shared, c.global, c.valid);
}

}  // namespace

void copy_async(void* shared, const void* global, uint32_t bytes, uint32_t valid) {
    const void* site = __builtin_return_address(0);
    if (valid > bytes) fail(site, "asynchronous copy of %u bytes, %u of them valid", bytes, valid);
    if (reinterpret_cast<uintptr_t>(shared) % bytes != 0 || reinterpret_cast<uintptr_t>(global) % bytes != 0)
        fail(site, "misaligned asynchronous copy of %u bytes", bytes);
    if (!in_shared_memory(shared)) fail(site, "the destination of an asynchronous copy is not shared memory");
    const pending_copy copy{shared, global, bytes, valid, site};
    if (current_observer != nullptr) current_observer->copy_begins(current.me->index, shared, global, bytes, valid, site);
    if (current_settings.late_copies) {
        current.copies[current.me->index].copies.push_back(copy);
    } else {
        land(copy);
    }
}

void copy_async_commit() {
    copy_queue& queue = current.copies[current.me->index];
    size_t grouped = 0;
    for (const size_t n : queue.groups) grouped += n;
    queue.groups.push_back(queue.copies.size() - grouped);
}

void copy_async_wait(int pending) {
    copy_queue& queue = current.copies[current.me->index];
    if (queue.groups.size() <= static_cast<size_t>(pending)) return;
    const auto groups = static_cast<ptrdiff_t>(queue.groups.size()) - pending;
    ptrdiff_t landed = 0;
    for (ptrdiff_t g = 0; g < groups; g++) landed += static_cast<ptrdiff_t>(queue.groups[static_cast<size_t>(g)]);
    for (ptrdiff_t i = 0; i < landed; i++) land(queue.copies[static_cast<size_t>(i)]);
    queue.copies.erase(queue.copies.begin(), queue.copies.begin() + landed);
    queue.groups.erase(queue.groups.begin(), queue.groups.begin() + groups);
}

}  // namespace simt
