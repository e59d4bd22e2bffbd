#include <cstdlib>
#include <cstring>
#include <map>
#include <numeric>
#include <vector>

#include "block.h"
#include "engine.h"
#include "observer.h"

namespace simt {

settings current_settings;

namespace {

std::map<std::string, const kernel_registration*>& kernels() {
    static auto& all = *new std::map<std::string, const kernel_registration*>;
    return all;
}

std::vector<uint64_t> sequence_of_blocks(uint64_t count) {
    std::vector<uint64_t> sequence(count);
    std::iota(sequence.begin(), sequence.end(), uint64_t{0});
    if (current_settings.order == order::reverse) return {sequence.rbegin(), sequence.rend()};
    if (current_settings.order == order::random) {
        for (uint64_t i = count; i > 1; i--) std::swap(sequence[i - 1], sequence[current.random_number() % i]);
    }
    return sequence;
}

}  // namespace

kernel_registration::kernel_registration(const char* kernel_name, size_t bytes, unsigned threads, void (*kernel_body)(const void*),
                                         unsigned kernel_architecture)
    : name(kernel_name), parameter_bytes(bytes), most_threads(threads), body(kernel_body), architecture(kernel_architecture) {
    kernels()[name] = this;
}

const kernel_registration* find_kernel(const char* name) {
    const auto found = kernels().find(name);
    return found == kernels().end() ? nullptr : found->second;
}

unsigned architecture() { return kernels().empty() ? 800 : kernels().begin()->second->architecture; }

size_t shared_memory_limit() { return size_t{architecture() >= 800 ? 163u : 64u} << 10; }

settings settings_of_environment() {
    settings s;
    const char* order = std::getenv("NQ_SIMT_ORDER");
    if (order != nullptr && std::strcmp(order, "reverse") == 0) {
        s.order = order::reverse;
    } else if (order != nullptr && std::strncmp(order, "random:", 7) == 0) {
        s.order = order::random;
        s.seed = std::strtoull(order + 7, nullptr, 10);
    } else if (order != nullptr && std::strcmp(order, "forward") != 0) {
        throw std::invalid_argument("NQ_SIMT_ORDER is '" + std::string(order) + "', expected forward, reverse or random:SEED");
    }
    const char* copies = std::getenv("NQ_SIMT_COPIES");
    if (copies != nullptr && std::strcmp(copies, "early") == 0) {
        s.late_copies = false;
    } else if (copies != nullptr && std::strcmp(copies, "late") != 0) {
        throw std::invalid_argument("NQ_SIMT_COPIES is '" + std::string(copies) + "', expected late or early");
    }
    return s;
}

void* dynamic_shared() { return shared_memory(); }
void* static_shared(const void* declaration, size_t bytes) { return current.static_array(declaration, bytes); }

void assign_vector(void* to, const void* from, size_t bytes) {
    if (current_observer != nullptr) current_observer->vector_assigned(to, from, bytes, __builtin_return_address(0));
    std::memcpy(to, from, bytes);
}

void launch(const kernel_registration& kernel, dim3 grid, dim3 block, size_t dynamic_shared_bytes, const void* parameters) {
    const uint64_t threads = uint64_t{block.x} * block.y * block.z, blocks = uint64_t{grid.x} * grid.y * grid.z;
    current.kernel = &kernel;
    if (threads == 0 || threads > kernel.most_threads)
        fail(nullptr, "%llu threads in a block, expected 1 to %u", static_cast<unsigned long long>(threads), kernel.most_threads);
    if (blocks == 0 || grid.y > 65535 || grid.z > 65535) fail(nullptr, "a grid of %u x %u x %u blocks", grid.x, grid.y, grid.z);
    if (dynamic_shared_bytes > shared_memory_limit())
        fail(nullptr, "%zu bytes of shared memory, the device has %zu for a block", dynamic_shared_bytes, shared_memory_limit());
    current.prepare(kernel, parameters, block);
    current_position.block_dim = block;
    current_position.grid_dim = grid;
    if (current_observer != nullptr) current_observer->launch_begins(kernel, parameters);
    for (const uint64_t id : sequence_of_blocks(blocks)) {
        current.run({static_cast<unsigned>(id % grid.x), static_cast<unsigned>(id / grid.x % grid.y),
                     static_cast<unsigned>(id / (uint64_t{grid.x} * grid.y))},
                    dynamic_shared_bytes);
    }
    if (current_observer != nullptr) current_observer->launch_ends();
}

}  // namespace simt
