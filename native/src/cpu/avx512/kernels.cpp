#include "cpu/avx512/table.h"

namespace nq::cpu {

const kernels avx512_kernels = avx512::table;

}  // namespace nq::cpu
