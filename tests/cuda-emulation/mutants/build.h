// How a mutant is built: with the commands of this build, in which one source or header has been replaced.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "mutant.h"

namespace mutants {

// What CMake wrote down, "key=value" lines.
using settings = std::map<std::string, std::string>;
settings read_settings(const std::filesystem::path& file);

class build {
public:
    // Writes the mutated file into `directory`.
    build(const mutant& m, const settings& s, std::filesystem::path directory);

    // The emulated driver with the mutated kernels, linked from the objects of this build and one of its own. Throws out_of_date if that
    // does not compile.
    std::filesystem::path driver(const std::string& name) const;
    // A folder with the PTX of the mutated kernels.
    std::filesystem::path ptx() const;

private:
    void run(const std::string& command, const std::string& log) const;

    const mutant& mutant_;
    const settings& settings_;
    std::filesystem::path directory_, overlay_, source_;
};

// Runs a command of the shell with its output in a file: the exit status.
int run_shell(const std::string& command, const std::filesystem::path& output);

}  // namespace mutants
