// Every function that the library takes from a driver, as an export of this one. For the two files that define them.
#pragma once

#include "cuda/driver/driver.h"

using namespace nq::cuda::driver;  // the types of the parameters

#define NQ_EXPORT(name, symbol, parameters) extern "C" __attribute__((visibility("default"))) result symbol parameters;
NQ_DRIVER_FUNCTIONS(NQ_EXPORT)
#undef NQ_EXPORT
