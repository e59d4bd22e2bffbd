#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

asm(R"(
.text
.globl simt_switch_stack
.hidden simt_switch_stack
.type simt_switch_stack,@function
simt_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size simt_switch_stack,.-simt_switch_stack
)");

namespace simt {

stacks::stacks(size_t count) : count_(count) {
    const size_t bytes = count * stride;
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    memory_ = {static_cast<char*>(memory), unmap{bytes}};
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    for (size_t i = 0; i < count; i++) mprotect(memory_.get() + i * stride, page, PROT_NONE);
}

void stacks::unmap::operator()(char* memory) const noexcept { munmap(memory, bytes); }

}  // namespace simt
