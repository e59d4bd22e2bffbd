// One parameter structure for all of rule_kernels.cpp.
#pragma once

#include <cstdint>

namespace emulation_test {

struct rule_parameters {
    uint32_t* y = nullptr;
    const uint32_t* x = nullptr;
    uint32_t* ticket = nullptr;
    uint32_t n = 0;
};

}  // namespace emulation_test
