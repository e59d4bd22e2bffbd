// Small text files of the kernel (/proc, /sys). Not iostreams: they would put half a megabyte of locales into the library.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace nq::cpu {

// The whole file; empty if it cannot be read.
inline std::string read_text(const std::string& path) {
    std::string text;
    if (std::FILE* file = std::fopen(path.c_str(), "re")) {
        char part[4096];
        for (size_t n; (n = std::fread(part, 1, sizeof part, file)) > 0;) text.append(part, n);
        std::fclose(file);
    }
    return text;
}

// body(line) for each line.
template <class Body>
void for_each_line(std::string_view text, const Body& body) {
    while (!text.empty()) {
        const size_t end = text.find('\n');
        body(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
}

}  // namespace nq::cpu
