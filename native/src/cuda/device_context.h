// One CUDA device: its context, the stream that everything is ordered on, its kernels, its memory.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>

#include "cuda/driver/driver.h"
#include "cuda/kernel.h"

namespace nq::cuda {

struct launch_shape {
    unsigned grid_x = 1, grid_y = 1, grid_z = 1;
    unsigned threads = 1;
    unsigned dynamic_shared_bytes = 0;
};

class device_context {
public:
    explicit device_context(uint32_t index);
    ~device_context();
    device_context(const device_context&) = delete;
    device_context& operator=(const device_context&) = delete;

    const driver::functions& api() const noexcept { return api_; }
    driver::stream stream() const noexcept { return stream_; }
    // 80 for compute capability 8.0.
    int compute_capability() const noexcept { return compute_capability_; }
    unsigned multiprocessors() const noexcept { return multiprocessors_; }
    // High-bandwidth memory in stacks, by the width of its bus: then the memory brings weights faster than they are easily decoded.
    bool stacked_memory() const noexcept { return stacked_memory_; }
    const char* name() const noexcept { return name_; }

    // The calling thread's driver calls go to this device from now on.
    void make_current() const;
    // Enqueues a kernel.
    template <class Parameters>
    void launch(const kernel<Parameters>& k, const launch_shape& shape, const Parameters& parameters) {
        static_assert(std::is_trivially_copyable_v<Parameters> && sizeof(Parameters) <= 4096);
        launch(k.image, k.symbol, shape, &parameters);
    }
    // Waits for everything enqueued.
    void synchronize();

private:
    void launch(const char* image, const char* symbol, const launch_shape& shape, const void* parameters);
    driver::function find(const char* image, const char* symbol, unsigned dynamic_shared_bytes);

    const driver::functions& api_;
    driver::device device_ = 0;
    driver::context context_ = nullptr;
    driver::stream stream_ = nullptr;
    int compute_capability_ = 0;
    unsigned multiprocessors_ = 0;
    bool stacked_memory_ = false;
    const char* name_ = "";

    std::mutex mutex_;
    std::map<std::string, driver::module> modules_;      // by image
    std::map<const char*, driver::function> functions_;  // by address of the symbol's name
};

}  // namespace nq::cuda
