// Every entry of the AVX-512 table.
#pragma once

#include "cpu/kernels.h"

namespace nq::cpu::avx512 {

#include "cpu/kernel_functions.inc"

}  // namespace nq::cpu::avx512
