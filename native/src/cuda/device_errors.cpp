#include "cuda/device_errors.h"

#include <cinttypes>

#include "cuda/fail.h"

namespace nq::cuda {

namespace {

const char* name_of(index_kind kind) { return kind == index_kind::token_id ? "token id" : "position"; }

}  // namespace

device_errors::device_errors(std::shared_ptr<device_context> device) : device_(std::move(device)) {
    const driver::functions& api = device_->api();
    device_->make_current();
    void* seen = nullptr;
    device_->check(api.allocate_host(&seen, sizeof(index_error), 0), "allocating pinned memory");
    seen_ = driver::owned_host_memory(seen);
    driver::device_pointer noted = 0;
    device_->check(api.allocate(&noted, sizeof(index_error)), "allocating device memory");
    noted_ = driver::owned_device_memory(noted);
    device_->check(api.set_bytes(noted, 0, sizeof(index_error), device_->stream()), "clearing device memory");
}

device_errors::~device_errors() { device_->finish(); }

index_error* device_errors::record() noexcept {
    handed_out_.store(true);
    return reinterpret_cast<index_error*>(noted_.get());
}

void device_errors::enqueue_copy() {
    device_->make_current();
    device_->check(device_->api().copy_to_host(seen_.get(), noted_.get(), sizeof(index_error), device_->stream()),
                   "copying from the device");
}

void device_errors::raise_noted() {
    const index_error error = *static_cast<const index_error*>(seen_.get());
    if (error.kind == index_kind::none) return;
    device_->check(device_->api().set_bytes(noted_.get(), 0, sizeof(index_error), device_->stream()), "clearing device memory");
    fail(NQ_STATUS_INVALID_DATA, "%s %" PRIu64 " is %" PRIu32 ", expected below %" PRIu64, name_of(error.kind), error.index, error.value,
         error.limit);
}

}  // namespace nq::cuda
