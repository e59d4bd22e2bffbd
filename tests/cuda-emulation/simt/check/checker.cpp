#include "check/checker.h"

#include <link.h>

#include <cstdio>
#include <cstring>

#include "sites.h"

namespace simt::check {

namespace {

constexpr uint32_t host_block = 1;  // what the host did is before every launch

std::string text_of(const char* format, auto... values) {
    char text[512];
    std::snprintf(text, sizeof text, format, values...);
    return text;
}

}  // namespace

checker::checker() : shared_(shared_memory_bytes) {
    order_.block_begins();  // block 1 is the host
    dl_iterate_phdr(
        [](dl_phdr_info* info, size_t, void* self) {
            uintptr_t begin = UINTPTR_MAX, end = 0;
            for (int i = 0; i < info->dlpi_phnum; i++) {
                const auto& segment = info->dlpi_phdr[i];
                if (segment.p_type != PT_LOAD) continue;
                begin = std::min(begin, static_cast<uintptr_t>(info->dlpi_addr + segment.p_vaddr));
                end = std::max(end, static_cast<uintptr_t>(info->dlpi_addr + segment.p_vaddr + segment.p_memsz));
            }
            const auto here = reinterpret_cast<uintptr_t>(&place_of);
            if (here < begin || here >= end) return 0;
            auto& c = *static_cast<checker*>(self);
            c.image_begin_ = begin;
            c.image_end_ = end;
            return 1;
        },
        this);
}

uint32_t checker::relative(const void* site) const noexcept {
    return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(site) - image_begin_);
}
const void* checker::absolute(uint32_t site) const noexcept { return reinterpret_cast<const void*>(image_begin_ + site); }

void checker::allocated(const void* address, size_t bytes) { device_.add(address, bytes); }
void checker::released(const void* address) { device_.remove(address); }

void checker::host_wrote(const void* address, size_t bytes) {
    const auto begin = reinterpret_cast<uintptr_t>(address);
    allocation* a = device_.find(begin);
    if (a == nullptr) return;
    a->cells->each(begin - a->begin, bytes, [](cell& c) {
        c.written = write_kind::plain;
        c.write_block = host_block;
        c.initialised = true;
    });
}

void checker::copied(const void* to, const void* from, size_t bytes) {
    const auto begin = reinterpret_cast<uintptr_t>(to), source = reinterpret_cast<uintptr_t>(from);
    allocation *a = device_.find(begin), *b = nullptr;
    if (a == nullptr || (b = device_.find(source)) == nullptr) return;
    for (size_t i = 0; i < bytes; i++) {
        bool initialised = false;
        b->cells->each(source - b->begin + i, 1, [&](const cell& c) { initialised = c.initialised; });
        a->cells->each(begin - a->begin + i, 1, [&](cell& c) {
            c.written = write_kind::plain;
            c.write_block = host_block;
            c.initialised = initialised;
        });
    }
}

void checker::launch_begins(const kernel_registration& kernel, const void* parameters) {
    kernel_ = &kernel;
    parameters_ = parameters;
    findings_.clear();
    order_.launch_begins(static_cast<unsigned>(current.fibers.size()));
    statistics_.launch_begins(kernel);
}

void checker::launch_ends() {
    statistics_.launch_ends();
    if (findings_.empty()) return;
    constexpr size_t most_told = 8;
    std::string text = std::string(kernel_->name) + text_of(": the checked build finds %zu faults", findings_.size());
    size_t told = 0;
    for (const auto& [key, f] : findings_) {
        if (told++ == most_told) {
            text += "\n  ...";
            break;
        }
        text += "\n  " + f.first + text_of(" [%llu times]", static_cast<unsigned long long>(f.count));
    }
    findings_.clear();
    throw fault(text);
}

void checker::block_begins(size_t dynamic_shared_bytes) {
    order_.block_begins();
    statistics_.block_begins();
    shared_.clear(shared_used_);
    shared_arrays_.assign(1, {0, dynamic_shared_bytes});
    shared_used_ = dynamic_shared_bytes;
}

void checker::static_array(const void* address, size_t bytes) {
    const auto offset = static_cast<size_t>(static_cast<const char*>(address) - shared_memory());
    shared_arrays_.emplace_back(offset, offset + bytes);
    shared_used_ = std::max(shared_used_, offset + bytes);
}

