// The CUDA driver API, opened at run time: the only thing of NVIDIA's that this library needs, and it comes with the display driver. Types
// and constants are declared here by their documented values; names follow the driver's. Source: CUDA Driver API reference.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace nq::cuda::driver {

using result = int;
inline constexpr result success = 0, out_of_memory = 2, no_device = 100, invalid_device = 101, not_found = 500, not_ready = 600;

using device = int;
using device_pointer = uint64_t;
using context = struct context_handle*;
using module = struct module_handle*;
using function = struct function_handle*;
using stream = struct stream_handle*;
using event = struct event_handle*;
using graph = struct graph_handle*;
using graph_node = struct graph_node_handle*;
using graph_executable = struct graph_executable_handle*;

enum class device_attribute : int {
    multiprocessors = 16,
    memory_bus_bits = 37,
    compute_capability_major = 75,
    compute_capability_minor = 76,
    shared_memory_per_block_optin = 97,
};
enum class function_attribute : int { max_dynamic_shared_size_bytes = 8 };
inline constexpr unsigned stream_non_blocking = 1, event_disable_timing = 2;

struct kernel_node_parameters {
    function kernel;
    unsigned grid_x, grid_y, grid_z;
    unsigned block_x, block_y, block_z;
    unsigned shared_bytes;
    void** parameters;
    void** extra;
};

// name, symbol in the driver, parameters
#define NQ_DRIVER_FUNCTIONS(F)                                                                                                          \
    F(init, cuInit, (unsigned flags))                                                                                                   \
    F(get_version, cuDriverGetVersion, (int* version))                                                                                  \
    F(get_error_name, cuGetErrorName, (result error, const char** name))                                                                \
    F(get_error_string, cuGetErrorString, (result error, const char** text))                                                            \
    F(get_device_count, cuDeviceGetCount, (int* count))                                                                                 \
    F(get_device, cuDeviceGet, (device * d, int ordinal))                                                                               \
    F(get_device_name, cuDeviceGetName, (char* name, int length, device d))                                                             \
    F(get_device_attribute, cuDeviceGetAttribute, (int* value, device_attribute attribute, device d))                                   \
    F(get_device_memory, cuDeviceTotalMem_v2, (size_t * bytes, device d))                                                               \
    F(retain_primary_context, cuDevicePrimaryCtxRetain, (context * c, device d))                                                        \
    F(release_primary_context, cuDevicePrimaryCtxRelease_v2, (device d))                                                                \
    F(set_current_context, cuCtxSetCurrent, (context c))                                                                                \
    F(load_module, cuModuleLoadData, (module * m, const void* image))                                                                   \
    F(unload_module, cuModuleUnload, (module m))                                                                                        \
    F(get_function, cuModuleGetFunction, (function * f, module m, const char* name))                                                    \
    F(set_function_attribute, cuFuncSetAttribute, (function f, function_attribute attribute, int value))                                \
    F(launch_kernel, cuLaunchKernel,                                                                                                    \
      (function f, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,             \
       unsigned shared_bytes, stream s, void** parameters, void** extra))                                                               \
    F(get_memory_info, cuMemGetInfo_v2, (size_t * free, size_t * total))                                                                \
    F(allocate, cuMemAlloc_v2, (device_pointer * address, size_t bytes))                                                                \
    F(free, cuMemFree_v2, (device_pointer address))                                                                                     \
    F(allocate_host, cuMemHostAlloc, (void** address, size_t bytes, unsigned flags))                                                    \
    F(free_host, cuMemFreeHost, (void* address))                                                                                        \
    F(set_bytes, cuMemsetD8Async, (device_pointer address, unsigned char value, size_t count, stream s))                                \
    F(copy_to_device, cuMemcpyHtoDAsync_v2, (device_pointer to, const void* from, size_t bytes, stream s))                              \
    F(copy_to_host, cuMemcpyDtoHAsync_v2, (void* to, device_pointer from, size_t bytes, stream s))                                      \
    F(copy_on_device, cuMemcpyDtoDAsync_v2, (device_pointer to, device_pointer from, size_t bytes, stream s))                           \
    F(create_stream, cuStreamCreate, (stream * s, unsigned flags))                                                                      \
    F(destroy_stream, cuStreamDestroy_v2, (stream s))                                                                                   \
    F(synchronize_stream, cuStreamSynchronize, (stream s))                                                                              \
    F(create_event, cuEventCreate, (event * e, unsigned flags))                                                                         \
    F(destroy_event, cuEventDestroy_v2, (event e))                                                                                      \
    F(record_event, cuEventRecord, (event e, stream s))                                                                                 \
    F(synchronize_event, cuEventSynchronize, (event e))                                                                                 \
    F(create_graph, cuGraphCreate, (graph * g, unsigned flags))                                                                         \
    F(destroy_graph, cuGraphDestroy, (graph g))                                                                                         \
    F(add_kernel_node, cuGraphAddKernelNode,                                                                                            \
      (graph_node * node, graph g, const graph_node* dependencies, size_t count, const kernel_node_parameters* parameters))             \
    F(instantiate_graph, cuGraphInstantiateWithFlags, (graph_executable * e, graph g, unsigned long long flags))                        \
    F(set_kernel_node, cuGraphExecKernelNodeSetParams, (graph_executable e, graph_node node, const kernel_node_parameters* parameters)) \
    F(launch_graph, cuGraphLaunch, (graph_executable e, stream s))                                                                      \
    F(destroy_graph_executable, cuGraphExecDestroy, (graph_executable e))

struct functions {
#define NQ_DRIVER_FIELD(name, symbol, parameters) result(*name) parameters;
    NQ_DRIVER_FUNCTIONS(NQ_DRIVER_FIELD)
#undef NQ_DRIVER_FIELD
};

// The driver, opened and initialised on first use: NATIVEQUANT_CUDA_DRIVER if set, else libcuda.so.1. Raises DEVICE_NOT_AVAILABLE, naming
// what is missing, if there is none, it is too old, or it does not start.
const functions& get();

// The driver's name and description of an error. Valid once the driver is open.
const char* name_of(result r);
const char* description_of(result r);

// Whether an error leaves the context unusable: every later call on it fails alike.
bool is_sticky(result r);

// Raises if r is not success: what was being done, and the driver's name and description of the error. For calls on an open device see
// device_context::check, which also knows when a device is lost.
void check(result r, const char* doing);

// Owns what one function of the driver made and another destroys. The context must be current when it goes.
template <class Handle, auto destroy>
class owned {
public:
    owned() = default;
    explicit owned(Handle handle) noexcept : handle_(handle) {}
    owned(owned&& other) noexcept : handle_(std::exchange(other.handle_, Handle{})) {}
    owned& operator=(owned&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~owned() {
        if (handle_ != Handle{}) (driver::get().*destroy)(handle_);
    }

    Handle get() const noexcept { return handle_; }
    explicit operator bool() const noexcept { return handle_ != Handle{}; }

private:
    Handle handle_{};
};

using owned_stream = owned<stream, &functions::destroy_stream>;
using owned_event = owned<event, &functions::destroy_event>;
using owned_module = owned<module, &functions::unload_module>;
using owned_graph = owned<graph, &functions::destroy_graph>;
using owned_graph_executable = owned<graph_executable, &functions::destroy_graph_executable>;
using owned_device_memory = owned<device_pointer, &functions::free>;
using owned_host_memory = owned<void*, &functions::free_host>;

}  // namespace nq::cuda::driver
