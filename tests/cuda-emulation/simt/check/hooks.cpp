// What code compiled with -fsanitize=thread calls before each access to memory, in place of the sanitizer's own run-time library.
#include "check/checker.h"

namespace {

simt::check::checker& the_checker() {
    static auto& c = *new simt::check::checker;
    return c;
}
// Before any launch.
const bool installed = [] {
    simt::current_observer = &the_checker();
    return true;
}();

}  // namespace

#define NQ_HOOKS(n)                                                                                                             \
    extern "C" void __tsan_read##n(void* p) { the_checker().access(p, n, false, false, __builtin_return_address(0)); }          \
    extern "C" void __tsan_write##n(void* p) { the_checker().access(p, n, true, false, __builtin_return_address(0)); }          \
    extern "C" void __tsan_unaligned_read##n(void* p) { the_checker().access(p, n, false, true, __builtin_return_address(0)); } \
    extern "C" void __tsan_unaligned_write##n(void* p) { the_checker().access(p, n, true, true, __builtin_return_address(0)); } \
    extern "C" void __tsan_volatile_read##n(void* p) { the_checker().access(p, n, false, false, __builtin_return_address(0)); } \
    extern "C" void __tsan_volatile_write##n(void* p) { the_checker().access(p, n, true, false, __builtin_return_address(0)); }
NQ_HOOKS(1)
NQ_HOOKS(2)
NQ_HOOKS(4)
NQ_HOOKS(8)
NQ_HOOKS(16)

extern "C" {
void __tsan_read_range(void* p, size_t n) { the_checker().access(p, n, false, true, __builtin_return_address(0)); }
void __tsan_write_range(void* p, size_t n) { the_checker().access(p, n, true, true, __builtin_return_address(0)); }
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
}
