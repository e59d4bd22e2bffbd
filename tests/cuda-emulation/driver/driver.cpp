// A CUDA driver whose device is the SIMT emulation: exports what cuda/driver/driver.h loads. Everything runs at once, in the order of the
// calls.
#include "cuda/driver/driver.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "engine.h"
#include "observer.h"

using namespace nq::cuda::driver;

namespace {

constexpr result invalid_value = 1, launch_failed = 719;

struct captured_node {
    function kernel;
    dim3 grid, block;
    unsigned shared_bytes;
    std::vector<char> parameters;
};
using captured_graph = std::vector<captured_node>;

const simt::kernel_registration& kernel_of(function f) { return *reinterpret_cast<const simt::kernel_registration*>(f); }

captured_node capture(const kernel_node_parameters& p) {
    const auto* bytes = static_cast<const char*>(p.parameters[0]);
    return {p.kernel,
            {p.grid_x, p.grid_y, p.grid_z},
            {p.block_x, p.block_y, p.block_z},
            p.shared_bytes,
            {bytes, bytes + kernel_of(p.kernel).parameter_bytes}};
}

bool failed = false;  // a launch has: nothing works any more

result run(const simt::kernel_registration& kernel, dim3 grid, dim3 block, size_t shared_bytes, const void* parameters) {
    static std::mutex one_at_a_time;
    const std::lock_guard lock(one_at_a_time);
    if (failed) return launch_failed;
    try {
        simt::launch(kernel, grid, block, shared_bytes, parameters);
        return success;
    } catch (const simt::fault& e) {
        std::fprintf(stderr, "emulated CUDA device: %s\n", e.what());
        failed = true;
        return launch_failed;
    }
}

}  // namespace

#define NQ_DRIVER_DECLARE(name, symbol, parameters) extern "C" __attribute__((visibility("default"))) result symbol parameters;
NQ_DRIVER_FUNCTIONS(NQ_DRIVER_DECLARE)

