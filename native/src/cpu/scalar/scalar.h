// The scalar implementation: the specification of every kernel, in plain C++ that runs on any processor. Sums are f64, so that the other
// implementations are judged against something better than themselves. See kernels.h for what each function computes.
#pragma once

#include "cpu/kernels.h"

namespace nq::cpu::scalar {

#include "cpu/kernel_functions.inc"

}  // namespace nq::cpu::scalar
