// What is known of every byte of device and shared memory: whether it is initialised, who wrote it last, who has read it since.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <vector>

namespace simt::check {

enum class write_kind : uint8_t { none, plain, atomic, copy_under_way };

// Of four bytes, or of one of them.
struct cell {
    static constexpr uint16_t several = 0xffff, several_blocks = 0xfffe;

    uint32_t write_block, write_time, write_site;
    uint16_t write_thread;  // or several: atomics that are not ordered
    write_kind written;
    bool initialised;

    // Reads that no later read is after: of some lanes of a warp, of several warps or of several blocks.
    uint32_t read_block, read_time, read_site, read_lanes;
    uint16_t read_warp;

    uint32_t split;  // 1 + where the cells of the four bytes are, once they differ
};

// Cells of one piece of memory.
class shadow {
public:
    explicit shadow(size_t bytes);

    // body(cell) for the cells of a range, split where it does not cover whole ones.
    template <class Body>
    void each(size_t offset, size_t bytes, const Body& body) {
        const size_t end = offset + bytes;
        while (offset < end) {
            cell& c = cells_[offset / granule];
            const bool whole = offset % granule == 0 && end - offset >= granule;
            if (c.split == 0 && whole) {
                body(c);
                offset += granule;
                continue;
            }
            if (c.split == 0) split(c);
            auto& parts = parts_[c.split - 1];
            do {
                body(parts[offset % granule]);
                offset++;
            } while (offset < end && offset % granule != 0);
        }
    }
    void clear(size_t bytes);

private:
    static constexpr size_t granule = 4;
    struct free_cells {
        void operator()(cell* p) const noexcept { std::free(p); }
    };
    void split(cell& c);

    std::unique_ptr<cell[], free_cells> cells_;
    std::vector<std::array<cell, granule>> parts_;
};

struct allocation {
    uintptr_t begin, end;
    std::unique_ptr<shadow> cells;
};

// The allocations of the device.
class device_shadow {
public:
    void add(const void* address, size_t bytes);
    void remove(const void* address);
    // The allocation an address lies in, or null.
    allocation* find(uintptr_t address);

private:
    std::map<uintptr_t, allocation> all_;
    allocation* last_ = nullptr;
};

}  // namespace simt::check
