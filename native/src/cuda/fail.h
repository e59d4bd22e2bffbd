// How the CUDA library reports a failure. It and the core library each carry a C++ runtime of their own (they share the unwinder of
// libgcc_s): an exception must be thrown and caught by one and the same. So nothing here throws or catches, and fail() has the core raise
// its nq::error.
#pragma once

#include <cstddef>

#include "nativequant/nativequant.h"

namespace nq::cuda {

using raise_function = void (*)(nq_status status, const char* message);

// Set once, when the library is opened.
extern raise_function raise;

[[noreturn, gnu::format(printf, 2, 3)]] void fail(nq_status status, const char* format, ...);

// INVALID_DATA: a value at `index` of what was given, taken flat, is NaN or infinite.
[[noreturn]] void fail_not_finite(size_t index, float value);

}  // namespace nq::cuda
