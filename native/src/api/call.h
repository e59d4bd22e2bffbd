// What surrounds the body of every exported function: nothing it throws leaves the library.
#pragma once

#include "error.h"
#include "nativequant/nativequant.h"

namespace nq::api {

// Status of the exception being handled; its message becomes the thread's last error.
nq_status report_exception() noexcept;

template <class Body>
nq_status guarded(const Body& body) noexcept {
    try {
        body();
        return NQ_STATUS_OK;
    } catch (...) {
        return report_exception();
    }
}

// INVALID_ARGUMENT for a null pointer.
inline void require_pointer(const void* pointer, const char* what) {
    if (pointer == nullptr) throw error(NQ_STATUS_INVALID_ARGUMENT, "%s is null, expected a pointer", what);
}

}  // namespace nq::api
