#include "cuda/fail.h"

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

}  // namespace nq::cuda

// The standard ones throw.
void* operator new(std::size_t bytes) {
    void* address = std::malloc(bytes != 0 ? bytes : 1);
    if (address == nullptr) nq::cuda::fail(NQ_STATUS_OUT_OF_MEMORY, "%zu bytes of host memory could not be had", bytes);
    return address;
}
void operator delete(void* address) noexcept { std::free(address); }
void operator delete(void* address, std::size_t) noexcept { std::free(address); }
