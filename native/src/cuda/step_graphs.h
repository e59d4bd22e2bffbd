// Launches of a step, put off and run as one CUDA graph. A launch costs the host a few microseconds, a decode step has hundreds, and they
// come again with other parameters: from the third time on a sequence of the same kernels is one call to the driver, after one for every
// launch whose parameters have changed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

#include "cuda/driver/driver.h"
#include "cuda/launch_shape.h"

namespace nq::cuda {

class device_context;

class step_graphs {
public:
    step_graphs(device_context& device, driver::stream stream) : device_(device), stream_(stream) {}

    // Steps belong to the thread that begins them. One at a time: to begin a second has no effect, nor has ending what was not begun.
    void begin();
    void end();
    // Whether a launch was put off. If it was not, what had been put off before is on the stream now, and the caller launches.
    bool put_off(driver::function f, const launch_shape& shape, const void* parameters, size_t bytes);
    // Enqueues what was put off.
    void flush();
    // For destructors: one by one, and whatever goes wrong.
    void flush_unchecked() noexcept;

private:
    struct launch {
        driver::function function;
        launch_shape shape;
        size_t first_byte;  // of its parameters, in the sequence's
        size_t bytes;

        bool operator==(const launch&) const = default;
    };

    struct sequence {
        std::vector<launch> launches;
        std::vector<std::byte> parameters;

        void clear() noexcept;
        void add(driver::function f, const launch_shape& shape, const void* from, size_t bytes);
        void* parameters_of(const launch& l) { return parameters.data() + l.first_byte; }
        // The same kernels in the same order.
        bool same_kernels(const sequence& other) const noexcept;
    };

    // A sequence seen before, as it was last, and its graph once it has come twice.
    struct known_sequence {
        sequence last;
        bool refused = false;  // the driver makes no graph of it
        driver::owned_graph graph;
        driver::owned_graph_executable executable;
        std::vector<driver::graph_node> nodes;
    };

    void run();
    driver::result launch_each(sequence& s) noexcept;
    bool run_as_graph(sequence& s);
    bool instantiate(known_sequence& known, sequence& s);
    bool update(known_sequence& known, sequence& s);

    device_context& device_;
    driver::stream stream_;
    std::mutex mutex_;
    std::atomic<bool> open_{false};
    std::thread::id thread_;
    sequence put_off_;
    std::list<known_sequence> known_;  // last used first
};

}  // namespace nq::cuda
