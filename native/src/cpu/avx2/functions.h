// Every entry of the AVX2 table.
#pragma once

#include "cpu/kernels.h"

namespace nq::cpu::avx2 {

#include "cpu/kernel_functions.inc"

}  // namespace nq::cpu::avx2
