#include "cuda/device_context.h"

#include <cstring>

#include "cuda/devices.h"
#include "cuda/fail.h"
#include "cuda/images.h"

namespace nq::cuda {

device_context::device_context(uint32_t index) : api_(driver::get()) {
    device_ = find_device(index);
    const nq_cuda_device description = describe(index);
    name_ = description.name;
    compute_capability_ = static_cast<int>(10 * description.compute_capability_major + description.compute_capability_minor);
    multiprocessors_ = description.multiprocessors;
    int bus_bits = 0;
    driver::check(api_.get_device_attribute(&bus_bits, driver::device_attribute::memory_bus_bits, device_), "reading a device attribute");
    stacked_memory_ = bus_bits >= 1024;
    if (compute_capability_ < 75) {
        fail(NQ_STATUS_DEVICE_NOT_AVAILABLE, "%s has compute capability %d.%d, expected at least 7.5", name_, compute_capability_ / 10,
             compute_capability_ % 10);
    }
    driver::check(api_.retain_primary_context(&context_, device_), "making a CUDA context");
    make_current();
    driver::check(api_.create_stream(&stream_, driver::stream_non_blocking), "making a CUDA stream");
}

device_context::~device_context() {
    api_.set_current_context(context_);
    if (stream_ != nullptr) {
        api_.synchronize_stream(stream_);
        api_.destroy_stream(stream_);
    }
    for (const auto& [name, module] : modules_) api_.unload_module(module);
    api_.release_primary_context(device_);
}

void device_context::make_current() const { driver::check(api_.set_current_context(context_), "selecting a CUDA device"); }

void device_context::synchronize() {
    make_current();
    driver::check(api_.synchronize_stream(stream_), "waiting for a CUDA device");
}

void device_context::launch(const char* image, const char* symbol, const launch_shape& shape, const void* parameters) {
    make_current();
    const driver::function f = find(image, symbol, shape.dynamic_shared_bytes);
    void* arguments[] = {const_cast<void*>(parameters)};
    driver::check(api_.launch_kernel(f, shape.grid_x, shape.grid_y, shape.grid_z, shape.threads, 1, 1, shape.dynamic_shared_bytes, stream_,
                                     arguments, nullptr),
                  symbol);
}

driver::function device_context::find(const char* image_name, const char* symbol, unsigned dynamic_shared_bytes) {
    constexpr unsigned static_limit = 48 << 10;  // beyond it a kernel has to ask
    const std::lock_guard lock(mutex_);
    driver::function& f = functions_[symbol];
    if (f == nullptr) {
        driver::module& m = modules_[image_name];
        if (m == nullptr) {
            const image* best = nullptr;
            for (const image& i : images()) {
                if (std::strcmp(i.name, image_name) != 0 || i.architecture > compute_capability_) continue;
                if (best == nullptr || i.architecture > best->architecture) best = &i;
            }
            if (best == nullptr)
                fail(NQ_STATUS_INTERNAL, "this library has no kernels '%s' for compute capability %d", image_name, compute_capability_);
            driver::check(api_.load_module(&m, best->data), image_name);
        }
        driver::check(api_.get_function(&f, m, symbol), symbol);
    }
    if (dynamic_shared_bytes > static_limit) {
        driver::check(api_.set_function_attribute(f, driver::function_attribute::max_dynamic_shared_size_bytes,
                                                  static_cast<int>(dynamic_shared_bytes)),
                      symbol);
    }
    return f;
}

}  // namespace nq::cuda
