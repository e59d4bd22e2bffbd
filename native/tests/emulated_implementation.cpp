// Adds the emulated implementation to those that the tests run.
#include "cpu/dispatch.h"

namespace nq::cpu {

extern const kernels amx_emulated_kernels;

namespace {

[[maybe_unused]] const bool added = (add_implementation(amx_emulated_kernels), true);

}  // namespace
}  // namespace nq::cpu
