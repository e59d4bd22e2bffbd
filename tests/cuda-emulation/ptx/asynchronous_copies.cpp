// cp.async: copies from global to shared memory that land when they are waited for, or, in a random launch, at once or then: both are what
// a device may do, and a kernel that reads too early gets what was there before.
#include <cstring>

#include "lanes.h"

namespace ptx {
namespace {

void land(warp& w, unsigned lane, const asynchronous_copy& copy) {
    std::byte* const to = w.at_shared(lane, copy.destination, copy.bytes);
    std::memset(to, 0, copy.bytes);
    if (copy.source_bytes != 0) {  // the address of a copy of nothing may be anything
        if (copy.source % copy.bytes != 0) {
            w.fail(fault_kind::misaligned_address, lane, "source of cp.async is misaligned");
        }
        std::memcpy(to, w.global_bytes(lane, copy.source, copy.source_bytes), copy.source_bytes);
    }
}

void land_all_but(warp& w, unsigned lane, size_t kept_groups) {
    auto& groups = w.copy_groups[lane];
    auto& copies = w.copies[lane];
    size_t landing = 0;
    const size_t done = groups.size() > kept_groups ? groups.size() - kept_groups : 0;
    for (size_t g = 0; g < done; ++g) {
        landing += groups[g];
    }
    for (size_t c = 0; c < landing; ++c) {
        land(w, lane, copies[c]);
    }
    copies.erase(copies.begin(), copies.begin() + static_cast<ptrdiff_t>(landing));
    groups.erase(groups.begin(), groups.begin() + static_cast<ptrdiff_t>(done));
}

void close_group(warp& w, unsigned lane) {
    size_t grouped = 0;
    for (const size_t g : w.copy_groups[lane]) {
        grouped += g;
    }
    w.copy_groups[lane].push_back(w.copies[lane].size() - grouped);
}

// operands: destination, source, bytes to read or a predicate that leaves the source alone; displacement: of the source; option: of the
// destination; count: bytes written
enum class source_size : uint8_t { whole, given, ignored };

template <source_size Size>
void execute_copy(warp& w, const instruction& i, lane_mask mask) {
    const cell* const destinations = w.source(i.operands[0]);
    const cell* const sources = w.source(i.operands[1]);
    const cell* const sizes = w.source(i.operands[2]);
    for_each_lane(mask, [&](unsigned l) {
        uint32_t source_bytes = i.count;
        if constexpr (Size == source_size::given) {
            source_bytes = read<uint32_t>(sizes[l]);
        } else if constexpr (Size == source_size::ignored) {
            source_bytes = read<bool>(sizes[l]) ? 0 : i.count;
        }
        if (source_bytes > i.count) {
            w.fail(fault_kind::illegal_instruction, l, "cp.async reads more than it writes");
        }
        const auto destination = static_cast<uint32_t>(destinations[l] + static_cast<uint64_t>(i.table[0]));
        const asynchronous_copy copy{destination, sources[l] + static_cast<uint64_t>(i.displacement), i.count, source_bytes};
        w.at_shared(l, copy.destination, copy.bytes);
        // Copies land in order, so that one that lands at once has none before it.
        if (w.launch->random && w.copies[l].empty() && w.launch->numbers.below(2) == 0) {
            land(w, l, copy);
        } else {
            w.copies[l].push_back(copy);
        }
    });
}

void copy(decoding& d) {
    if (!d.has("shared") || !d.has("global")) {
        d.refuse("state spaces");
    }
    const bool through_l1 = d.take_one({"ca", "cg"}) == "ca", hint = d.take("L2::cache_hint");
    d.take_all({"async", "shared", "global", "L2::64B", "L2::128B", "L2::256B"});
    const size_t operands = d.operands() - (hint ? 1 : 0);
    if (operands < 3 || operands > 4) {
        d.refuse("number of operands");
    }
    const uint64_t bytes = d.number(2);
    if (bytes != 16 && !(through_l1 && (bytes == 4 || bytes == 8))) {
        d.refuse("size");
    }
    const auto [to, to_displacement] = d.address(0);
    const auto [from, from_displacement] = d.address(1);
    d.result.operands = {to, from, to};
    d.result.table = {static_cast<uint32_t>(to_displacement)};
    d.result.displacement = from_displacement;
    d.result.count = static_cast<uint8_t>(bytes);
    if (operands == 3) {
        return d.execute(execute_copy<source_size::whole>);
    }
    d.result.operands[2] = d.source(3);
    d.execute(d.is_predicate(3) ? execute_copy<source_size::ignored> : execute_copy<source_size::given>);
}

void commit(decoding& d) {
    d.take("commit_group");
    d.expect_operands(0);
    d.execute([](warp& w, const instruction&, lane_mask mask) { for_each_lane(mask, [&](unsigned l) { close_group(w, l); }); });
}

void wait_for_groups(decoding& d) {
    d.take("wait_group");
    d.expect_operands(1);
    d.result.displacement = static_cast<int64_t>(d.number(0));
    d.execute([](warp& w, const instruction& i, lane_mask mask) {
        for_each_lane(mask, [&](unsigned l) { land_all_but(w, l, static_cast<size_t>(i.displacement)); });
    });
}

void wait_for_all(decoding& d) {
    d.take("wait_all");
    d.expect_operands(0);
    d.execute([](warp& w, const instruction&, lane_mask mask) {
        for_each_lane(mask, [&](unsigned l) {
            close_group(w, l);
            land_all_but(w, l, 0);
        });
    });
}

void copy_or_wait(decoding& d) {
    if (!d.take("async")) {
        d.refuse("form");
    }
    d.has("commit_group") ? commit(d) : d.has("wait_group") ? wait_for_groups(d) : d.has("wait_all") ? wait_for_all(d) : copy(d);
}

}  // namespace

void add_asynchronous_copy_instructions(instruction_table& table) { table.add("cp", type_class::any, copy_or_wait); }

}  // namespace ptx