result cuInit(unsigned) {
    simt::current_settings = simt::settings_of_environment();
    return success;
}
result cuDriverGetVersion(int* version) {
    *version = 12040;
    return success;
}
result cuGetErrorName(result, const char** name) {
    *name = "CUDA_ERROR_EMULATED";
    return success;
}
result cuGetErrorString(result, const char** text) {
    *text = "reported by the emulation";
    return success;
}
result cuDeviceGetCount(int* count) {
    *count = 1;
    return success;
}
result cuDeviceGet(device* d, int ordinal) {
    *d = ordinal;
    return ordinal == 0 ? success : invalid_device;
}
result cuDeviceGetName(char* name, int length, device) {
    std::snprintf(name, static_cast<size_t>(length), "SIMT emulation");
    return success;
}
result cuDeviceGetAttribute(int* value, device_attribute attribute, device) {
    switch (attribute) {
        case device_attribute::multiprocessors:
            *value = 4;
            return success;
        case device_attribute::memory_bus_bits:
            *value = simt::architecture() >= 800 ? 5120 : 256;
            return success;
        case device_attribute::compute_capability_major:
            *value = static_cast<int>(simt::architecture() / 100);
            return success;
        case device_attribute::compute_capability_minor:
            *value = static_cast<int>(simt::architecture() / 10 % 10);
            return success;
        case device_attribute::shared_memory_per_block_optin:
            *value = static_cast<int>(simt::shared_memory_limit());
            return success;
    }
    return invalid_value;
}
result cuDeviceTotalMem_v2(size_t* bytes, device) {
    *bytes = size_t{4} << 30;
    return success;
}
result cuDevicePrimaryCtxRetain(context* c, device) {
    static int place;
    *c = reinterpret_cast<context>(&place);
    return success;
}
result cuDevicePrimaryCtxRelease_v2(device) { return success; }
result cuCtxSetCurrent(context) { return success; }
result cuModuleLoadData(module* m, const void* image) {
    *m = reinterpret_cast<module>(const_cast<void*>(image));
    return success;
}
result cuModuleUnload(module) { return success; }
result cuModuleGetFunction(function* f, module, const char* name) {
    *f = reinterpret_cast<function>(const_cast<simt::kernel_registration*>(simt::find_kernel(name)));
    return *f != nullptr ? success : not_found;
}
result cuFuncSetAttribute(function, function_attribute, int) { return success; }
result cuLaunchKernel(function f, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
                      unsigned shared_bytes, stream, void** parameters, void**) {
    return run(kernel_of(f), {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes, parameters[0]);
}
result cuMemGetInfo_v2(size_t* free, size_t* total) {
    *free = *total = size_t{4} << 30;
    return success;
}
result cuMemAlloc_v2(device_pointer* address, size_t bytes) {
    if (failed) return launch_failed;
    void* memory = std::aligned_alloc(512, bytes / 512 * 512 + 1024);
    if (memory == nullptr) return out_of_memory;
    std::memset(memory, 0xff, bytes);
    if (simt::current_observer != nullptr) simt::current_observer->allocated(memory, bytes);
    *address = reinterpret_cast<device_pointer>(memory);
    return success;
}
result cuMemFree_v2(device_pointer address) {
    if (simt::current_observer != nullptr) simt::current_observer->released(reinterpret_cast<void*>(address));
    std::free(reinterpret_cast<void*>(address));
    return success;
}
result cuMemHostAlloc(void** address, size_t bytes, unsigned) {
    *address = std::malloc(bytes);
    return *address != nullptr ? success : out_of_memory;
}
result cuMemFreeHost(void* address) {
    std::free(address);
    return success;
}
result cuMemsetD8Async(device_pointer address, unsigned char value, size_t count, stream) {
    if (failed) return launch_failed;
    std::memset(reinterpret_cast<void*>(address), value, count);
    if (simt::current_observer != nullptr) simt::current_observer->host_wrote(reinterpret_cast<void*>(address), count);
    return success;
}
result cuMemcpyHtoDAsync_v2(device_pointer to, const void* from, size_t bytes, stream) {
    if (failed) return launch_failed;
    std::memcpy(reinterpret_cast<void*>(to), from, bytes);
    if (simt::current_observer != nullptr) simt::current_observer->host_wrote(reinterpret_cast<void*>(to), bytes);
    return success;
}
result cuMemcpyDtoHAsync_v2(void* to, device_pointer from, size_t bytes, stream) {
    if (failed) return launch_failed;
    std::memcpy(to, reinterpret_cast<const void*>(from), bytes);
    return success;
}
result cuMemcpyDtoDAsync_v2(device_pointer to, device_pointer from, size_t bytes, stream) {
    if (failed) return launch_failed;
    std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
    if (simt::current_observer != nullptr)
        simt::current_observer->copied(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
    return success;
}
result cuStreamCreate(stream* s, unsigned) {
    static int place;
    *s = reinterpret_cast<stream>(&place);
    return success;
}
result cuStreamDestroy_v2(stream) { return success; }
result cuStreamSynchronize(stream) { return failed ? launch_failed : success; }
result cuEventCreate(event* e, unsigned) {
    static int place;
    *e = reinterpret_cast<event>(&place);
    return success;
}
result cuEventDestroy_v2(event) { return success; }
result cuEventRecord(event, stream) { return success; }
result cuEventSynchronize(event) { return success; }
result cuGraphCreate(graph* g, unsigned) {
    *g = reinterpret_cast<graph>(new captured_graph);
    return success;
}
result cuGraphDestroy(graph g) {
    delete reinterpret_cast<captured_graph*>(g);
    return success;
}
result cuGraphAddKernelNode(graph_node* node, graph g, const graph_node*, size_t, const kernel_node_parameters* parameters) {
    auto& nodes = *reinterpret_cast<captured_graph*>(g);
    nodes.push_back(capture(*parameters));
    *node = reinterpret_cast<graph_node>(nodes.size());
    return success;
}
result cuGraphInstantiateWithFlags(graph_executable* e, graph g, unsigned long long) {
    *e = reinterpret_cast<graph_executable>(new captured_graph(*reinterpret_cast<captured_graph*>(g)));
    return success;
}
result cuGraphExecKernelNodeSetParams(graph_executable e, graph_node node, const kernel_node_parameters* parameters) {
    reinterpret_cast<captured_graph*>(e)->at(reinterpret_cast<size_t>(node) - 1) = capture(*parameters);
    return success;
}
result cuGraphLaunch(graph_executable e, stream) {
    for (const captured_node& n : *reinterpret_cast<captured_graph*>(e)) {
        if (const result r = run(kernel_of(n.kernel), n.grid, n.block, n.shared_bytes, n.parameters.data()); r != success) return r;
    }
    return success;
}
result cuGraphExecDestroy(graph_executable e) {
    delete reinterpret_cast<captured_graph*>(e);
    return success;
}
