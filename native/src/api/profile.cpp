#include "profile.h"

#include <mutex>
#include <vector>

#include "api/call.h"

namespace nq::profile {

namespace {

struct record_list {
    std::mutex mutex;
    std::vector<function_record*> records;
};

// Never destroyed: a call may end late.
record_list& all() {
    static record_list* list = new record_list;
    return *list;
}

uint64_t nanoseconds(clock::duration d) noexcept {
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(d).count());
}

}  // namespace

function_record::function_record(const char* function) : name(function) {
    const std::lock_guard lock(all().mutex);
    all().records.push_back(this);
}

void function_record::add(clock::duration duration, const thread_times& before, const thread_times& after) noexcept {
    calls.fetch_add(1, std::memory_order_relaxed);
    total.fetch_add(nanoseconds(duration), std::memory_order_relaxed);
    kernel.fetch_add(nanoseconds(after.kernel - before.kernel), std::memory_order_relaxed);
    wait.fetch_add(nanoseconds(after.wait - before.wait), std::memory_order_relaxed);
    workers.fetch_add(nanoseconds(after.workers - before.workers), std::memory_order_relaxed);
}

void function_record::clear() noexcept {
    for (std::atomic<uint64_t>* sum : {&calls, &total, &kernel, &wait, &workers}) sum->store(0, std::memory_order_relaxed);
}

}  // namespace nq::profile

using namespace nq;
using namespace nq::api;

nq_status nq_profile_start(void) noexcept {
    return guarded([] {
        const std::lock_guard lock(profile::all().mutex);
        for (profile::function_record* record : profile::all().records) record->clear();
        profile::enabled.store(true, std::memory_order_relaxed);
    });
}

nq_status nq_profile_stop(void) noexcept {
    return guarded([] { profile::enabled.store(false, std::memory_order_relaxed); });
}

uint32_t nq_profile_function_count(void) noexcept {
    const std::lock_guard lock(profile::all().mutex);
    return static_cast<uint32_t>(profile::all().records.size());
}

nq_status nq_profile_get(uint32_t index, nq_function_profile* result) noexcept {
    return guarded([&] {
        require_pointer(result, "profile");
        const std::lock_guard lock(profile::all().mutex);
        const size_t count = profile::all().records.size();
        if (index >= count) throw error(NQ_STATUS_INVALID_ARGUMENT, "index is %u, expected below %zu", index, count);
        const profile::function_record& record = *profile::all().records[index];
        *result = {record.name, record.calls, record.total, record.kernel, record.wait, record.workers};
    });
}