checker::where checker::locate(unsigned thread, const void* address, size_t bytes, bool write, const void* site) {
    const auto begin = reinterpret_cast<uintptr_t>(address);
    if (in_shared_memory(address)) {
        const auto offset = static_cast<size_t>(static_cast<const char*>(address) - shared_memory());
        for (const auto& [from, to] : shared_arrays_) {
            if (offset >= from && offset + bytes <= to) return {&shared_, offset, true};
        }
        current.me = &current.fibers[thread];
        fail(site, "the checked build finds a %s of %zu bytes out of bounds of every array in shared memory", write ? "write" : "read",
             bytes);
    }
    if (allocation* a = device_.find(begin); a != nullptr && begin + bytes <= a->end) return {a->cells.get(), begin - a->begin, false};
    const auto parameters = reinterpret_cast<uintptr_t>(parameters_);
    if (current.on_stack(address) || (begin >= image_begin_ && begin + bytes <= image_end_)) return {nullptr, 0, false};
    if (!write && begin >= parameters && begin + bytes <= parameters + kernel_->parameter_bytes) return {nullptr, 0, false};
    current.me = &current.fibers[thread];
    fail(site, "the checked build finds a %s of %zu bytes at %p, out of bounds of every allocation of the device", write ? "write" : "read",
         bytes, address);
}

void checker::access(const void* address, size_t bytes, bool writes, bool unaligned, const void* site) {
    if (current.me == nullptr) return;  // the host's own
    const unsigned thread = current.me->index;
    const where w = locate(thread, address, bytes, writes, site);
    if (w.cells == nullptr) return;
    if (!unaligned && reinterpret_cast<uintptr_t>(address) % bytes != 0)
        fail(site, "the checked build finds a misaligned %s of %zu bytes", writes ? "write" : "read", bytes);
    check(thread, address, bytes, writes ? access_kind::write : access_kind::read, site);
}

void checker::vector_assigned(const void* to, const void* from, size_t bytes, const void* site) {
    access(from, bytes, false, false, site);
    access(to, bytes, true, false, site);
}
void checker::read(unsigned thread, const void* address, size_t bytes, const void* site) {
    check(thread, address, bytes, access_kind::read, site);
}
void checker::atomic(unsigned thread, const void* address, size_t bytes, const void* site) {
    check(thread, address, bytes, access_kind::atomic, site);
    order_.atomic(thread, address);
}

void checker::copy_begins(unsigned thread, const void* shared, const void* global, size_t bytes, size_t valid, const void* site) {
    if (valid > 0) check(thread, global, valid, access_kind::read, site);
    check(thread, shared, bytes, access_kind::write, site);
    const where w = locate(thread, shared, bytes, true, site);
    w.cells->each(w.offset, bytes, [](cell& c) { c.written = write_kind::copy_under_way; });
}

void checker::copy_lands(unsigned thread, const void* shared, size_t bytes, const void* site) {
    const where w = locate(thread, shared, bytes, true, site);
    w.cells->each(w.offset, bytes, [&](cell& c) {
        c.written = write_kind::plain;
        c.write_time = order_.time_of(thread);
    });
}

void checker::check(unsigned thread, const void* address, size_t bytes, access_kind kind, const void* site) {
    const where w = locate(thread, address, bytes, kind != access_kind::read, site);
    if (w.cells == nullptr) return;
    statistics_.access(thread, address, bytes, kind != access_kind::read, w.shared, site);
    w.cells->each(w.offset, bytes, [&](cell& c) {
        if (kind == access_kind::read) {
            check_read(c, thread, address, site, w.shared);
        } else {
            check_write(c, thread, address, kind, site, w.shared);
        }
    });
}

bool checker::write_before(const cell& c, unsigned thread, const void* address) const {
    switch (c.written) {
        case write_kind::none:
            return true;
        case write_kind::copy_under_way:
            return false;
        case write_kind::plain:
            return order_.before(c.write_block, c.write_thread, c.write_time, thread);
        case write_kind::atomic:
            if (order_.before_barrier(c.write_block, c.write_time)) return true;
            if (c.write_thread != cell::several && order_.before(c.write_block, c.write_thread, c.write_time, thread)) return true;
            return order_.after_atomics(address, thread);
    }
    return true;
}

