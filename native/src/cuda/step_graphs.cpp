#include "cuda/step_graphs.h"

#include <cstring>

#include "cuda/device_context.h"

namespace nq::cuda {

namespace {

constexpr size_t least_launches = 4;   // below it a graph saves nothing
constexpr size_t most_sequences = 16;  // as many are remembered
constexpr size_t alignment = alignof(std::max_align_t);

driver::kernel_node_parameters node_parameters(driver::function f, const launch_shape& s, void** arguments) {
    return {f, s.grid_x, s.grid_y, s.grid_z, s.threads, 1, 1, s.dynamic_shared_bytes, arguments, nullptr};
}

}  // namespace

void step_graphs::sequence::clear() noexcept {
    launches.clear();
    parameters.clear();
}

void step_graphs::sequence::add(driver::function f, const launch_shape& shape, const void* from, size_t bytes) {
    const size_t first = (parameters.size() + alignment - 1) / alignment * alignment;
    parameters.resize(first + bytes);
    std::memcpy(parameters.data() + first, from, bytes);
    launches.push_back({f, shape, first, bytes});
}

bool step_graphs::sequence::same_kernels(const sequence& other) const noexcept {
    if (launches.size() != other.launches.size()) return false;
    for (size_t i = 0; i < launches.size(); i++) {
        if (launches[i].function != other.launches[i].function) return false;
    }
    return true;
}

void step_graphs::begin() {
    const std::lock_guard lock(mutex_);
    if (open_.load(std::memory_order_relaxed)) return;
    thread_ = std::this_thread::get_id();
    open_.store(true, std::memory_order_release);
}

void step_graphs::end() {
    const std::lock_guard lock(mutex_);
    if (!open_.load(std::memory_order_relaxed) || thread_ != std::this_thread::get_id()) return;
    // Not before the launches are on the stream, for then other threads no longer wait for them; and also if one fails.
    struct closing {
        std::atomic<bool>& open;
        ~closing() { open.store(false, std::memory_order_release); }
    } closed{open_};
    run();
}

bool step_graphs::put_off(driver::function f, const launch_shape& shape, const void* parameters, size_t bytes) {
    if (!open_.load(std::memory_order_acquire)) return false;
    const std::lock_guard lock(mutex_);
    if (open_.load(std::memory_order_relaxed) && thread_ == std::this_thread::get_id()) {
        put_off_.add(f, shape, parameters, bytes);
        return true;
    }
    run();
    return false;
}

void step_graphs::flush() {
    if (!open_.load(std::memory_order_acquire)) return;
    const std::lock_guard lock(mutex_);
    run();
}

void step_graphs::run() {
    if (put_off_.launches.empty()) return;
    sequence s;
    std::swap(s, put_off_);  // whatever fails, it is not tried again
    if (s.launches.size() < least_launches || !run_as_graph(s)) device_.check(launch_each(s), "launching the kernels of a step");
    s.clear();
    put_off_ = std::move(s);  // its memory
}

void step_graphs::flush_unchecked() noexcept {
    const std::lock_guard lock(mutex_);
    launch_each(put_off_);
    put_off_.clear();
}

driver::result step_graphs::launch_each(sequence& s) noexcept {
    for (const launch& l : s.launches) {
        void* arguments[] = {s.parameters_of(l)};
        const driver::result r = device_.api().launch_kernel(l.function, l.shape.grid_x, l.shape.grid_y, l.shape.grid_z, l.shape.threads, 1,
                                                             1, l.shape.dynamic_shared_bytes, stream_, arguments, nullptr);
        if (r != driver::success) return r;
    }
    return driver::success;
}

// False if the caller is to launch each: the sequence is new, or the driver makes no graph of it.
bool step_graphs::run_as_graph(sequence& s) {
    auto found = known_.begin();
    while (found != known_.end() && !found->last.same_kernels(s)) ++found;
    if (found == known_.end()) {
        if (known_.size() == most_sequences) known_.pop_back();
        known_.emplace_front().last = s;
        return false;
    }
    known_.splice(known_.begin(), known_, found);
    known_sequence& known = known_.front();
    if (known.refused) return false;
    if (!(known.executable ? update(known, s) : instantiate(known, s))) {
        known = {std::move(known.last), true, {}, {}, {}};
        return false;
    }
    std::swap(known.last, s);
    device_.check(device_.api().launch_graph(known.executable.get(), stream_), "launching a step");
    return true;
}

// A chain of kernels.
bool step_graphs::instantiate(known_sequence& known, sequence& s) {
    const driver::functions& api = device_.api();
    driver::graph graph = nullptr;
    if (api.create_graph(&graph, 0) != driver::success) return false;
    known.graph = driver::owned_graph(graph);
    for (const launch& l : s.launches) {
        void* arguments[] = {s.parameters_of(l)};
        const driver::kernel_node_parameters p = node_parameters(l.function, l.shape, arguments);
        const driver::graph_node* before = known.nodes.empty() ? nullptr : &known.nodes.back();
        driver::graph_node node = nullptr;
        if (api.add_kernel_node(&node, graph, before, before != nullptr ? 1 : 0, &p) != driver::success) return false;
        known.nodes.push_back(node);
    }
    driver::graph_executable executable = nullptr;
    if (api.instantiate_graph(&executable, graph, 0) != driver::success) return false;
    known.executable = driver::owned_graph_executable(executable);
    return true;
}

bool step_graphs::update(known_sequence& known, sequence& s) {
    for (size_t i = 0; i < s.launches.size(); i++) {
        const launch &now = s.launches[i], &before = known.last.launches[i];
        void* arguments[] = {s.parameters_of(now)};
        if (now == before && std::memcmp(arguments[0], known.last.parameters_of(before), now.bytes) == 0) continue;
        const driver::kernel_node_parameters p = node_parameters(now.function, now.shape, arguments);
        if (device_.api().set_kernel_node(known.executable.get(), known.nodes[i], &p) != driver::success) return false;
    }
    return true;
}

}  // namespace nq::cuda
