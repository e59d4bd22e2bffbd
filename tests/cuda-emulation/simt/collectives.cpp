// Collectives of a warp: a lane waits until all lanes of its mask have come, and the last one computes for all.
#include "block.h"
#include "matrix.h"
#include "observer.h"
#include "sites.h"

namespace simt {

namespace {

void check_alike(const warp& w, unsigned lane) {
    const uint32_t mask = w.mask[lane];
    for (uint32_t m = mask; m != 0; m &= m - 1) {
        const int l = __builtin_ctz(m);
        if (w.kind[l] != w.kind[lane] || w.mask[l] != mask || !same_place(w.site[l], w.site[lane])) {
            fail(w.site[lane], "lanes of mask %08x meet in different collectives: lane %d, of mask %08x, waits at %s", mask, l, w.mask[l],
                 place_of(w.site[l]).c_str());
        }
    }
}

void resolve(warp& w, unsigned lane) {
    const uint32_t mask = w.mask[lane];
    switch (w.kind[lane]) {
        case collective::sync:
            if (current_observer != nullptr) current_observer->warp_barrier(current.me->index / warp_lanes, mask);
            break;
        case collective::shuffle: {
            uint32_t values[warp_lanes];
            for (unsigned l = 0; l < warp_lanes; l++) values[l] = w.value[l];
            for (uint32_t m = mask; m != 0; m &= m - 1) {
                const int l = __builtin_ctz(m);
                if ((mask >> w.from[l] & 1) == 0) fail(w.site[lane], "lane %d shuffles from lane %u outside mask %08x", l, w.from[l], mask);
                w.value[l] = values[w.from[l]];
            }
            break;
        }
        case collective::ballot: {
            uint32_t votes = 0;
            for (uint32_t m = mask; m != 0; m &= m - 1) votes |= w.value[__builtin_ctz(m)] << __builtin_ctz(m);
            for (uint32_t m = mask; m != 0; m &= m - 1) w.value[__builtin_ctz(m)] = votes;
            break;
        }
        case collective::load_matrix:
        case collective::load_matrix_transposed:
            load_matrices(w, lane);
            break;
        case collective::mma:
            multiply_matrices(w, lane);
            break;
    }
}

// Waits for the lanes of `mask`; the result is in value[].
void meet(collective kind, uint32_t mask, const void* site) {
    warp& w = current.my_warp();
    const unsigned lane = current.my_lane(), first = current.me->index - lane;
    if ((mask >> lane & 1) == 0) fail(site, "lane %u calls a collective of mask %08x, which does not name it", lane, mask);
    if ((mask & w.absent) != 0) fail(site, "collective of mask %08x names lanes that have exited: %08x", mask, mask & w.absent);
    w.kind[lane] = kind;
    w.mask[lane] = mask;
    w.site[lane] = site;
    w.arrived |= 1u << lane;
    if ((w.arrived & mask) != mask) {
        current.park(thread_state::in_collective);
        return;
    }
    check_alike(w, lane);
    resolve(w, lane);
    w.arrived &= ~mask;
    for (uint32_t m = mask & ~(1u << lane); m != 0; m &= m - 1) current.wake(first + static_cast<unsigned>(__builtin_ctz(m)));
}

}  // namespace

void sync_block() { current.wait_at_barrier(__builtin_return_address(0)); }

void fence_device() {
    if (current_observer != nullptr) current_observer->fence(current.me->index);
}

void sync_warp(uint32_t mask, const void* site) { meet(collective::sync, mask, site); }

uint32_t shuffle(uint32_t mask, uint32_t value, uint32_t from, const void* site) {
    warp& w = current.my_warp();
    const unsigned lane = current.my_lane();
    if (from >= warp_lanes) fail(site, "shuffle from lane %u", from);
    w.value[lane] = value;
    w.from[lane] = from;
    meet(collective::shuffle, mask, site);
    return w.value[lane];
}

uint32_t ballot(uint32_t mask, bool condition, const void* site) {
    warp& w = current.my_warp();
    const unsigned lane = current.my_lane();
    w.value[lane] = condition;
    meet(collective::ballot, mask, site);
    return w.value[lane];
}

void mma(mma_kind kind, void* c, const uint32_t* a, const uint32_t* b, const void* site) {
    warp& w = current.my_warp();
    const unsigned lane = current.my_lane();
    w.from[lane] = static_cast<uint32_t>(kind);
    w.a[lane] = a;
    w.b[lane] = b;
    w.c[lane] = c;
    meet(collective::mma, 0xffffffff, site);
}

void load_matrix(uint32_t* result, int matrices, const void* row, bool transposed, const void* site) {
    warp& w = current.my_warp();
    const unsigned lane = current.my_lane();
    w.from[lane] = static_cast<uint32_t>(matrices);
    w.a[lane] = row;
    w.c[lane] = result;
    meet(transposed ? collective::load_matrix_transposed : collective::load_matrix, 0xffffffff, site);
}

uint32_t atomic(uint32_t* address, atomic_operation operation, uint32_t operand) {
    const void* site = __builtin_return_address(0);
    if (reinterpret_cast<uintptr_t>(address) % sizeof *address != 0) fail(site, "misaligned atomic operation");
    if (current_observer != nullptr) current_observer->atomic(current.me->index, address, sizeof *address, site);
    const uint32_t old = *address;
    switch (operation) {
        case atomic_operation::add:
            *address = old + operand;
            break;
        case atomic_operation::bitwise_or:
            *address = old | operand;
            break;
        case atomic_operation::minimum:
            *address = old < operand ? old : operand;
            break;
        case atomic_operation::maximum:
            *address = old > operand ? old : operand;
            break;
        case atomic_operation::exchange:
            *address = operand;
            break;
    }
    return old;
}

}  // namespace simt
