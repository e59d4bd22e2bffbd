#include "cpu/memory.h"

#include <algorithm>
#include <cinttypes>
#include <cstdlib>
#include <cstring>

#include "cpu/host_memory.h"
#include "error.h"

#if defined(__unix__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace nq::cpu {

namespace {

constexpr size_t alignment = 64;
constexpr size_t huge_page = size_t{2} << 20;
constexpr size_t own_mapping = size_t{256} << 10;
// From here on it is worth asking how much memory there is before taking it.
constexpr size_t large = size_t{16} << 20;

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

[[noreturn]] void fail(size_t bytes, uint64_t available) {
    throw error(NQ_STATUS_OUT_OF_MEMORY, "out of memory: %zu bytes asked for, %" PRIu64 " bytes available", bytes, available);
}

#if defined(__unix__)

size_t page_size() {
    static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return bytes;
}

// An anonymous mapping, on a 2 MiB boundary if it holds a huge page.
void* map(size_t bytes) {
    const size_t length = round_up(bytes, page_size());
    const size_t slack = bytes >= huge_page ? huge_page : 0;
    void* mapped = mmap(nullptr, length + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
    char* begin = static_cast<char*>(mapped);
    if (slack == 0) return begin;
    const size_t before = (huge_page - reinterpret_cast<uintptr_t>(begin) % huge_page) % huge_page;
    if (before > 0) munmap(begin, before);
    if (slack > before) munmap(begin + before + length, slack - before);
#if defined(MADV_HUGEPAGE)
    madvise(begin + before, length, MADV_HUGEPAGE);  // advice: a kernel without huge pages says no, and that is all right
#endif
    return begin + before;
}

void unmap(void* address, size_t bytes) { munmap(address, round_up(bytes, page_size())); }

#endif

void* take(size_t bytes) {
#if defined(__unix__)
    if (bytes >= own_mapping) return map(bytes);
#endif
    void* address = std::aligned_alloc(alignment, round_up(bytes, alignment));
    if (address != nullptr) std::memset(address, 0, bytes);
    return address;
}

void give_back(void* address, size_t bytes) {
#if defined(__unix__)
    if (bytes >= own_mapping) return unmap(address, bytes);
#endif
    std::free(address);
}

}  // namespace

void memory_account::add(size_t bytes) noexcept {
    const uint64_t now = current_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    uint64_t peak = peak_.load(std::memory_order_relaxed);
    while (peak < now && !peak_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
    }
}

allocation::allocation(std::shared_ptr<memory_account> account, size_t bytes)
    : account_(std::move(account)), bytes_(std::max<size_t>(bytes, 1)) {
    if (bytes_ >= large) {
        const uint64_t available = host_memory_now().available_bytes;
        if (bytes_ > available) fail(bytes_, available);
    }
    address_ = take(bytes_);
    if (address_ == nullptr) fail(bytes_, host_memory_now().available_bytes);
    account_->add(bytes_);
}

allocation::~allocation() {
    give_back(address_, bytes_);
    account_->remove(bytes_);
}

scratch_pool::lease::~lease() {
    if (block_ != nullptr) pool_->give_back(std::move(block_));
}

size_t scratch_pool::checked_bytes(size_t count, size_t size) {
    if (count > SIZE_MAX / 2 / size)
        throw error(NQ_STATUS_OUT_OF_MEMORY, "out of memory: %zu elements of %zu bytes asked for", count, size);
    return count * size;
}

scratch_pool::lease scratch_pool::take(size_t bytes) {
    {
        std::lock_guard lock(mutex_);
        // The smallest that fits; else the largest makes room for a larger one, so that growing sizes do not pile up.
        auto best = free_.end(), biggest = free_.end();
        for (auto it = free_.begin(); it != free_.end(); ++it) {
            if ((*it)->bytes() >= bytes && (best == free_.end() || (*it)->bytes() < (*best)->bytes())) best = it;
            if (biggest == free_.end() || (*it)->bytes() > (*biggest)->bytes()) biggest = it;
        }
        if (best != free_.end()) {
            std::unique_ptr<allocation> block = std::move(*best);
            free_.erase(best);
            return lease(*this, std::move(block));
        }
        if (biggest != free_.end()) free_.erase(biggest);
    }
    return lease(*this, std::make_unique<allocation>(account_, round_up(bytes, 4096)));
}

void scratch_pool::give_back(std::unique_ptr<allocation> block) noexcept {
    std::lock_guard lock(mutex_);
    try {
        free_.push_back(std::move(block));
    } catch (const std::bad_alloc&) {
        // No room to remember it: it is freed instead.
    }
}

void scratch_pool::trim() {
    std::vector<std::unique_ptr<allocation>> blocks;
    {
        std::lock_guard lock(mutex_);
        blocks.swap(free_);
    }
}

}  // namespace nq::cpu
