#include "warp.h"

#include <cstdio>

namespace ptx {
namespace {

std::string hexadecimal(uint64_t value) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return text;
}

}  // namespace

void warp::fail(fault_kind kind, const std::string& what) const { throw fault(kind, what_and_where(what, "")); }

void warp::fail(fault_kind kind, unsigned lane, const std::string& what) const {
    throw fault(kind, what_and_where(what, ", lane " + std::to_string(lane)));
}

std::string warp::what_and_where(const std::string& what, const std::string& lane) const {
    const source_line& at = launch->code->sources[current->source];
    const extent& b = block->index;
    return launch->code->name + ": " + what + "\n  line " + std::to_string(at.line) + ": " + at.text + "\n  block (" + std::to_string(b.x) +
           ", " + std::to_string(b.y) + ", " + std::to_string(b.z) + "), warp " + std::to_string(index) + lane;
}

void warp::outside(unsigned lane, const char* space, uint64_t address, size_t bytes) const {
    fail(fault_kind::illegal_address, lane,
         std::string(space) + " access of " + std::to_string(bytes) + " bytes at " + hexadecimal(address) + " is out of bounds");
}

void warp::check_alignment(unsigned lane, uint64_t address, size_t bytes) const {
    if (address % bytes != 0) {
        fail(fault_kind::misaligned_address, lane,
             "access of " + std::to_string(bytes) + " bytes at " + hexadecimal(address) + " is misaligned");
    }
}

const std::byte* warp::global_bytes(unsigned lane, uint64_t address, size_t bytes) {
    memory_range& range = launch->ranges[current->index];
    if (!range.contains(address, bytes)) {
        range = launch->global->find(address);
        if (!range.contains(address, bytes)) {
            outside(lane, "global", address, bytes);
        }
    }
    return reinterpret_cast<const std::byte*>(address);
}

std::byte* warp::at_global(unsigned lane, uint64_t address, size_t bytes) {
    const std::byte* p = global_bytes(lane, address, bytes);
    check_alignment(lane, address, bytes);
    return const_cast<std::byte*>(p);
}

std::byte* warp::at_shared(unsigned lane, uint64_t address, size_t bytes) {
    const size_t size = block->shared.size();
    if (address > size || bytes > size - address) {
        outside(lane, "shared", address, bytes);
    }
    check_alignment(lane, address, bytes);
    return block->shared.data() + address;
}

std::byte* warp::at_local(unsigned lane, uint64_t address, size_t bytes) {
    const size_t size = launch->code->local_bytes;
    if (address > size || bytes > size - address) {
        outside(lane, "local", address, bytes);
    }
    check_alignment(lane, address, bytes);
    return local.data() + lane * size + address;
}

std::byte* warp::at_parameter(unsigned lane, uint64_t address, size_t bytes) {
    const bool of_call = address >= call_space;
    const uint64_t offset = of_call ? address - call_space : address;
    const size_t size = of_call ? launch->code->call_space_bytes : launch->code->parameter_bytes;
    if (offset > size || bytes > size - offset) {
        outside(lane, "parameter", address, bytes);
    }
    check_alignment(lane, address, bytes);
    // The decoder lets no instruction store to a kernel's parameters.
    return of_call ? call_arguments.data() + lane * size + offset : const_cast<std::byte*>(launch->parameters + offset);
}

std::byte* warp::at_generic(unsigned lane, uint64_t address, size_t bytes) {
    return address >= shared_window  ? at_shared(lane, address - shared_window, bytes)
           : address >= local_window ? at_local(lane, address - local_window, bytes)
                                     : at_global(lane, address, bytes);
}

}  // namespace ptx
