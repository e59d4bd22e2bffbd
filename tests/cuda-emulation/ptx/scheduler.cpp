// Running a launch: which block, which warp, and which of a warp's lanes go on. Lanes at the same position run together; of those at
// different ones, the least goes first, so that they meet again after a branch.
#include <algorithm>
#include <deque>

#include "ptx.h"

namespace ptx {
namespace {

constexpr uint64_t orderly_turn = 100000;  // warp instructions before another block gets a chance, should this one wait for it
constexpr uint64_t longest_random_turn = 200;
constexpr uint32_t no_position = ~uint32_t{0};
constexpr std::byte junk_byte{0xff};
constexpr cell junk_register = 0xeeeeeeeeeeeeeeee;

// A block with its warps; used again by the next block when this one has ended.
struct block_slot {
    block_state state;
    std::vector<cell> registers;
    std::vector<warp> warps;
};

// Lanes of a warp at one position.
struct lane_group {
    lane_mask lanes = 0;
    uint32_t position = 0;
    uint32_t boundary = no_position;  // the next position where other lanes are
    bool alone = true;                // there are no others
};

class scheduler {
public:
    scheduler(const program& kernel, const memory& global, extent grid, extent block, size_t dynamic_shared_bytes,
              std::span<const std::byte> parameters, const launch_options& options)
        : kernel_(kernel),
          options_(options),
          shared_bytes_(kernel.static_shared_bytes + dynamic_shared_bytes),
          threads_(block.volume()),
          warps_((threads_ + warp_lanes - 1) / warp_lanes),
          blocks_(grid.volume()),
          launch_{&kernel, &global, parameters.data(), grid, block, options.random, random_numbers(options.seed), {}, {}} {
        launch_.ranges.resize(kernel.code.size());
        launch_.constants.reserve(kernel.constants.size() * warp_lanes);
        for (const cell c : kernel.constants) {
            launch_.constants.insert(launch_.constants.end(), warp_lanes, c);
        }
    }

    launch_statistics run() {
        const uint64_t most = std::min<uint64_t>(std::max(1u, options_.resident_blocks), blocks_);
        add_slot();
        while (options_.random && slots_.size() < most) {
            add_slot();
        }
        while (living_ > 0) {
            bool moved = false, settled = false;
            for_each_warp([&](warp& w) { moved |= advance(w); });
            for (block_slot& slot : slots_) {
                settled |= slot.state.living && settle(slot);
            }
            if (!moved && !settled) {
                const warp& w = slots_.front().warps.front();
                w.fail(fault_kind::failed, "deadlock");
            }
            if (!settled && slots_.size() < most && next_ < blocks_) {
                add_slot();  // perhaps the ones there wait for one that has not begun
            }
        }
        return statistics_;
    }

private:
    void add_slot() {
        slots_.emplace_back();
        block_slot& slot = slots_.back();
        // Filled once: what a block leaves is as good as junk to the next.
        slot.registers.assign(warps_ * static_cast<size_t>(kernel_.rows) * warp_lanes, junk_register);
        slot.warps.resize(warps_);
        start(slot);
    }

    void start(block_slot& slot) {
        const extent& g = launch_.grid;
        slot.state.index = {static_cast<unsigned>(next_ % g.x), static_cast<unsigned>(next_ / g.x % g.y),
                            static_cast<unsigned>(next_ / (uint64_t{g.x} * g.y))};
        slot.state.shared.assign(shared_bytes_, junk_byte);
        slot.state.living = true;
        ++next_;
        ++living_;
        for (size_t k = 0; k < warps_; ++k) {
            warp& w = slot.warps[k];
            w.launch = &launch_;
            w.block = &slot.state;
            w.index = static_cast<unsigned>(k);
            w.registers = slot.registers.data() + k * static_cast<size_t>(kernel_.rows) * warp_lanes;
            w.current = &kernel_.code[kernel_.start];
            const uint64_t lanes = std::min<uint64_t>(warp_lanes, threads_ - k * warp_lanes);
            w.living = lanes == warp_lanes ? all_lanes : (lane_mask{1} << lanes) - 1;
            w.parked = 0;
            w.at_barrier = false;
            w.position.fill(kernel_.start);
            w.local.assign(kernel_.local_bytes * warp_lanes, junk_byte);
            w.call_arguments.assign(kernel_.call_space_bytes * warp_lanes, junk_byte);
            for (unsigned l = 0; l < warp_lanes; ++l) {
                w.return_positions[l].clear();
                w.copies[l].clear();
                w.copy_groups[l].clear();
            }
            set_special_registers(w);
        }
    }

