#include "sites.h"

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>

namespace simt {

namespace {

struct close_pipe {
    void operator()(FILE* f) const noexcept { pclose(f); }
};

// What addr2line prints, "function at file:line" innermost first; empty if there is none.
std::string lines_of(const Dl_info& object, uintptr_t offset) {
    char command[1024];
    if (std::snprintf(command, sizeof command, "addr2line -e '%s' -f -C -i -p -s 0x%zx 2>/dev/null", object.dli_fname,
                      static_cast<size_t>(offset)) >= static_cast<int>(sizeof command))
        return "";
    const std::unique_ptr<FILE, close_pipe> pipe(popen(command, "r"));
    std::string text;
    for (int c; pipe != nullptr && (c = std::fgetc(pipe.get())) != EOF;) text += static_cast<char>(c);
    if (text.find(":?") != std::string::npos || text.find("??:") != std::string::npos) return "";
    while (!text.empty() && text.back() == '\n') text.pop_back();
    for (size_t at = 0; (at = text.find("\n (inlined by) ", at)) != std::string::npos;) text.replace(at, 15, " < ");
    return text;
}

}  // namespace

std::string place_of(const void* return_address) {
    static auto& known = *new std::map<const void*, std::string>;
    const auto [entry, added] = known.try_emplace(return_address);
    if (!added) return entry->second;
    Dl_info object{};
    const void* address = static_cast<const char*>(return_address) - 1;  // within the call
    if (dladdr(address, &object) == 0) return entry->second = "unknown code";
    const uintptr_t offset = reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(object.dli_fbase);
    entry->second = lines_of(object, offset);
    if (entry->second.empty()) {
        const char* file = object.dli_fname;
        char text[512];
        std::snprintf(text, sizeof text, "%s+0x%zx in %s", object.dli_sname != nullptr ? object.dli_sname : "", static_cast<size_t>(offset),
                      file);
        entry->second = text;
    }
    return entry->second;
}

bool same_place(const void* a, const void* b) { return a == b || place_of(a) == place_of(b); }

}  // namespace simt
