// The state of an emulated driver: its objects, its memory, what is enqueued, what has gone wrong.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine.h"
#include "settings.h"

namespace emulation {

// Objects that the library holds by handle.
template <class T>
class handle_table {
public:
    T* add(std::unique_ptr<T> object) {
        T* const handle = object.get();
        objects_.emplace(handle, std::move(object));
        return handle;
    }
    // Throws failure unless it is one of these.
    T& get(const void* handle) const {
        const auto found = objects_.find(handle);
        if (found == objects_.end()) {
            throw failure(invalid_handle, "a handle that this driver did not give, or that is destroyed");
        }
        return *found->second;
    }
    void remove(const void* handle) {
        get(handle);
        objects_.erase(handle);
    }
    size_t size() const noexcept { return objects_.size(); }

private:
    std::map<const void*, std::unique_ptr<T>> objects_;
};

struct kernel_handle {
    const kernel* code;
    size_t most_dynamic_shared_bytes;  // without asking for more
};

struct module_object {
    std::unique_ptr<loaded_module> code;
    std::map<std::string, kernel_handle*> functions;
};

struct kernel_launch {
    const kernel* code;
    extent grid;
    extent block;
    size_t dynamic_shared_bytes;
    std::vector<std::byte> parameters;
};

struct graph_object {
    std::map<size_t, kernel_launch> nodes;  // by number, which is also their order
};

struct stream_object {};

struct event_object {
    uint64_t recorded = 0;  // the work enqueued before it
};

class state {
public:
    // The one of this process; made on first use, never destroyed, because other libraries use it while they end.
    static state& get();

    // A call of the API: whatever it throws becomes its result. Failures asked for by tests and the loss of the device come first.
    template <class F>
    result call(const char* function, bool needs_context, F&& body) {
        const std::lock_guard lock(mutex_);
        try {
            enter(function, needs_context);
            body();
            return nq::cuda::driver::success;
        } catch (const failure& e) {
            return report(function, e);
        } catch (const std::exception& e) {
            return report(function, failure(launch_failed, e.what()));
        }
    }

    void initialize();
    bool initialized() const noexcept { return device != nullptr; }
    unsigned compute_capability() const;
    size_t most_shared_bytes() const;

    // Does work now or when it is waited for.
    void enqueue(std::function<void()> work);
    void enqueue(kernel_launch launch);
    uint64_t enqueued() const noexcept { return done_ + queue_.size(); }
    // Does what was enqueued before, then throws what went wrong so far.
    void wait(uint64_t until);
    void wait() { wait(enqueued()); }

    // 0 bytes have no address. Throws failure, out_of_memory beyond the device's memory.
    uint64_t allocate(size_t bytes);
    void release(uint64_t address);
    // Throws failure unless all of it lies in one allocation.
    std::byte* device_range(uint64_t address, size_t bytes) const;
    bool is_pinned(const void* address, size_t bytes) const noexcept;

    void fail_later(const char* function, unsigned after, result code);
    long long count(const std::string& what) const;

    settings environment;
    memory memory_of_device;
    std::unique_ptr<engine> device;
    handle_table<module_object> modules;
    handle_table<kernel_handle> functions;
    handle_table<stream_object> streams;
    handle_table<event_object> events;
    handle_table<graph_object> graphs;
    handle_table<graph_object> executables;
    std::map<const void*, std::unique_ptr<std::vector<std::byte>>> pinned;
    size_t next_node = 1;

private:
    struct planned_failure {
        unsigned after;
        result code;
    };

    void enter(const char* function, bool needs_context);
    result report(const char* function, const failure& e);
    void run(const kernel_launch& launch);
    void advance(uint64_t until);

    mutable std::mutex mutex_;
    std::deque<std::function<void()>> queue_;
    uint64_t done_ = 0;
    size_t allocations_ = 0;
    long long launches_ = 0;
    result fault_ = nq::cuda::driver::success;  // happened, not yet reported
    result lost_ = nq::cuda::driver::success;   // reported: every call fails
    std::map<std::string, planned_failure> planned_;
};

// Whether a result leaves a context unusable.
bool is_sticky(result r);

// The context of the calling thread.
extern thread_local bool has_context;

}  // namespace emulation
