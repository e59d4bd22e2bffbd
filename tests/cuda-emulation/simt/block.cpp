#include "block.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "observer.h"
#include "sites.h"

namespace simt {

running_block current;
position current_position;
observer* current_observer = nullptr;

namespace {

alignas(128) char shared[shared_memory_bytes];

std::string text_of(dim3 d) {
    char text[48];
    std::snprintf(text, sizeof text, "(%u,%u,%u)", d.x, d.y, d.z);
    return text;
}

const char* name_of(collective c) {
    switch (c) {
        case collective::sync:
            return "sync_warp";
        case collective::shuffle:
            return "shuffle";
        case collective::ballot:
            return "ballot";
        case collective::load_matrix:
        case collective::load_matrix_transposed:
            return "load_matrix";
        case collective::mma:
            return "mma";
    }
    return "";
}

}  // namespace

char* shared_memory() noexcept { return shared; }

void fail(const void* site, const char* format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    std::string message = text;
    if (current.kernel != nullptr) message = std::string(current.kernel->name) + ": " + message;
    if (current.me == nullptr) throw fault(message);
    message += "\n  block " + text_of(current_position.block) + " thread " + text_of(current_position.thread);
    if (site != nullptr) message += "\n  at " + place_of(site);
    current.abandon(std::move(message));
}

uint64_t running_block::random_number() noexcept {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return random_;
}

void running_block::prepare(const kernel_registration& k, const void* p, dim3 block_dim) {
    threads_ = block_dim.x * block_dim.y * block_dim.z;
    kernel = &k;
    parameters = p;
    random_ = current_settings.seed * 0x9E3779B97F4A7C15u | 1;
    if (stacks_.count() < threads_) stacks_ = stacks(threads_);
    fibers.assign(threads_, {});
    copies.assign(threads_, {});
    warps.assign((threads_ + warp_lanes - 1) / warp_lanes, {});
    for (unsigned i = 0; i < threads_; i++) {
        fibers[i].index = i;
        fibers[i].thread = {i % block_dim.x, i / block_dim.x % block_dim.y, i / (block_dim.x * block_dim.y)};
        fibers[i].stack = prepare_stack(stacks_.top(i), fiber_main);
    }
}

void running_block::run(dim3 index, size_t dynamic_shared_bytes) {
    current_position.block = index;
    static_arrays_.clear();
    static_bytes_ = 0;
    dynamic_shared_ = dynamic_shared_bytes;
    shared_top_ = shared_used_ = (dynamic_shared_bytes + shared_red_zone + 63) / 64 * 64;
    std::memset(shared, 0xff, shared_used_);  // NaN: nothing may rely on zeros, or on what an earlier block left
    alive_ = threads_;
    at_barrier_ = 0;
    first_ready_ = ready_count_ = 0;
    for (warp& w : warps) w.arrived = w.absent = 0;
    if (threads_ % warp_lanes != 0) warps.back().absent = ~0u << threads_ % warp_lanes;
    for (unsigned i = 0; i < threads_; i++) wake(current_settings.order == order::reverse ? threads_ - 1 - i : i);
    if (current_observer != nullptr) current_observer->block_begins(dynamic_shared_bytes);
    switch_to_next();
    me = nullptr;
    if (fault_.empty() && alive_ > 0) fault_ = deadlock();
    if (!fault_.empty()) throw fault(std::exchange(fault_, {}));
}

// From the scheduler to a fiber; comes back when no fiber is ready or the block is abandoned.
void running_block::switch_to_next() {
    const unsigned next = ready_[first_ready_];
    first_ready_ = (first_ready_ + 1) % most_threads;
    ready_count_--;
    me = &fibers[next];
    current_position.thread = me->thread;
    simt_switch_stack(&scheduler_, me->stack);
}

void running_block::fiber_main() {
    for (;;) {
        current.kernel->body(current.parameters);
        copy_async_commit();
        copy_async_wait(0);
        current.leave();
    }
}

void running_block::leave() {
    my_warp().absent |= 1u << my_lane();
    alive_--;
    if (alive_ > 0 && at_barrier_ == alive_) release_barrier();
    park(thread_state::done);
}

void running_block::park(thread_state state) {
    fiber* const self = me;
    self->state = state;
    if (ready_count_ == 0) {
        simt_switch_stack(&self->stack, scheduler_);
        return;
    }
    if (current_settings.order == order::random)
        std::swap(ready_[first_ready_], ready_[(first_ready_ + random_number() % ready_count_) % most_threads]);
    const unsigned next = ready_[first_ready_];
    first_ready_ = (first_ready_ + 1) % most_threads;
    ready_count_--;
    me = &fibers[next];
    current_position.thread = me->thread;
    if (me != self) simt_switch_stack(&self->stack, me->stack);
}

void running_block::wake(unsigned index) {
    fibers[index].state = thread_state::ready;
    ready_[(first_ready_ + ready_count_++) % most_threads] = static_cast<uint16_t>(index);
}

void running_block::abandon(std::string text) {
    fault_ = std::move(text);
    ready_count_ = 0;
    void* abandoned;
    simt_switch_stack(&abandoned, scheduler_);
    __builtin_unreachable();
}

void running_block::wait_at_barrier(const void* site) {
    warp& w = my_warp();
    w.site[my_lane()] = site;
    me->state = thread_state::at_barrier;
    if (++at_barrier_ == alive_) release_barrier();
    park(me->state == thread_state::ready ? thread_state::ready : thread_state::at_barrier);
}

void running_block::release_barrier() {
    at_barrier_ = 0;
    // The lanes of a warp have to be at the same barrier instruction; warps may differ.
    for (size_t w = 0; w < warps.size(); w++) {
        const void* site = nullptr;
        for (unsigned l = 0; l < warp_lanes && w * warp_lanes + l < threads_; l++) {
            if (fibers[w * warp_lanes + l].state != thread_state::at_barrier) continue;
            if (site == nullptr) site = warps[w].site[l];
            if (!same_place(site, warps[w].site[l]))
                fail(site, "lanes of warp %zu meet at different block barriers, the other at %s", w, place_of(warps[w].site[l]).c_str());
        }
    }
    if (current_observer != nullptr) current_observer->block_barrier();
    for (fiber& f : fibers) {
        if (f.state == thread_state::at_barrier) wake(f.index);
    }
}

std::string running_block::deadlock() const {
    std::string text = std::string(kernel->name) + ": deadlock in block " + text_of(current_position.block) + ", " +
                       std::to_string(alive_) + " of " + std::to_string(threads_) + " threads alive";
    for (size_t w = 0; w < warps.size(); w++) {
        uint32_t told = 0;
        for (unsigned l = 0; l < warp_lanes && w * warp_lanes + l < threads_; l++) {
            const thread_state state = fibers[w * warp_lanes + l].state;
            if (state == thread_state::done || (told >> l & 1) != 0) continue;
            uint32_t alike = 0;  // the lanes that wait for the same thing
            for (unsigned o = l; o < warp_lanes && w * warp_lanes + o < threads_; o++) {
                if (fibers[w * warp_lanes + o].state == state && warps[w].site[o] == warps[w].site[l]) alike |= 1u << o;
            }
            told |= alike;
            char line[128];
            if (state == thread_state::at_barrier) {
                std::snprintf(line, sizeof line, "\n  warp %zu lanes %08x wait at sync_block, ", w, alike);
            } else {
                std::snprintf(line, sizeof line, "\n  warp %zu lanes %08x wait in %s of mask %08x, ", w, alike, name_of(warps[w].kind[l]),
                              warps[w].mask[l]);
            }
            text += line + place_of(warps[w].site[l]);
        }
    }
    return text;
}

void* running_block::static_array(const void* declaration, size_t bytes) {
    for (const auto& [known, offset] : static_arrays_) {
        if (known == declaration) return shared + offset;
    }
    static_bytes_ += bytes;
    if (dynamic_shared_ + static_bytes_ > shared_memory_limit())
        fail(nullptr, "%zu bytes of shared memory, the device has %zu for a block", dynamic_shared_ + static_bytes_, shared_memory_limit());
    const size_t offset = shared_top_;
    shared_top_ = (offset + bytes + shared_red_zone + 15) / 16 * 16;
    if (shared_top_ > shared_used_) {
        std::memset(shared + shared_used_, 0xff, shared_top_ - shared_used_);
        shared_used_ = shared_top_;
    }
    if (current_observer != nullptr) current_observer->static_array(shared + offset, bytes);
    static_arrays_.emplace_back(declaration, offset);
    return shared + offset;
}

}  // namespace simt
