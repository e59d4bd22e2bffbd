// ptx_images FILES...: decodes every kernel of PTX files, as the emulated driver does before it runs one, and says how many instructions of
// how many kinds there are.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <set>

#include "ptx.h"

namespace {

// The opcode with its modifiers: the first word after a guard.
std::string opcode_of(const std::string& statement) {
    const size_t start = statement[0] == '@' ? statement.find(' ') + 1 : 0;
    return statement.substr(start, statement.find_first_of(" ;", start) - start);
}

}  // namespace

int main(int count, char** arguments) {
    size_t kernels = 0, instructions = 0;
    int failures = 0;
    std::set<std::string> opcodes;
    for (int k = 1; k < count; ++k) {
        std::ifstream file(arguments[k]);
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        emulation::memory memory;
        try {
            ptx::image image(text, memory);
            for (const std::string& name : image.kernels()) {
                const ptx::program& program = image.load(name);
                ++kernels;
                instructions += program.code.size();
                for (const ptx::source_line& s : program.sources) {
                    if (s.text.ends_with(";")) {
                        opcodes.insert(opcode_of(s.text));
                    }
                }
            }
        } catch (const ptx::load_error& e) {
            std::printf("%s: %s\n", arguments[k], e.what());
            ++failures;
        }
    }
    std::printf("%zu kernels, %zu instructions of %zu kinds in %d files\n", kernels, instructions, opcodes.size(), count - 1);
    return failures == 0 && kernels > 0 ? 0 : 1;
}