    void set_special_registers(warp& w) const {
        const extent &b = launch_.block, &g = launch_.grid, &i = w.block->index;
        for (unsigned l = 0; l < warp_lanes; ++l) {
            const unsigned thread = w.index * warp_lanes + l;
            const lane_mask own = lane_mask{1} << l;
            const cell values[] = {thread % b.x,
                                   thread / b.x % b.y,
                                   thread / (b.x * b.y),
                                   b.x,
                                   b.y,
                                   b.z,
                                   i.x,
                                   i.y,
                                   i.z,
                                   g.x,
                                   g.y,
                                   g.z,
                                   l,
                                   w.index,
                                   warps_,
                                   own,
                                   own | (own - 1),
                                   own - 1,
                                   ~(own - 1),
                                   ~(own | (own - 1)),
                                   shared_bytes_ - kernel_.static_shared_bytes};
            static_assert(std::size(values) == static_cast<size_t>(carry));
            for (size_t k = 0; k < std::size(values); ++k) {
                w.destination(static_cast<row>(k))[l] = values[k];
            }
        }
    }

    template <class F>
    void for_each_warp(F&& f) {
        const size_t count = slots_.size() * warps_, first = options_.random ? launch_.numbers.below(count) : 0;
        for (size_t k = 0; k < count; ++k) {
            const size_t at = (k + first) % count;
            block_slot& slot = slots_[at / warps_];
            if (slot.state.living) {
                f(slot.warps[at % warps_]);
            }
        }
    }

    // Opens the barrier when all have come, begins the next block when all have ended. Whether anything changed.
    bool settle(block_slot& slot) {
        bool all_waiting = true, any_living = false;
        for (const warp& w : slot.warps) {
            all_waiting &= w.living == 0 || w.at_barrier;
            any_living |= w.living != 0;
        }
        if (!all_waiting) {
            return false;
        }
        if (any_living) {
            for (warp& w : slot.warps) {
                w.at_barrier = false;
            }
            return true;
        }
        slot.state.living = false;
        --living_;
        if (next_ < blocks_) {
            start(slot);
        }
        return true;
    }

    // One turn of a warp. Whether any of its lanes could go on.
    bool advance(warp& w) {
        uint64_t turn = options_.random ? 1 + launch_.numbers.below(longest_random_turn) : orderly_turn;
        bool moved = false;
        while (turn > 0) {
            const lane_group group = choose(w);
            if (group.lanes == 0) {
                break;
            }
            moved = true;
            run_group(w, group, turn);
        }
        return moved;
    }

    lane_group choose(const warp& w) {
        const lane_mask runnable = w.at_barrier ? 0 : w.living & ~w.parked;
        lane_group group;
        if (runnable == 0) {
            return group;
        }
        group.position = no_position;
        for_each_lane(runnable, [&](unsigned l) { group.position = std::min(group.position, w.position[l]); });
        if (options_.random && launch_.numbers.below(4) == 0) {
            lane_mask rest = runnable;
            for (uint64_t skip = launch_.numbers.below(static_cast<uint64_t>(std::popcount(runnable))); skip > 0; --skip) {
                rest &= rest - 1;
            }
            group.position = w.position[static_cast<size_t>(std::countr_zero(rest))];
        }
        // Lanes that are parked here try again.
        for_each_lane(w.living, [&](unsigned l) {
            if (w.position[l] == group.position) {
                group.lanes |= lane_mask{1} << l;
            } else {
                group.alone = false;
                if (w.position[l] > group.position) {
                    group.boundary = std::min(group.boundary, w.position[l]);
                }
            }
        });
        return group;
    }

    static lane_mask guarded(const warp& w, const instruction& i, lane_mask lanes) {
        if (!i.guarded) {
            return lanes;
        }
        const cell* const p = w.source(i.guard);
        lane_mask yes = 0;
        for (unsigned l = 0; l < warp_lanes; ++l) {
            yes |= static_cast<lane_mask>(p[l] & 1) << l;
        }
        return lanes & (i.guard_negated ? ~yes : yes);
    }

    static void place(warp& w, lane_mask lanes, uint32_t position) {
        for_each_lane(lanes, [&](unsigned l) { w.position[l] = position; });
    }

    void count(const warp& w, lane_mask lanes) {
        statistics_.thread_instructions += static_cast<uint64_t>(std::popcount(lanes));
        if (++statistics_.warp_instructions > options_.most_warp_instructions) {
            w.fail(fault_kind::time_limit,
                   "the launch takes more than " + std::to_string(options_.most_warp_instructions) + " instructions");
        }
    }

