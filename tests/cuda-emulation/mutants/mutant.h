// The list of mutants, as README.md says.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace mutants {

// An entry that is not right; a fault that is no longer where it was.
class out_of_date : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct mutant {
    std::string name, what, file, kernel, program, filter;
    std::vector<std::string> proofs;
    std::vector<std::string> change;  // lines with the mark before them
};

std::vector<mutant> read_list(const std::filesystem::path& file);

// The text of m.file with the fault in it.
std::string mutated(const mutant& m, const std::filesystem::path& source_directory);

}  // namespace mutants
