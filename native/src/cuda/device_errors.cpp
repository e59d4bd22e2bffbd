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
    void* pinned = nullptr;
    driver::check(api.allocate_host(&pinned, sizeof(index_error), 0), "allocating pinned memory");
    seen_ = static_cast<index_error*>(pinned);
    driver::check(api.allocate(&noted_, sizeof(index_error)), "allocating device memory");
    driver::check(api.set_bytes(noted_, 0, sizeof(index_error), device_->stream()), "clearing device memory");
}

device_errors::~device_errors() {
    const driver::functions& api = device_->api();
    api.synchronize_stream(device_->stream());
    api.free(noted_);
    api.free_host(seen_);
}

index_error* device_errors::record() noexcept {
    handed_out_.store(true);
    return reinterpret_cast<index_error*>(noted_);
}

void device_errors::synchronize() {
    if (!handed_out_.exchange(false)) return device_->synchronize();
    const std::lock_guard lock(mutex_);
    const driver::functions& api = device_->api();
    device_->make_current();
    driver::check(api.copy_to_host(seen_, noted_, sizeof(index_error), device_->stream()), "copying from the device");
    device_->synchronize();
    if (seen_->kind == index_kind::none) return;
    const index_error error = *seen_;
    driver::check(api.set_bytes(noted_, 0, sizeof(index_error), device_->stream()), "clearing device memory");
    fail(NQ_STATUS_INVALID_DATA, "%s %" PRIu64 " is %" PRIu32 ", expected below %" PRIu64, name_of(error.kind), error.index, error.value,
         error.limit);
}

}  // namespace nq::cuda