bool checker::reads_before(const cell& c, unsigned thread) const {
    if (c.read_block <= order_.launch_base()) return true;
    if (c.read_warp == cell::several_blocks) return false;
    if (order_.before_barrier(c.read_block, c.read_time)) return true;
    if (c.read_warp == cell::several) return false;
    for (uint32_t lanes = c.read_lanes; lanes != 0; lanes &= lanes - 1) {
        const unsigned reader = c.read_warp * warp_lanes + static_cast<unsigned>(__builtin_ctz(lanes));
        if (!order_.before(c.read_block, reader, c.read_time, thread)) return false;
    }
    return true;
}

void checker::check_read(cell& c, unsigned thread, const void* address, const void* site, bool shared) {
    if (!write_before(c, thread, address)) {
        report_race(c, true, thread, false, address, site, shared);
    } else if (!c.initialised) {
        report("read of uninitialised memory", thread, address, false, site, shared);
        c.initialised = true;
    }
    const auto my_warp = static_cast<uint16_t>(thread / warp_lanes);
    const uint32_t my_lane = 1u << thread % warp_lanes;
    if (reads_before(c, thread)) {
        c.read_block = order_.block();
        c.read_warp = my_warp;
        c.read_lanes = my_lane;
        c.read_time = order_.time_of(thread);
    } else {
        if (c.read_block != order_.block()) {
            c.read_warp = cell::several_blocks;
        } else if (c.read_warp != my_warp && c.read_warp != cell::several_blocks) {
            c.read_warp = cell::several;
        }
        c.read_block = order_.block();
        c.read_lanes |= my_lane;
        c.read_time = std::max(c.read_time, order_.time_of(thread));
    }
    c.read_site = relative(site);
}

void checker::check_write(cell& c, unsigned thread, const void* address, access_kind kind, const void* site, bool shared) {
    const bool both_atomic = kind == access_kind::atomic && c.written == write_kind::atomic, after_write = write_before(c, thread, address);
    if (!after_write && !both_atomic) {
        report_race(c, true, thread, true, address, site, shared);
    } else if (!reads_before(c, thread)) {
        report_race(c, false, thread, true, address, site, shared);
    } else if (kind == access_kind::atomic && !c.initialised) {
        report("atomic on uninitialised memory", thread, address, true, site, shared);
    }
    c.write_block = order_.block();
    c.write_time = order_.time_of(thread);
    c.write_thread = both_atomic && !after_write ? cell::several : static_cast<uint16_t>(thread);
    c.write_site = relative(site);
    c.written = kind == access_kind::atomic ? write_kind::atomic : write_kind::plain;
    c.initialised = true;
    c.read_block = 0;
    c.read_lanes = 0;
}

void checker::report_race(const cell& c, bool other_writes, unsigned thread, bool write, const void* address, const void* site,
                          bool shared) {
    const uint32_t other_site = other_writes ? c.write_site : c.read_site;
    std::string other;
    if (other_writes && c.written == write_kind::copy_under_way) {
        other = text_of("the asynchronous copy of thread %u that nobody has waited for", c.write_thread);
    } else if ((other_writes ? c.write_block : c.read_block) != order_.block()) {
        other = text_of("the %s of another block", other_writes ? "write" : "read");
    } else if (other_writes) {
        other = text_of("the write of thread %u", c.write_thread);
    } else if (c.read_warp >= cell::several_blocks) {
        other = "the reads of several warps";
    } else {
        other = text_of("the read of warp %u lanes %08x", c.read_warp, c.read_lanes);
    }
    report("race", thread, address, write, site, shared, other_site, other);
}

void checker::report(const char* what, unsigned thread, const void* address, bool write, const void* site, bool shared, uint32_t other_site,
                     const std::string& other) {
    finding& f = findings_[{site, other_site}];
    if (f.count++ > 0) return;
    const dim3 b = current_position.block, t = current.fibers[thread].thread;
    f.first =
        text_of("%s: %s %s, block (%u,%u,%u) thread (%u,%u,%u) at ", what, write ? "writes" : "reads",
                shared
                    ? text_of("shared memory at byte %zu", static_cast<size_t>(static_cast<const char*>(address) - shared_memory())).c_str()
                    : text_of("device memory at %p", address).c_str(),
                b.x, b.y, b.z, t.x, t.y, t.z) +
        place_of(site);
    if (!other.empty()) f.first += "; " + other + (other_site != 0 ? " at " + place_of(absolute(other_site)) : "");
}

}  // namespace simt::check
