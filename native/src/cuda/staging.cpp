#include "cuda/staging.h"

#include <algorithm>
#include <cstring>

namespace nq::cuda {

namespace {

constexpr size_t slot_bytes = size_t{1} << 20;

}  // namespace

staging::~staging() { device_->finish(); }

void staging::write(driver::device_pointer to, const void* from, size_t bytes) {
    const std::lock_guard lock(mutex_);
    device_->make_current();
    for (size_t done = 0; done < bytes;) {
        const size_t n = std::min(bytes - done, slot_bytes);
        slot& s = next();
        std::memcpy(s.memory.get(), static_cast<const char*>(from) + done, n);
        const driver::stream stream = device_->stream();
        device_->check(device_->api().copy_to_device(to + done, s.memory.get(), n, stream), "copying to the device");
        mark_busy(s, stream);
        done += n;
    }
}

void staging::read(void* to, driver::device_pointer from, size_t bytes) {
    const std::lock_guard lock(mutex_);
    device_->make_current();
    struct part {
        slot* from;
        char* to;
        size_t bytes;
    };
    std::array<part, std::tuple_size_v<decltype(ring_)>> under_way;
    size_t begun = 0, finished = 0;  // parts; those between are under way
    const auto finish_one = [&] {
        const part& p = under_way[finished++ % under_way.size()];
        wait(*p.from);
        std::memcpy(p.to, p.from->memory.get(), p.bytes);
    };
    for (size_t done = 0; done < bytes;) {
        if (begun - finished == under_way.size()) finish_one();
        const size_t n = std::min(bytes - done, slot_bytes);
        slot& s = next();
        const driver::stream stream = device_->stream();
        device_->check(device_->api().copy_to_host(s.memory.get(), from + done, n, stream), "copying from the device");
        mark_busy(s, stream);
        under_way[begun++ % under_way.size()] = {&s, static_cast<char*>(to) + done, n};
        done += n;
    }
    while (finished < begun) finish_one();
}

staging::slot& staging::next() {
    slot& s = ring_[position_++ % ring_.size()];
    if (!s.memory) prepare(s);
    wait(s);
    return s;
}

void staging::prepare(slot& s) {
    const driver::functions& api = device_->api();
    driver::event event = nullptr;
    device_->check(api.create_event(&event, driver::event_disable_timing), "making a CUDA event");
    s.event = driver::owned_event(event);
    void* memory = nullptr;
    device_->check(api.allocate_host(&memory, slot_bytes, 0), "allocating pinned memory");
    s.memory = driver::owned_host_memory(memory);
}

void staging::wait(slot& s) {
    if (!s.busy) return;
    device_->check(device_->api().synchronize_event(s.event.get()), "waiting for a copy");
    s.busy = false;
}

void staging::mark_busy(slot& s, driver::stream stream) {
    s.busy = true;
    device_->check(device_->api().record_event(s.event.get(), stream), "recording a CUDA event");
}

}  // namespace nq::cuda
