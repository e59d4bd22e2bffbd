#include "simt.h"

#include <sys/mman.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fiber.h"
#include "formats/half.h"

namespace simt {

settings current_settings;

namespace {

constexpr size_t stack_bytes = 64 << 10, shared_bytes = 256 << 10, red_zone = 64;
constexpr int warp_lanes = 32;

std::map<std::string, const kernel_registration*>& kernels() {
    static auto& all = *new std::map<std::string, const kernel_registration*>;
    return all;
}

enum class collective { none, sync, shuffle, ballot, load_matrix, mma };
// A lane's part in a collective of its warp; the last lane to come computes for all.
struct request {
    collective kind = collective::none;
    uint32_t mask = 0;
    const void* site = nullptr;
    uint32_t value = 0, from = 0, result = 0;
    const void *a = nullptr, *b = nullptr;
    void* c = nullptr;
    int matrices = 0;
    bool transposed = false;
    mma_kind mma = mma_kind::bf16_m16n8k16;
};
struct pending_copy {
    void* shared;
    const void* global;
    uint32_t bytes, valid;
};
enum class state { ready, at_barrier, in_collective, done };
struct fiber {
    void* stack = nullptr;
    enum state state = state::ready;
    unsigned index = 0;
    dim3 thread;
    request part;
    std::vector<pending_copy> copies;
    std::vector<size_t> groups;  // copies of each committed group that has not landed
};

// The block that runs.
struct running_block {
    position place;
    std::vector<fiber> fibers;
    std::vector<unsigned> ready;
    fiber* me = nullptr;
    unsigned threads = 0, alive = 0, at_barrier = 0;
    void* scheduler = nullptr;
    void (*body)(const void*) = nullptr;
    const void* parameters = nullptr;
    char* stacks = nullptr;
    unsigned stacks_for = 0;
    std::map<const void*, size_t> static_arrays;
    size_t shared_top = 0;
    uint64_t random = 1;
};
running_block block;
alignas(128) char shared[shared_bytes];

[[noreturn, gnu::format(printf, 1, 2)]] void fail(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    std::fputs("SIMT emulation: ", stderr);
    std::vfprintf(stderr, format, arguments);
    va_end(arguments);
    const position& p = block.place;
    if (block.me != nullptr) {
        std::fprintf(stderr, "\n  at block (%u,%u,%u) thread (%u,%u,%u)", p.block.x, p.block.y, p.block.z, p.thread.x, p.thread.y,
                     p.thread.z);
    }
    std::fputc('\n', stderr);
    std::abort();
}

uint64_t random_number() {
    uint64_t& x = block.random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

bool in_shared(const void* p) { return p >= shared && p < shared + shared_bytes; }

void to_scheduler() { simt_switch_stack(&block.me->stack, block.scheduler); }

void wake(fiber& f) {
    f.state = state::ready;
    block.ready.push_back(f.index);
}

void release_barrier() {
    block.at_barrier = 0;
    for (fiber& f : block.fibers) {
        if (f.state == state::at_barrier) wake(f);
    }
}

void fiber_main() {
    for (;;) {
        block.body(block.parameters);
        copy_async_commit();
        copy_async_wait(0);
        block.me->state = state::done;
        block.alive--;
        if (block.alive > 0 && block.at_barrier == block.alive) release_barrier();
        to_scheduler();
    }
}

void land(const pending_copy& c) {
    if (reinterpret_cast<uintptr_t>(c.shared) % c.bytes != 0 || reinterpret_cast<uintptr_t>(c.global) % c.bytes != 0) {
        fail("asynchronous copy of %u bytes is misaligned", c.bytes);
    }
    if (!in_shared(c.shared)) fail("destination of an asynchronous copy is not shared memory");
    note_access(c.shared, c.bytes, true, false, __builtin_return_address(0));
    std::memset(c.shared, 0, c.bytes);
    if (c.valid == 0) return;
    note_access(c.global, c.valid, false, false, __builtin_return_address(0));
    std::memcpy(c.shared, c.global, c.valid);
}

float widen(uint16_t bits, bool bf16) { return bf16 ? nq::formats::f32_from_bf16(bits) : nq::formats::f32_from_f16(bits); }

// Fragment element e of register r in lane l: rows advance by 8 with odd registers, columns by half the depth with the upper ones.
void mma_16bit(fiber* lanes, int depth, bool bf16) {
    const int registers = depth / 4;
    float a[16][16], b[16][8];
    for (int l = 0; l < warp_lanes; l++) {
        const auto* ra = static_cast<const uint32_t*>(lanes[l].part.a);
        const auto* rb = static_cast<const uint32_t*>(lanes[l].part.b);
        const int group = l / 4, column = l % 4 * 2;
        for (int e = 0; e < 2; e++) {
            for (int r = 0; r < registers; r++)
                a[group + r % 2 * 8][column + e + r / 2 * 8] = widen(static_cast<uint16_t>(ra[r] >> 16 * e), bf16);
            for (int r = 0; r < registers / 2; r++) b[column + e + r * 8][group] = widen(static_cast<uint16_t>(rb[r] >> 16 * e), bf16);
        }
    }
    for (int l = 0; l < warp_lanes; l++) {
        auto* c = static_cast<float*>(lanes[l].part.c);
        for (int e = 0; e < 4; e++) {
            float sum = 0;
            for (int k = 0; k < depth; k++) sum += a[l / 4 + e / 2 * 8][k] * b[k][l % 4 * 2 + e % 2];
            c[e] += sum;
        }
    }
}

void mma_s8(fiber* lanes, int rows, int depth) {
    int8_t a[16][32], b[8][32];
    for (int l = 0; l < warp_lanes; l++) {
        const auto* ra = static_cast<const uint32_t*>(lanes[l].part.a);
        const auto* rb = static_cast<const uint32_t*>(lanes[l].part.b);
        const int group = l / 4, column = l % 4 * 4;
        for (int r = 0; r < rows * depth / 128; r++) {
            if (rows == 16) {
                std::memcpy(&a[group + r % 2 * 8][column + r / 2 * 16], ra + r, 4);
            } else {
                std::memcpy(&a[group][column], ra + r, 4);
            }
        }
        for (int r = 0; r < depth / 16; r++) std::memcpy(&b[group][column + r * 16], rb + r, 4);
    }
    for (int l = 0; l < warp_lanes; l++) {
        auto* c = static_cast<int32_t*>(lanes[l].part.c);
        for (int e = 0; e < rows / 4; e++) {
            int32_t sum = 0;
            for (int k = 0; k < depth; k++) sum += a[l / 4 + e / 2 * 8][k] * b[l % 4 * 2 + e % 2][k];
            c[e] += sum;
        }
    }
}

void load_matrices(fiber* lanes, int matrices, bool transposed) {
    uint16_t tile[4][8][8];
    for (int m = 0; m < matrices; m++) {
        for (int r = 0; r < 8; r++) {
            const void* row = lanes[m * 8 + r].part.a;
            if (reinterpret_cast<uintptr_t>(row) % 16 != 0 || !in_shared(row))
                fail("row %d of a matrix load is misaligned or not in shared memory", r);
            fiber* self = std::exchange(block.me, &lanes[m * 8 + r]);
            note_access(row, 16, false, false, lanes[0].part.site);
            block.me = self;
            std::memcpy(tile[m][r], row, 16);
        }
    }
    for (int l = 0; l < warp_lanes; l++) {
        for (int m = 0; m < matrices; m++) {
            uint32_t e[2];
            for (int i = 0; i < 2; i++) e[i] = transposed ? tile[m][l % 4 * 2 + i][l / 4] : tile[m][l / 4][l % 4 * 2 + i];
            static_cast<uint32_t*>(lanes[l].part.c)[m] = e[0] | e[1] << 16;
        }
    }
}

void resolve(fiber* lanes, const request& r) {
    const auto each = [&](const auto& body) {
        for (uint32_t m = r.mask; m != 0; m &= m - 1) body(lanes[__builtin_ctz(m)]);
    };
    each([&](fiber& f) {
        if (f.part.kind != r.kind || f.part.site != r.site || f.part.mask != r.mask)
            fail("lanes of mask %08x meet in different collectives", r.mask);
    });
    if ((r.kind == collective::mma || r.kind == collective::load_matrix) && r.mask != 0xffffffff)
        fail("a matrix collective needs the whole warp");
    switch (r.kind) {
        case collective::sync:
        case collective::none:
            break;
        case collective::shuffle:
            each([&](fiber& f) {
                if ((r.mask >> f.part.from & 1) == 0) fail("shuffle from lane %u outside mask %08x", f.part.from, r.mask);
                f.part.result = lanes[f.part.from].part.value;
            });
            break;
        case collective::ballot: {
            uint32_t votes = 0;
            each([&](fiber& f) { votes |= f.part.value << f.index % warp_lanes; });
            each([&](fiber& f) { f.part.result = votes; });
            break;
        }
        case collective::load_matrix:
            load_matrices(lanes, r.matrices, r.transposed);
            break;
        case collective::mma:
            switch (r.mma) {
                case mma_kind::bf16_m16n8k16:
                    mma_16bit(lanes, 16, true);
                    break;
                case mma_kind::f16_m16n8k16:
                    mma_16bit(lanes, 16, false);
                    break;
                case mma_kind::f16_m16n8k8:
                    mma_16bit(lanes, 8, false);
                    break;
                case mma_kind::s8_m16n8k32:
                    mma_s8(lanes, 16, 32);
                    break;
                case mma_kind::s8_m8n8k16:
                    mma_s8(lanes, 8, 16);
                    break;
            }
            break;
    }
}

uint32_t meet(const request& r) {
    fiber& me = *block.me;
    const unsigned lane = me.index % warp_lanes, first = me.index - lane;
    if ((r.mask >> lane & 1) == 0) fail("collective called by a lane outside its mask %08x", r.mask);
    me.part = r;
    fiber* lanes = &block.fibers[first];
    for (uint32_t m = r.mask; m != 0; m &= m - 1) {
        const unsigned l = static_cast<unsigned>(__builtin_ctz(m));
        if (first + l >= block.threads || lanes[l].state == state::done)
            fail("collective of mask %08x names lane %u, which has exited", r.mask, l);
        if (l != lane && lanes[l].state != state::in_collective) {
            me.state = state::in_collective;
            to_scheduler();
            return me.part.result;
        }
    }
    resolve(lanes, r);
    for (uint32_t m = r.mask; m != 0; m &= m - 1) {
        const unsigned l = static_cast<unsigned>(__builtin_ctz(m));
        if (l != lane) wake(lanes[l]);
    }
    return me.part.result;
}

void run_block() {
    std::memset(shared, 0xff, shared_bytes);  // NaN: nothing may rely on zeros
    block.static_arrays.clear();
    block.ready.clear();
    block.alive = block.threads;
    block.at_barrier = 0;
    for (unsigned i = 0; i < block.threads; i++) {
        block.fibers[i].state = state::ready;
        block.ready.push_back(current_settings.order == order::reverse ? block.threads - 1 - i : i);
    }
    size_t head = 0;
    while (block.alive > 0) {
        if (head == block.ready.size()) {
            unsigned in_collective = 0;
            for (const fiber& f : block.fibers) in_collective += f.state == state::in_collective;
            fail("deadlock: %u threads at a block barrier, %u in warp collectives, %u alive", block.at_barrier, in_collective, block.alive);
        }
        if (current_settings.order == order::random)
            std::swap(block.ready[head], block.ready[head + random_number() % (block.ready.size() - head)]);
        block.me = &block.fibers[block.ready[head++]];
        block.place.thread = block.me->thread;
        if (head == block.ready.size() || head > 4096) {
            block.ready.erase(block.ready.begin(), block.ready.begin() + static_cast<ptrdiff_t>(head));
            head = 0;
        }
        simt_switch_stack(&block.scheduler, block.me->stack);
    }
    block.me = nullptr;
}

}  // namespace

kernel_registration::kernel_registration(const char* kernel_name, size_t bytes, unsigned threads, void (*kernel_body)(const void*))
    : name(kernel_name), parameter_bytes(bytes), most_threads(threads), body(kernel_body) {
    kernels()[name] = this;
}

const kernel_registration* find_kernel(const char* name) {
    const auto found = kernels().find(name);
    return found == kernels().end() ? nullptr : found->second;
}

position& here() { return block.place; }

void* dynamic_shared() { return shared; }

void* static_shared(const void* declaration, size_t bytes) {
    const auto [entry, added] = block.static_arrays.try_emplace(declaration, block.shared_top);
    if (added) {
        block.shared_top = (block.shared_top + bytes + red_zone + 15) / 16 * 16;
        if (block.shared_top > shared_bytes) fail("shared memory is exhausted");
    }
    return shared + entry->second;
}

void sync_block() {
    block.me->state = state::at_barrier;
    if (++block.at_barrier == block.alive) release_barrier();
    to_scheduler();
}

void sync_warp(uint32_t mask, const void* site) {
    request r;
    r.kind = collective::sync;
    r.mask = mask;
    r.site = site;
    meet(r);
}

uint32_t shuffle(uint32_t mask, uint32_t value, uint32_t from, const void* site) {
    request r;
    r.kind = collective::shuffle;
    r.mask = mask;
    r.site = site;
    r.value = value;
    r.from = from;
    return meet(r);
}

uint32_t ballot(uint32_t mask, bool condition, const void* site) {
    request r;
    r.kind = collective::ballot;
    r.mask = mask;
    r.site = site;
    r.value = condition;
    return meet(r);
}

void mma(mma_kind kind, void* c, const uint32_t* a, const uint32_t* b, const void* site) {
    request r;
    r.kind = collective::mma;
    r.mask = 0xffffffff;
    r.site = site;
    r.mma = kind;
    r.a = a;
    r.b = b;
    r.c = c;
    meet(r);
}

void load_matrix(uint32_t* result, int matrices, const void* row, bool transposed, const void* site) {
    request r;
    r.kind = collective::load_matrix;
    r.mask = 0xffffffff;
    r.site = site;
    r.a = row;
    r.c = result;
    r.matrices = matrices;
    r.transposed = transposed;
    meet(r);
}

void copy_async(void* to, const void* from, uint32_t bytes, uint32_t valid) {
    const pending_copy copy{to, from, bytes, valid};
    if (current_settings.late_copies) {
        block.me->copies.push_back(copy);
    } else {
        land(copy);
    }
}

void copy_async_commit() {
    fiber& me = *block.me;
    size_t grouped = 0;
    for (size_t n : me.groups) grouped += n;
    me.groups.push_back(me.copies.size() - grouped);
}

void copy_async_wait(int pending) {
    fiber& me = *block.me;
    while (me.groups.size() > static_cast<size_t>(pending)) {
        const auto count = static_cast<ptrdiff_t>(me.groups.front());
        for (ptrdiff_t i = 0; i < count; i++) land(me.copies[static_cast<size_t>(i)]);
        me.copies.erase(me.copies.begin(), me.copies.begin() + count);
        me.groups.erase(me.groups.begin());
    }
}

[[gnu::weak]] void note_access(const void*, unsigned, bool, bool, const void*) {}

void launch(const kernel_registration& kernel, dim3 grid, dim3 block_dim, size_t dynamic_shared_bytes, const void* parameters) {
    const unsigned threads = block_dim.x * block_dim.y * block_dim.z;
    if (threads == 0 || threads > kernel.most_threads)
        fail("%s: %u threads in a block, expected 1 to %u", kernel.name, threads, kernel.most_threads);
    if (dynamic_shared_bytes > 227 * 1024) fail("%s: %zu bytes of dynamic shared memory", kernel.name, dynamic_shared_bytes);
    if (block.stacks_for < threads) {
        if (block.stacks != nullptr) munmap(block.stacks, block.stacks_for * stack_bytes);
        block.stacks = static_cast<char*>(
            mmap(nullptr, threads * stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        block.stacks_for = threads;
    }
    block.fibers.assign((threads + warp_lanes - 1) / warp_lanes * warp_lanes, fiber());
    block.threads = threads;
    block.body = kernel.body;
    block.parameters = parameters;
    block.random = current_settings.seed * 0x9E3779B97F4A7C15ull | 1;
    for (unsigned i = 0; i < block.fibers.size(); i++) {
        fiber& f = block.fibers[i];
        f.index = i;
        f.thread = {i % block_dim.x, i / block_dim.x % block_dim.y, i / (block_dim.x * block_dim.y)};
        f.state = state::done;
        if (i < threads)
            f.stack = prepare_stack(block.stacks + (i + 1) * stack_bytes - i % 15 * 256,
                                    fiber_main);  // staggered: equal low bits share cache sets
    }
    const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
    std::vector<uint64_t> sequence(blocks);
    for (uint64_t i = 0; i < blocks; i++) sequence[i] = current_settings.order == order::reverse ? blocks - 1 - i : i;
    if (current_settings.order == order::random) {
        for (uint64_t i = blocks; i > 1; i--) std::swap(sequence[i - 1], sequence[random_number() % i]);
    }
    block.place.block_dim = block_dim;
    block.place.grid_dim = grid;
    for (uint64_t id : sequence) {
        block.place.block = {static_cast<unsigned>(id % grid.x), static_cast<unsigned>(id / grid.x % grid.y),
                             static_cast<unsigned>(id / (uint64_t{grid.x} * grid.y))};
        block.shared_top = (dynamic_shared_bytes + red_zone + 63) / 64 * 64;
        run_block();
    }
}

}  // namespace simt
