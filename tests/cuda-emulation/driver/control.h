// What tests ask of an emulated driver beside the driver API: exported by the same library.
#pragma once

#include <cstddef>

extern "C" {

// The call of this function ("cuMemAlloc_v2") after the next `after` ones fails with `result`, once; a result that leaves a context
// unusable does so. A null function takes back every failure asked for, and the loss of the device.
void nq_emulated_driver_fail(const char* function, unsigned after, int result);

// How many there are, or have been: "launches", "instructions" (those of threads, as far as the engine counts them), "modules", "streams",
// "events", "graphs", "allocations", "pinned". -1 for anything else.
long long nq_emulated_driver_count(const char* what);

using nq_emulated_driver_fail_function = decltype(nq_emulated_driver_fail);
using nq_emulated_driver_count_function = decltype(nq_emulated_driver_count);
}