    // Runs a group until its lanes part, meet others, wait or end, or the turn is over.
    void run_group(warp& w, lane_group group, uint64_t& turn) {
        uint32_t position = group.position;
        lane_mask lanes = group.lanes;
        w.parked &= ~lanes;
        for (; turn > 0; --turn) {
            const instruction& i = kernel_.code[position];
            w.current = &i;
            count(w, lanes);
            const lane_mask mask = guarded(w, i, lanes);
            switch (i.kind) {
                case instruction_kind::plain:
                    if (mask != 0) {
                        i.execute(w, i, mask);
                    }
                    ++position;
                    break;
                case instruction_kind::branch:
                    if (mask != 0 && mask != lanes) {
                        place(w, mask, i.target);
                        return place(w, lanes & ~mask, position + 1);
                    }
                    position = mask != 0 ? i.target : position + 1;
                    if (mask != 0 && !group.alone) {
                        return place(w, lanes, position);
                    }
                    break;
                case instruction_kind::by_table:
                    return branch_by_table(w, i, lanes, mask);
                case instruction_kind::call:
                    i.execute(w, i, mask);
                    for_each_lane(mask, [&](unsigned l) { w.return_positions[l].push_back(position + 1); });
                    place(w, mask, i.target);
                    return place(w, lanes & ~mask, position + 1);
                case instruction_kind::leave:
                    for_each_lane(mask, [&](unsigned l) {
                        w.position[l] = w.return_positions[l].back();
                        w.return_positions[l].pop_back();
                    });
                    return place(w, lanes & ~mask, position + 1);
                case instruction_kind::exit:
                    w.living &= ~mask;
                    w.parked = 0;  // who waits for these lanes waits no longer
                    return place(w, lanes & ~mask, position + 1);
                case instruction_kind::collective:
                case instruction_kind::barrier:
                    if (mask == lanes && complete(w, i, mask)) {
                        position = gather(w, i, mask, position);
                        if (i.kind == instruction_kind::barrier) {
                            return place(w, lanes, position);
                        }
                        break;
                    }
                    return meet(w, i, lanes, mask);
            }
            if (position == group.boundary) {
                break;
            }
        }
        place(w, lanes, position);
    }

    static void branch_by_table(warp& w, const instruction& i, lane_mask lanes, lane_mask mask) {
        const cell* const choices = w.source(i.operands[0]);
        for_each_lane(mask, [&](unsigned l) {
            const auto choice = read<uint32_t>(choices[l]);
            if (choice >= i.table.size()) {
                w.fail(fault_kind::illegal_instruction, l, "branch by entry " + std::to_string(choice) + " of a shorter table");
            }
            w.position[l] = i.table[choice];
        });
        place(w, lanes & ~mask, i.index + 1);
    }

    // Whether these lanes are all that the first of them names as members.
    static bool complete(const warp& w, const instruction& i, lane_mask mask) {
        if (mask == 0) {
            return false;
        }
        lane_mask members = all_lanes;
        if (i.has_members) {
            const cell* const named = w.source(i.members);
            members = read<uint32_t>(named[std::countr_zero(mask)]);
            bool same = true;
            for_each_lane(mask, [&](unsigned l) { same &= read<uint32_t>(named[l]) == members; });
            if (!same) {
                return false;
            }
        }
        return (members & w.living) == mask;
    }

    static uint32_t gather(warp& w, const instruction& i, lane_mask mask, uint32_t position) {
        if (i.kind == instruction_kind::barrier) {
            w.at_barrier = true;
        } else {
            i.execute(w, i, mask);
        }
        return position + 1;
    }

    // Some lanes are not there yet, or there are several sets of members: one complete set goes on, the others park.
    static void meet(warp& w, const instruction& i, lane_mask lanes, lane_mask mask) {
        place(w, lanes & ~mask, i.index + 1);
        lane_mask ready = 0;
        for (lane_mask rest = mask; rest != 0 && ready == 0;) {
            const auto first = static_cast<unsigned>(std::countr_zero(rest));
            lane_mask same = mask, members = all_lanes;
            if (i.has_members) {
                const cell* const named = w.source(i.members);
                members = read<uint32_t>(named[first]);
                if ((members >> first & 1) == 0) {
                    w.fail(fault_kind::failed, first, "a lane outside of its own member mask");
                }
                same = 0;
                for_each_lane(mask, [&](unsigned l) { same |= lane_mask{read<uint32_t>(named[l]) == members} << l; });
            }
            const lane_mask needed = members & w.living;
            if ((same & needed) == needed) {
                ready = needed;
            }
            rest &= ~same;
        }
        place(w, mask & ~ready, i.index);
        if (ready != 0) {
            place(w, ready, gather(w, i, ready, i.index));
            w.parked &= ~ready;
            return;
        }
        w.parked |= mask;
        if ((w.living & ~w.parked) == 0) {
            w.fail(fault_kind::failed, "part of the lanes reached this, the others wait elsewhere or will never come");
        }
    }

    const program& kernel_;
    const launch_options options_;
    const size_t shared_bytes_;
    const uint64_t threads_;
    const size_t warps_;
    const uint64_t blocks_;
    launch_state launch_;
    std::deque<block_slot> slots_;  // warps point to their block
    uint64_t next_ = 0;
    size_t living_ = 0;
    launch_statistics statistics_;
};

}  // namespace

launch_statistics launch(const program& kernel, const memory& global, extent grid, extent block, size_t dynamic_shared_bytes,
                         std::span<const std::byte> parameters, const launch_options& options) {
    const auto refuse = [&](const char* what) { throw load_error(kernel.name + ": " + what); };
    if (grid.volume() == 0 || block.volume() == 0 || block.volume() > kernel.maximum_threads) {
        refuse("number of blocks or threads");
    }
    if (parameters.size() != kernel.parameter_bytes) {
        refuse("size of the parameters");
    }
    if (kernel.static_shared_bytes + dynamic_shared_bytes > options.most_shared_bytes) {
        refuse("shared memory of a block");
    }
    return scheduler(kernel, global, grid, block, dynamic_shared_bytes, parameters, options).run();
}

}  // namespace ptx
