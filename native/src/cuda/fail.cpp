#include "cuda/fail.h"

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace nq::cuda {

raise_function raise = nullptr;

void fail(nq_status status, const char* format, ...) {
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    raise(status, message);
    std::abort();  // raise does not return
}

void fail_not_finite(size_t index, float value) {
    fail(NQ_STATUS_INVALID_DATA, "value at flat index %zu is %s, expected a finite number", index,
         std::isnan(value) ? "NaN"
         : value > 0       ? "infinity"
                           : "-infinity");
}

}  // namespace nq::cuda

// The standard ones throw.
void* operator new(std::size_t bytes) {
    void* address = std::malloc(bytes != 0 ? bytes : 1);
    if (address == nullptr) nq::cuda::fail(NQ_STATUS_OUT_OF_MEMORY, "%zu bytes of host memory could not be had", bytes);
    return address;
}
void operator delete(void* address) noexcept { std::free(address); }
void operator delete(void* address, std::size_t) noexcept { std::free(address); }
