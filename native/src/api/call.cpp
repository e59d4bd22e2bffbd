#include "api/call.h"

#include <cstdio>
#include <new>

namespace nq::api {

namespace {

// A plain array: it needs no memory when memory is what lacks, and no destructor when a thread ends.
thread_local char last_error[640] = "";

void remember(const char* message) noexcept { std::snprintf(last_error, sizeof last_error, "%s", message); }

}  // namespace

nq_status report_exception() noexcept {
    try {
        throw;
    } catch (const error& e) {
        remember(e.what());
        return e.status();
    } catch (const std::bad_alloc&) {
        remember("out of memory: the library could not allocate memory for its own bookkeeping");
        return NQ_STATUS_OUT_OF_MEMORY;
    } catch (const std::exception& e) {
        remember(e.what());
        return NQ_STATUS_INTERNAL;
    } catch (...) {
        remember("an unknown exception was caught");
        return NQ_STATUS_INTERNAL;
    }
}

}  // namespace nq::api

const char* nq_last_error_message(void) noexcept { return nq::api::last_error; }
