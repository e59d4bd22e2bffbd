#include "cuda/device_memory.h"

#include <cstdlib>
#include <cstring>

#include "cuda/fail.h"

namespace nq::cuda {

namespace {

constexpr size_t granule = 512;  // alignment of every block
constexpr size_t segment = size_t{2} << 20;
constexpr size_t largest_small = size_t{1} << 20;

bool is_small(size_t bytes) { return bytes <= largest_small; }

size_t rounded(size_t bytes) {
    const size_t unit = is_small(bytes) ? granule : segment;
    return bytes > SIZE_MAX - unit ? bytes : (bytes + unit - 1) / unit * unit;
}

bool asked_for_exact_memory() {
    const char* set = std::getenv("NATIVEQUANT_CUDA_EXACT_MEMORY");
    return set != nullptr && std::strcmp(set, "1") == 0;
}

}  // namespace

device_memory::device_memory(std::shared_ptr<device_context> device) : device_(std::move(device)), exact_(asked_for_exact_memory()) {}

device_memory::~device_memory() {
    const driver::functions& api = device_->api();
    device_->finish();
    for (block_map* map : {&small_, &large_}) {
        for (const block_map::block& b : map->remove_all()) api.free(b.begin);
    }
}

driver::device_pointer device_memory::take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (exact_) {
        const driver::device_pointer address = allocate(bytes);
        count(bytes);
        return address;
    }
    const size_t size = rounded(bytes);
    block_map& map = is_small(size) ? small_ : large_;
    const bool split = is_small(size);
    const size_t most = split ? segment : size + size / 8;
    std::optional<block_map::block> found = map.take(size, most, split);
    if (!found) {
        const size_t taken = split ? segment : size;
        map.add({allocate(taken), taken});
        found = map.take(size, most, split);
    }
    count(found->bytes);
    return found->begin;
}

void device_memory::give_back(driver::device_pointer address, size_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    if (exact_) {
        device_->finish();
        device_->api().free(address);
        current_.fetch_sub(bytes, std::memory_order_relaxed);
    } else {
        current_.fetch_sub((is_small(rounded(bytes)) ? small_ : large_).give_back(address), std::memory_order_relaxed);
    }
}

void device_memory::trim() {
    device_->synchronize();
    const std::lock_guard lock(mutex_);
    free_kept();
}

driver::device_pointer device_memory::allocate(size_t bytes) {
    const driver::functions& api = device_->api();
    device_->make_current();
    driver::device_pointer address = 0;
    driver::result r = api.allocate(&address, bytes);
    if (r == driver::out_of_memory) {
        device_->synchronize();
        free_kept();
        r = api.allocate(&address, bytes);
    }
    if (r == driver::out_of_memory) {
        size_t free = 0, total = 0;
        api.get_memory_info(&free, &total);
        fail(NQ_STATUS_OUT_OF_MEMORY, "%zu bytes of device memory could not be had on %s: %zu of %zu bytes are free, %zu are in use here",
             bytes, device_->name(), free, total, static_cast<size_t>(current()));
    }
    device_->check(r, "allocating device memory");
    return address;
}

void device_memory::free_kept() {
    for (block_map* map : {&small_, &large_}) {
        for (const block_map::block& b : map->remove_free()) device_->check(device_->api().free(b.begin), "freeing device memory");
    }
}

void device_memory::count(size_t bytes) noexcept {
    const uint64_t now = current_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    uint64_t seen = peak_.load(std::memory_order_relaxed);
    while (seen < now && !peak_.compare_exchange_weak(seen, now, std::memory_order_relaxed)) {
    }
}

}  // namespace nq::cuda
