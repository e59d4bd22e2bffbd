#include "cuda/device_context.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "cuda/devices.h"
#include "cuda/fail.h"
#include "cuda/images.h"

namespace nq::cuda {

namespace {

constexpr int least_compute_capability = 75;

driver::device usable_device(uint32_t index) {
    const nq_cuda_device d = describe(index);
    if (10 * d.compute_capability_major + d.compute_capability_minor < least_compute_capability) {
        fail(NQ_STATUS_DEVICE_NOT_AVAILABLE, "%s has compute capability %u.%u, expected at least 7.5", d.name, d.compute_capability_major,
             d.compute_capability_minor);
    }
    return find_device(index);
}

}  // namespace

device_context::primary_context::primary_context(driver::device d) : device_(d) {
    driver::check(driver::get().retain_primary_context(&context_, d), "making a CUDA context");
}

device_context::primary_context::~primary_context() { driver::get().release_primary_context(device_); }

device_context::device_context(uint32_t index)
    : api_(driver::get()), index_(index), context_(usable_device(index)), stream_(create_stream()), steps_(*this, stream_.get()) {
    const nq_cuda_device description = describe(index);
    name_ = description.name;
    compute_capability_ = static_cast<int>(10 * description.compute_capability_major + description.compute_capability_minor);
    multiprocessors_ = description.multiprocessors;
    int bus_bits = 0, shared_bytes = 0;
    check(api_.get_device_attribute(&bus_bits, driver::device_attribute::memory_bus_bits, find_device(index)),
          "reading a device attribute");
    stacked_memory_ = bus_bits >= 1024;
    check(api_.get_device_attribute(&shared_bytes, driver::device_attribute::shared_memory_per_block_optin, find_device(index)),
          "reading a device attribute");
    shared_memory_per_block_ = static_cast<unsigned>(shared_bytes);
}

device_context::~device_context() { finish(); }

driver::owned_stream device_context::create_stream() {
    make_current();
    driver::stream s = nullptr;
    check(api_.create_stream(&s, driver::stream_non_blocking), "making a CUDA stream");
    return driver::owned_stream(s);
}

void device_context::make_current() {
    if (lost_.load(std::memory_order_acquire)) fail_lost();
    check(api_.set_current_context(context_.get()), "selecting a CUDA device");
}

driver::stream device_context::stream() {
    steps_.flush();
    return stream_.get();
}

void device_context::check(driver::result r, const char* doing) {
    if (r == driver::success) return;
    if (!driver::is_sticky(r)) driver::check(r, doing);
    {
        const std::lock_guard lock(loss_mutex_);
        if (!lost_.load(std::memory_order_relaxed)) {
            std::snprintf(loss_, sizeof loss_, "%s: CUDA error %d, %s (%s)", doing, r, driver::name_of(r), driver::description_of(r));
            lost_.store(true, std::memory_order_release);
        }
    }
    fail_lost();
}

void device_context::fail_lost() {
    fail(NQ_STATUS_DEVICE_LOST, "device 'cuda:%u' (%s) is lost: %s. Only a new process can use it again", index_, name_, loss_);
}

launch_shape device_context::covering(size_t count, unsigned threads) const noexcept {
    constexpr unsigned blocks_per_multiprocessor = 8;
    const size_t blocks = (count + threads - 1) / threads;
    return {.grid_x = static_cast<unsigned>(std::min<size_t>(blocks, multiprocessors_ * blocks_per_multiprocessor)), .threads = threads};
}

void device_context::synchronize() {
    make_current();
    check(api_.synchronize_stream(stream()), "waiting for a CUDA device");
}

void device_context::finish() noexcept {
    api_.set_current_context(context_.get());
    steps_.flush_unchecked();
    api_.synchronize_stream(stream_.get());
}

void device_context::launch(const char* image, const char* symbol, const launch_shape& shape, const void* parameters,
                            size_t parameter_bytes) {
    make_current();
    const driver::function f = find(image, symbol, shape.dynamic_shared_bytes);
    if (steps_.put_off(f, shape, parameters, parameter_bytes)) return;
    void* arguments[] = {const_cast<void*>(parameters)};
    check(api_.launch_kernel(f, shape.grid_x, shape.grid_y, shape.grid_z, shape.threads, 1, 1, shape.dynamic_shared_bytes, stream_.get(),
                             arguments, nullptr),
          symbol);
}

void device_context::step_begin() {
    make_current();
    steps_.begin();
}

void device_context::step_end() {
    make_current();
    steps_.end();
}

driver::function device_context::find(const char* image_name, const char* symbol, unsigned dynamic_shared_bytes) {
    const std::lock_guard lock(kernels_mutex_);
    loaded_kernel& k = kernels_[symbol];
    if (k.function == nullptr) {
        driver::owned_module& m = modules_[image_name];
        if (!m) m = load(image_name);
        check(api_.get_function(&k.function, m.get(), symbol), symbol);
    }
    if (dynamic_shared_bytes > k.dynamic_shared_bytes) {
        check(api_.set_function_attribute(k.function, driver::function_attribute::max_dynamic_shared_size_bytes,
                                          static_cast<int>(dynamic_shared_bytes)),
              symbol);
        k.dynamic_shared_bytes = dynamic_shared_bytes;
    }
    return k.function;
}

driver::owned_module device_context::load(const char* image_name) {
    const image* best = nullptr;
    for (const image& i : images()) {
        if (std::strcmp(i.name, image_name) != 0 || i.architecture > compute_capability_) continue;
        if (best == nullptr || i.architecture > best->architecture) best = &i;
    }
    if (best == nullptr)
        fail(NQ_STATUS_INTERNAL, "this library has no kernels '%s' for compute capability %d", image_name, compute_capability_);
    driver::module m = nullptr;
    check(api_.load_module(&m, best->data), image_name);
    return driver::owned_module(m);
}

}  // namespace nq::cuda
