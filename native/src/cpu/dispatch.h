// Which implementations this library has, which of them run here, and which one a device uses.
#pragma once

#include <span>

#include "cpu/kernels.h"

namespace nq::cpu {

// Every implementation, best first.
std::span<const kernels* const> implementations();

bool supported(const kernels& implementation);

// For tests, before anything else: makes known an implementation that is used only where its name is given.
void add_implementation(const kernels& implementation);

// The implementation called `name`; with null the one NATIVEQUANT_CPU names, else the best that runs here.
// Throws DEVICE_NOT_AVAILABLE if there is none of that name or it does not run here: a wish is never silently ignored.
const kernels& select_implementation(const char* name);

// Threads a device uses if not told: NATIVEQUANT_THREADS, else usable_processors().
uint32_t default_thread_count();

}  // namespace nq::cpu
