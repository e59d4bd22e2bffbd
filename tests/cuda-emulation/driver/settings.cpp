#include "settings.h"

#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine.h"

namespace emulation {
namespace {

std::string_view variable(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

[[noreturn]] void refuse(const char* name, std::string_view expected) {
    throw failure(invalid_value, std::string(name) + " is '" + std::string(variable(name)) + "', expected " + std::string(expected));
}

template <class T>
T number(const char* name, T otherwise) {
    const std::string_view text = variable(name);
    if (text.empty()) {
        return otherwise;
    }
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) {
        refuse(name, "a number");
    }
    return value;
}

}  // namespace

settings settings::of_environment() {
    settings s;
    s.devices = number("NQ_EMULATED_DEVICES", s.devices);
    s.driver_version = number("NQ_EMULATED_DRIVER_VERSION", s.driver_version);
    s.memory_bytes = number("NQ_EMULATED_MEMORY", s.memory_bytes);
    if (const std::string_view text = variable("NQ_EMULATED_COMPUTE_CAPABILITY"); !text.empty()) {
        if (text.size() != 3 || text[1] != '.') {
            refuse("NQ_EMULATED_COMPUTE_CAPABILITY", "a number like 7.5");
        }
        s.compute_capability = static_cast<unsigned>(10 * (text[0] - '0') + (text[2] - '0'));
    }
    const std::string_view stream = variable("NQ_EMULATED_STREAM");
    s.late = stream == "late";
    if (!stream.empty() && !s.late && stream != "early") {
        refuse("NQ_EMULATED_STREAM", "early or late");
    }
    return s;
}

}  // namespace emulation
