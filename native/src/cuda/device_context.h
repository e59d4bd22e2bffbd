// One CUDA device: its context, the stream that everything is ordered on, and its kernels.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <type_traits>

#include "cuda/driver/driver.h"
#include "cuda/kernel.h"
#include "cuda/step_graphs.h"

namespace nq::cuda {

class device_context {
public:
    explicit device_context(uint32_t index);
    ~device_context();
    device_context(const device_context&) = delete;
    device_context& operator=(const device_context&) = delete;

    const driver::functions& api() const noexcept { return api_; }
    // 80 for compute capability 8.0.
    int compute_capability() const noexcept { return compute_capability_; }
    unsigned multiprocessors() const noexcept { return multiprocessors_; }
    // The most that a block may ask for, in bytes.
    unsigned shared_memory_per_block() const noexcept { return shared_memory_per_block_; }
    // High-bandwidth memory in stacks, by the width of its bus: then the memory brings weights faster than they are easily decoded.
    bool stacked_memory() const noexcept { return stacked_memory_; }
    const char* name() const noexcept { return name_; }

    // The calling thread's driver calls go to this device from now on. DEVICE_LOST if it is.
    void make_current();
    // The stream, for whatever is not a launch. Launches put off go to it first, so the order stays that of the calls.
    driver::stream stream();
    // Raises if r is not success. An error that leaves the context unusable marks the device lost.
    void check(driver::result r, const char* doing);

    // Enqueues a kernel; within a step it may be put off.
    template <class Parameters>
    void launch(const kernel<Parameters>& k, const launch_shape& shape, const Parameters& parameters) {
        static_assert(std::is_trivially_copyable_v<Parameters> && sizeof(Parameters) <= 4096);
        launch(k.image, k.symbol, shape, &parameters, sizeof parameters);
    }
    // Blocks of `threads` for a grid-stride loop over `count`: enough to fill the device, no more than there is work for.
    launch_shape covering(size_t count, unsigned threads) const noexcept;
    // Waits for everything enqueued.
    void synchronize();
    // As synchronize, for destructors: whatever goes wrong, what they free is not used any more.
    void finish() noexcept;

    // The calling thread's launches in between are put off and run as one graph, once they have come before.
    void step_begin();
    void step_end();

private:
    struct loaded_kernel {
        driver::function function = nullptr;
        unsigned dynamic_shared_bytes = 0;  // asked for so far: without asking there are 48 KiB, static arrays included
    };

    // Keeps the context as long as the object lives.
    class primary_context {
    public:
        explicit primary_context(driver::device d);
        ~primary_context();
        primary_context(const primary_context&) = delete;
        primary_context& operator=(const primary_context&) = delete;
        driver::context get() const noexcept { return context_; }

    private:
        driver::device device_;
        driver::context context_ = nullptr;
    };

    void launch(const char* image, const char* symbol, const launch_shape& shape, const void* parameters, size_t parameter_bytes);
    driver::function find(const char* image, const char* symbol, unsigned dynamic_shared_bytes);
    driver::owned_module load(const char* image);
    driver::owned_stream create_stream();
    [[noreturn]] void fail_lost();

    const driver::functions& api_;
    uint32_t index_;
    int compute_capability_ = 0;
    unsigned multiprocessors_ = 0;
    unsigned shared_memory_per_block_ = 0;
    bool stacked_memory_ = false;
    const char* name_ = "";

    std::atomic<bool> lost_{false};
    std::mutex loss_mutex_;
    char loss_[256] = "";  // what was being done, and the error

    primary_context context_;
    driver::owned_stream stream_;
    std::mutex kernels_mutex_;
    std::map<std::string, driver::owned_module> modules_;  // by image
    std::map<const char*, loaded_kernel> kernels_;         // by address of the symbol's name
    step_graphs steps_;
};

}  // namespace nq::cuda
