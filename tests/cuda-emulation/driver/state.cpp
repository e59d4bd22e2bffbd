#include "state.h"

#include <cstdio>

#include "control.h"

namespace emulation {

namespace driver = nq::cuda::driver;

thread_local bool has_context = false;

bool is_sticky(result r) { return r >= illegal_address && r <= launch_failed; }

state& state::get() {
    static state& only = *new state;
    return only;
}

void state::initialize() {
    environment = settings::of_environment();
    if (environment.devices == 0) {
        throw failure(driver::no_device, "");
    }
    if (device == nullptr) {
        device = make_engine(memory_of_device);
    }
}

unsigned state::compute_capability() const { return environment.compute_capability.value_or(device->compute_capability()); }

size_t state::most_shared_bytes() const { return size_t{compute_capability() >= 80 ? 163u : 64u} << 10; }

void state::enter(const char* function, bool needs_context) {
    if (const auto planned = planned_.find(function); planned != planned_.end()) {
        if (planned->second.after == 0) {
            const result code = planned->second.code;
            planned_.erase(planned);
            if (is_sticky(code)) {
                lost_ = code;
            }
            throw failure(code, "");
        }
        --planned->second.after;
    }
    if (!needs_context) {
        return;
    }
    if (lost_ != driver::success) {
        throw failure(lost_, "");
    }
    if (!has_context) {
        throw failure(invalid_context, "no context is current on this thread");
    }
}

result state::report(const char* function, const failure& e) {
    if (*e.what() != '\0') {
        std::fprintf(stderr, "emulated CUDA driver: %s: error %d: %s\n", function, e.code(), e.what());
    }
    return e.code();
}

void state::enqueue(std::function<void()> work) {
    queue_.push_back(std::move(work));
    if (!environment.late) {
        advance(enqueued());
    }
}

void state::enqueue(kernel_launch launch) {
    enqueue([this, launch = std::move(launch)] { run(launch); });
}

void state::run(const kernel_launch& launch) {
    ++launches_;
    device->launch(*launch.code, launch.grid, launch.block, launch.dynamic_shared_bytes, launch.parameters);
}

void state::advance(uint64_t until) {
    for (; done_ < until && !queue_.empty(); ++done_) {
        const std::function<void()> work = std::move(queue_.front());
        queue_.pop_front();
        if (fault_ != driver::success) {
            continue;  // the device has stopped, and nobody knows yet
        }
        try {
            work();
        } catch (const failure& e) {
            fault_ = report("the device", e);
        }
    }
}

void state::wait(uint64_t until) {
    advance(until);
    if (fault_ != driver::success) {
        lost_ = fault_;
        throw failure(lost_, "");
    }
}

uint64_t state::allocate(size_t bytes) {
    if (bytes == 0) {
        throw failure(invalid_value, "an allocation of 0 bytes");
    }
    if (memory_of_device.bytes() > environment.memory_bytes || bytes > environment.memory_bytes - memory_of_device.bytes()) {
        throw failure(driver::out_of_memory, "");
    }
    std::byte* const address = memory_of_device.allocate(bytes);
    if (address == nullptr) {
        throw failure(driver::out_of_memory, "the host has no memory left");
    }
    ++allocations_;
    device->allocated(address, bytes);
    return reinterpret_cast<uintptr_t>(address);
}

void state::release(uint64_t address) {
    if (address == 0) {
        return;
    }
    wait();
    auto* const p = reinterpret_cast<std::byte*>(address);
    const memory_range range = memory_of_device.find(address);
    if (range.begin != address || range.end == 0) {
        throw failure(invalid_value, "memory that is not allocated is freed");
    }
    device->released(p);
    memory_of_device.release(p);
    --allocations_;
}

std::byte* state::device_range(uint64_t address, size_t bytes) const {
    auto* const p = reinterpret_cast<std::byte*>(address);
    if (bytes != 0 && !memory_of_device.contains(p, bytes)) {
        throw failure(invalid_value, "a range of " + std::to_string(bytes) + " bytes that is not within one allocation");
    }
    return p;
}

bool state::is_pinned(const void* address, size_t bytes) const noexcept {
    const auto* const p = static_cast<const std::byte*>(address);
    auto next = pinned.upper_bound(address);
    if (next == pinned.begin()) {
        return false;
    }
    --next;
    const auto offset = static_cast<size_t>(p - static_cast<const std::byte*>(next->first));
    return offset <= next->second->size() && bytes <= next->second->size() - offset;
}

void state::fail_later(const char* function, unsigned after, result code) {
    const std::lock_guard lock(mutex_);
    if (function == nullptr) {
        planned_.clear();
        lost_ = fault_ = driver::success;
    } else {
        planned_[function] = {after, code};
    }
}

long long state::count(const std::string& what) const {
    const std::lock_guard lock(mutex_);
    const std::pair<const char*, size_t> counts[] = {
        {"modules", modules.size()},   {"streams", streams.size()},
        {"events", events.size()},     {"graphs", graphs.size() + executables.size()},
        {"allocations", allocations_}, {"pinned", pinned.size()},
    };
    for (const auto& [name, n] : counts) {
        if (what == name) {
            return static_cast<long long>(n);
        }
    }
    return what == "launches"                            ? launches_
           : what == "instructions" && device != nullptr ? static_cast<long long>(device->instructions())
                                                         : -1;
}

}  // namespace emulation

__attribute__((visibility("default"))) void nq_emulated_driver_fail(const char* function, unsigned after, int result) {
    emulation::state::get().fail_later(function, after, result);
}

__attribute__((visibility("default"))) long long nq_emulated_driver_count(const char* what) {
    return what == nullptr ? -1 : emulation::state::get().count(what);
}
