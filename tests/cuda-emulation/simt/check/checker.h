// Finds races, accesses out of bounds, misaligned ones and reads of what nobody has written, exactly and in whatever order threads run.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "check/order.h"
#include "check/shadow.h"
#include "check/statistics.h"
#include "observer.h"

namespace simt::check {

class checker final : public observer {
public:
    checker();

    void allocated(const void* address, size_t bytes) override;
    void released(const void* address) override;
    void host_wrote(const void* address, size_t bytes) override;
    void copied(const void* to, const void* from, size_t bytes) override;

    void launch_begins(const kernel_registration& kernel, const void* parameters) override;
    void launch_ends() override;
    void block_begins(size_t dynamic_shared_bytes) override;
    void static_array(const void* address, size_t bytes) override;

    void block_barrier() override { order_.block_barrier(); }
    void warp_barrier(unsigned warp, uint32_t mask) override { order_.warp_barrier(warp, mask); }
    void fence(unsigned thread) override { order_.fence(thread); }

    void read(unsigned thread, const void* address, size_t bytes, const void* site) override;
    void vector_assigned(const void* to, const void* from, size_t bytes, const void* site) override;
    void atomic(unsigned thread, const void* address, size_t bytes, const void* site) override;
    void copy_begins(unsigned thread, const void* shared, const void* global, size_t bytes, size_t valid, const void* site) override;
    void copy_lands(unsigned thread, const void* shared, size_t bytes, const void* site) override;

    // A plain access of the running thread. Unaligned ones are made of bytes.
    void access(const void* address, size_t bytes, bool writes, bool unaligned, const void* site);

private:
    enum class access_kind { read, write, atomic };
    struct where {
        shadow* cells;  // null: memory of the host that a kernel may touch, its stack or its parameters
        size_t offset;
        bool shared;
    };
    struct finding {
        uint64_t count = 0;
        std::string first;
    };

    where locate(unsigned thread, const void* address, size_t bytes, bool write, const void* site);
    void check(unsigned thread, const void* address, size_t bytes, access_kind kind, const void* site);
    void check_read(cell& c, unsigned thread, const void* address, const void* site, bool shared);
    void check_write(cell& c, unsigned thread, const void* address, access_kind kind, const void* site, bool shared);
    bool write_before(const cell& c, unsigned thread, const void* address) const;
    bool reads_before(const cell& c, unsigned thread) const;
    void report_race(const cell& c, bool other_writes, unsigned thread, bool write, const void* address, const void* site, bool shared);
    void report(const char* what, unsigned thread, const void* address, bool write, const void* site, bool shared, uint32_t other_site = 0,
                const std::string& other = "");

    uint32_t relative(const void* site) const noexcept;
    const void* absolute(uint32_t site) const noexcept;

    happens_before order_;
    device_shadow device_;
    shadow shared_;
    size_t shared_used_ = 0;
    std::vector<std::pair<size_t, size_t>> shared_arrays_;  // begin and end; the dynamic part first
    uintptr_t image_begin_ = 0, image_end_ = 0;             // this program's own code and constants
    const kernel_registration* kernel_ = nullptr;
    const void* parameters_ = nullptr;
    std::map<std::pair<const void*, uint32_t>, finding> findings_;
    statistics statistics_;
};

}  // namespace simt::check
