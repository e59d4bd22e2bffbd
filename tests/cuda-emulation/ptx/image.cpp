#include <cstring>

#include "ptx.h"

namespace ptx {

image::image(std::string text, memory& global) : text_(std::move(text)), memory_(global), syntax_(parse_module(text_)) {
    for (const ptx::variable& v : syntax_.variables) {
        if (v.space == state_space::global || v.space == state_space::constant) {
            std::byte* const data = memory_.allocate(v.bytes);
            if (data == nullptr) {
                throw load_error("no memory for variable " + v.name);
            }
            addresses_[v.name] = reinterpret_cast<uintptr_t>(data);
        }
    }
    for (const ptx::variable& v : syntax_.variables) {
        initialize(v);
    }
}

image::~image() {
    for (const auto& [name, address] : addresses_) {
        memory_.release(reinterpret_cast<const void*>(address));
    }
}

void image::initialize(const ptx::variable& v) const {
    const std::span<std::byte> data = variable(v.name);
    if (data.empty()) {
        return;
    }
    std::memset(data.data(), 0, data.size());
    for (size_t k = 0; k < v.initial.size(); ++k) {
        uint64_t value = v.initial[k].number;
        if (!v.initial[k].symbol.empty()) {
            const auto found = addresses_.find(v.initial[k].symbol);
            if (found == addresses_.end()) {
                throw load_error("line " + std::to_string(v.line) + ": initial value " + v.initial[k].symbol);
            }
            value += found->second;
        }
        std::memcpy(data.data() + k * v.element_bytes, &value, v.element_bytes);
    }
}

bool image::has(std::string_view kernel) const {
    const auto found = syntax_.functions.find(kernel);
    return found != syntax_.functions.end() && found->second.entry && found->second.defined;
}

std::vector<std::string> image::kernels() const {
    std::vector<std::string> names;
    for (const auto& [name, f] : syntax_.functions) {
        if (has(name)) {
            names.push_back(name);
        }
    }
    return names;
}

const program& image::load(std::string_view kernel) {
    if (const auto found = programs_.find(kernel); found != programs_.end()) {
        return found->second;
    }
    if (!has(kernel)) {
        throw load_error("no kernel " + std::string(kernel));
    }
    return programs_.emplace(kernel, build_program(syntax_, syntax_.functions.find(kernel)->second, addresses_)).first->second;
}

std::span<std::byte> image::variable(std::string_view name) const {
    const auto found = addresses_.find(name);
    if (found == addresses_.end()) {
        return {};
    }
    const memory_range range = memory_.find(found->second);
    return {reinterpret_cast<std::byte*>(range.begin), range.end - range.begin};
}

}  // namespace ptx
