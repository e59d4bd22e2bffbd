#include "mutant.h"

#include <fstream>
#include <sstream>

namespace mutants {

namespace {

std::vector<std::string> lines_of(const std::filesystem::path& file) {
    std::ifstream in(file);
    if (!in) throw out_of_date(file.string() + " cannot be read");
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

std::string trimmed(const std::string& text) {
    const size_t begin = text.find_first_not_of(" \t");
    return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

void set(mutant& m, const std::string& key, const std::string& value) {
    std::istringstream words(value);
    if (key == "mutant") {
        m.name = value;
    } else if (key == "what") {
        m.what = value;
    } else if (key == "file") {
        m.file = value;
    } else if (key == "kernel") {
        m.kernel = value;
    } else if (key == "test") {
        words >> m.program >> m.filter;
    } else if (key == "proof") {
        for (std::string proof; words >> proof;) m.proofs.push_back(proof);
    } else {
        throw out_of_date("'" + key + "' is not a part of an entry");
    }
}

}  // namespace

std::vector<mutant> read_list(const std::filesystem::path& file) {
    std::vector<mutant> all;
    bool in_change = false;
    for (const std::string& line : lines_of(file)) {
        if (line.starts_with('#')) continue;
        if (trimmed(line).empty()) {
            in_change = false;
            continue;
        }
        if (line.starts_with("mutant")) all.emplace_back();
        if (all.empty()) throw out_of_date(file.string() + ": '" + line + "' belongs to no mutant");
        if (in_change) {
            if (std::string(" -+").find(line[0]) == std::string::npos)
                throw out_of_date(file.string() + ": '" + line + "' is no line of a change");
            all.back().change.push_back(line);
            continue;
        }
        const size_t space = line.find(' ');
        set(all.back(), line.substr(0, space), space == std::string::npos ? "" : trimmed(line.substr(space)));
        in_change = line.starts_with("proof");
    }
    for (const mutant& m : all) {
        if (m.name.empty() || m.what.empty() || m.file.empty() || m.kernel.empty() || m.filter.empty() || m.proofs.empty() ||
            m.change.empty())
            throw out_of_date(file.string() + ": mutant '" + m.name + "' is not complete");
    }
    return all;
}

std::string mutated(const mutant& m, const std::filesystem::path& source_directory) {
    const std::vector<std::string> lines = lines_of(source_directory / m.file);
    std::vector<std::string> expected;
    for (const std::string& c : m.change) {
        if (c[0] != '+') expected.push_back(trimmed(c.substr(1)));
    }
    if (expected.empty()) throw out_of_date(m.name + ": the change says nothing of where it goes");
    std::vector<size_t> places;
    for (size_t at = 0; at + expected.size() <= lines.size(); at++) {
        size_t same = 0;
        while (same < expected.size() && trimmed(lines[at + same]) == expected[same]) same++;
        if (same == expected.size()) places.push_back(at);
    }
    if (places.size() != 1)
        throw out_of_date(m.name + ": what it changes is found " + std::to_string(places.size()) + " times in " + m.file +
                          ", expected once");
    std::string text;
    size_t next = 0;
    const auto keep_until = [&](size_t end) {
        for (; next < end; next++) text += lines[next] + "\n";
    };
    keep_until(places[0]);
    for (const std::string& c : m.change) {
        if (c[0] == '+') {
            text += c.substr(1) + "\n";
        } else if (c[0] == '-') {
            next++;
        } else {
            keep_until(next + 1);
        }
    }
    keep_until(lines.size());
    return text;
}

}  // namespace mutants
