// Modules, functions, launches and graphs of the emulated driver.
#include <algorithm>

#include "exports.h"
#include "state.h"

using emulation::failure;
using emulation::kernel_launch;
using emulation::state;

namespace {

constexpr size_t dynamic_bytes_unasked = size_t{48} << 10;
constexpr unsigned most_threads = 1024, most_blocks_y = 65535;

template <class F>
result call(const char* function, F&& body) {
    return state::get().call(function, true, [&] { body(state::get()); });
}

// What a driver refuses at once rather than when the kernel runs.
kernel_launch checked(const state& s, const kernel_node_parameters& p) {
    const emulation::kernel_handle& f = s.functions.get(p.kernel);
    const auto refuse = [](const char* what) { throw failure(emulation::invalid_value, what); };
    if (p.grid_x == 0 || p.grid_y == 0 || p.grid_z == 0 || p.grid_x > 0x7fffffff || p.grid_y > most_blocks_y || p.grid_z > most_blocks_y) {
        refuse("number of blocks");
    }
    const uint64_t threads = uint64_t{p.block_x} * p.block_y * p.block_z;
    if (threads == 0 || threads > most_threads || threads > f.code->most_threads() || p.block_z > 64) {
        refuse("number of threads");
    }
    if (p.shared_bytes + f.code->static_shared_bytes() > f.most_dynamic_shared_bytes) {
        refuse("more shared memory than the function has asked for");
    }
    if (p.parameters == nullptr || p.parameters[0] == nullptr || p.extra != nullptr) {
        refuse("parameters");
    }
    const auto* const first = static_cast<const std::byte*>(p.parameters[0]);
    return {f.code,
            {p.grid_x, p.grid_y, p.grid_z},
            {p.block_x, p.block_y, p.block_z},
            p.shared_bytes,
            {first, first + f.code->parameter_bytes()}};
}

size_t number_of(graph_node node) { return reinterpret_cast<size_t>(node); }

}  // namespace

result cuModuleLoadData(module* m, const void* image) {
    return call("cuModuleLoadData", [=](state& s) {
        auto loaded = std::make_unique<emulation::module_object>();
        loaded->code = s.device->load(static_cast<const char*>(image));
        *m = reinterpret_cast<module>(s.modules.add(std::move(loaded)));
    });
}
result cuModuleUnload(module m) {
    return call("cuModuleUnload", [=](state& s) {
        s.wait();
        for (const auto& [name, f] : s.modules.get(m).functions) {
            s.functions.remove(f);
        }
        s.modules.remove(m);
    });
}
result cuModuleGetFunction(function* f, module m, const char* name) {
    return call("cuModuleGetFunction", [=](state& s) {
        emulation::module_object& module = s.modules.get(m);
        auto known = module.functions.find(name);
        if (known == module.functions.end()) {
            const emulation::kernel* const code = module.code->find(name);
            if (code == nullptr) {
                throw failure(not_found, std::string("no kernel ") + name);
            }
            auto kernel = std::make_unique<emulation::kernel_handle>(emulation::kernel_handle{code, dynamic_bytes_unasked});
            known = module.functions.emplace(name, s.functions.add(std::move(kernel))).first;
        }
        *f = reinterpret_cast<function>(known->second);
    });
}
result cuFuncSetAttribute(function f, function_attribute attribute, int value) {
    return call("cuFuncSetAttribute", [=](state& s) {
        emulation::kernel_handle& kernel = s.functions.get(f);
        if (attribute != function_attribute::max_dynamic_shared_size_bytes || value < 0 ||
            static_cast<size_t>(value) + kernel.code->static_shared_bytes() > s.most_shared_bytes()) {
            throw failure(emulation::invalid_value, "attribute of a function: " + std::to_string(value));
        }
        kernel.most_dynamic_shared_bytes = std::max(static_cast<size_t>(value) + kernel.code->static_shared_bytes(), dynamic_bytes_unasked);
    });
}
result cuLaunchKernel(function f, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
                      unsigned shared_bytes, stream st, void** parameters, void** extra) {
    return call("cuLaunchKernel", [=](state& s) {
        s.streams.get(st);
        s.enqueue(checked(s, {f, grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes, parameters, extra}));
    });
}

result cuGraphCreate(graph* g, unsigned) {
    return call("cuGraphCreate",
                [=](state& s) { *g = reinterpret_cast<graph>(s.graphs.add(std::make_unique<emulation::graph_object>())); });
}
result cuGraphDestroy(graph g) {
    return call("cuGraphDestroy", [=](state& s) { s.graphs.remove(g); });
}
// Nodes run in the order in which they were added, which no dependency may contradict.
result cuGraphAddKernelNode(graph_node* node, graph g, const graph_node* dependencies, size_t count,
                            const kernel_node_parameters* parameters) {
    return call("cuGraphAddKernelNode", [=](state& s) {
        emulation::graph_object& to = s.graphs.get(g);
        for (size_t k = 0; k < count; ++k) {
            if (!to.nodes.contains(number_of(dependencies[k]))) {
                throw failure(emulation::invalid_value, "a dependency that is no node of the graph");
            }
        }
        to.nodes.emplace(s.next_node, checked(s, *parameters));
        *node = reinterpret_cast<graph_node>(s.next_node++);
    });
}
result cuGraphInstantiateWithFlags(graph_executable* e, graph g, unsigned long long) {
    return call("cuGraphInstantiateWithFlags", [=](state& s) {
        *e = reinterpret_cast<graph_executable>(s.executables.add(std::make_unique<emulation::graph_object>(s.graphs.get(g))));
    });
}
result cuGraphExecKernelNodeSetParams(graph_executable e, graph_node node, const kernel_node_parameters* parameters) {
    return call("cuGraphExecKernelNodeSetParams", [=](state& s) {
        auto& nodes = s.executables.get(e).nodes;
        const auto found = nodes.find(number_of(node));
        if (found == nodes.end()) {
            throw failure(emulation::invalid_value, "a node that the graph does not have");
        }
        found->second = checked(s, *parameters);
    });
}
result cuGraphLaunch(graph_executable e, stream st) {
    return call("cuGraphLaunch", [=](state& s) {
        s.streams.get(st);
        for (const auto& [number, launch] : s.executables.get(e).nodes) {
            s.enqueue(launch);
        }
    });
}
result cuGraphExecDestroy(graph_executable e) {
    return call("cuGraphExecDestroy", [=](state& s) { s.executables.remove(e); });
}
