#include "cpu/cpu_backend.h"

#include <cstring>

namespace nq::cpu {

cpu_backend::cpu_backend(const kernels& implementation, uint32_t threads) : kernels_(implementation), threads_(threads) {}

std::unique_ptr<memory> cpu_backend::allocate(size_t bytes) { return std::make_unique<allocation>(account_, bytes); }

void cpu_backend::write(void* destination, const void* host_source, size_t bytes) { std::memcpy(destination, host_source, bytes); }

void cpu_backend::read(void* host_destination, const void* source, size_t bytes) { std::memcpy(host_destination, source, bytes); }

void cpu_backend::copy(void* destination, const void* source, size_t bytes) { std::memmove(destination, source, bytes); }

}  // namespace nq::cpu
