// What surrounds the body of every exported function: nothing it throws leaves the library.
#pragma once

#include <optional>

#include "error.h"
#include "nativequant/nativequant.h"
#include "profile.h"

namespace nq::api {

// Status of the exception being handled; its message becomes the thread's last error.
nq_status report_exception() noexcept;

// `function` is the exported function that calls this, for the profile.
template <class Body>
nq_status guarded(const Body& body, const char* function = __builtin_FUNCTION()) noexcept {
    try {
        std::optional<profile::call_time> timed;
        if (profile::enabled.load(std::memory_order_relaxed)) {
            static profile::function_record& record = *new profile::function_record(function);  // Body is this place of call alone
            timed.emplace(record);
        }
        body();
        return NQ_STATUS_OK;
    } catch (...) {
        return report_exception();
    }
}

// INVALID_ARGUMENT for a null pointer.
inline void require_pointer(const void* pointer, const char* what, const char* of = "") {
    if (pointer == nullptr) throw error(NQ_STATUS_INVALID_ARGUMENT, "%s%s is null, expected a pointer", of, what);
}

}  // namespace nq::api
