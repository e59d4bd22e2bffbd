#include "build.h"

#include <sys/wait.h>

#include <cstdlib>
#include <fstream>

namespace mutants {

namespace {

// The command that compiled a kernel file for a driver, from the list that CMake writes; one command is one line there.
std::string command_of(const settings& s, const std::string& driver, const std::string& kernel) {
    const std::string object = driver + "_kernels.dir", file = "/" + kernel + ".cu.o", key = "\"command\": \"";
    std::ifstream in(s.at("build") + "/compile_commands.json");
    for (std::string line; std::getline(in, line);) {
        const size_t begin = line.find(key);
        if (begin == std::string::npos || line.find(object) == std::string::npos || line.find(file) == std::string::npos) continue;
        std::string command;
        for (size_t i = begin + key.size(); i < line.size() && line[i] != '"'; i++) {
            if (line[i] == '\\') i++;
            command += line[i];
        }
        return command;
    }
    throw out_of_date("kernel file '" + kernel + ".cu' is not compiled for " + driver);
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    if (at == std::string::npos) throw out_of_date("'" + from + "' is not in '" + text + "'");
    return text.replace(at, from.size(), to);
}

}  // namespace

settings read_settings(const std::filesystem::path& file) {
    settings s;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        const size_t equals = line.find('=');
        if (equals != std::string::npos) s[line.substr(0, equals)] = line.substr(equals + 1);
    }
    return s;
}

int run_shell(const std::string& command, const std::filesystem::path& output) {
    const int status = std::system((command + " >'" + output.string() + "' 2>&1").c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

build::build(const mutant& m, const settings& s, std::filesystem::path directory)
    : mutant_(m), settings_(s), directory_(std::move(directory)), overlay_(directory_ / "include") {
    const std::string prefix = "native/src/";
    if (!m.file.starts_with(prefix)) throw out_of_date(m.name + ": only files under " + prefix + " can be mutated");
    const std::filesystem::path written = overlay_ / m.file.substr(prefix.size());
    std::filesystem::create_directories(written.parent_path());
    std::ofstream(written) << mutated(m, s.at("source"));
    source_ = m.file.ends_with("/" + m.kernel + ".cu")
                  ? written
                  : std::filesystem::path(s.at("source")) / "native/src/cuda/kernels" / (m.kernel + ".cu");
}

void build::run(const std::string& command, const std::string& log) const {
    if (run_shell(command, directory_ / log) == 0) return;
    throw out_of_date(mutant_.name + ": a command of the build fails, see " + (directory_ / log).string() + "\n  " + command);
}

std::filesystem::path build::driver(const std::string& name) const {
    const std::filesystem::path object = directory_ / (name + ".o"), library = directory_ / ("lib" + name + ".so");
    const std::string command = command_of(settings_, name, mutant_.kernel);
    // The mutated file is found before the one it stands for.
    const std::string compile = replaced(command.substr(0, command.find(" -o ")), " -D", " -I'" + overlay_.string() + "' -D");
    run("cd '" + settings_.at("build") + "' && " + compile + " -g0 -O1 -w -o '" + object.string() + "' -c '" + source_.string() + "'",
        name + ".compile.log");
    // Its object comes first: an inline function that other kernels have as well is then the mutated one everywhere.
    std::string link = settings_.at("link") + " -o '" + library.string() + "' '" + object.string() + "'";
    std::ifstream objects(settings_.at("objects." + name));
    for (std::string o; std::getline(objects, o);) {
        if (!o.ends_with("/" + mutant_.kernel + ".cu.o")) link += " '" + o + "'";
    }
    run(link, name + ".link.log");
    return library;
}

std::filesystem::path build::ptx() const {
    const std::filesystem::path folder = directory_ / "ptx";
    std::filesystem::create_directories(folder);
    const std::string ptx = (folder / (mutant_.kernel + ".sm_80.ptx")).string();
    run(settings_.at("clang") + " --cuda-gpu-arch=sm_80 -w -I'" + overlay_.string() + "' " + settings_.at("includes") + " -S '" +
            source_.string() + "' -o '" + ptx + ".body'",
        "ptx.compile.log");
    run("'" + settings_.at("cmake") + "' -D BODY='" + ptx + ".body' -D NAME=" + mutant_.kernel + " -D ARCHITECTURE=80 -D PTX='" + ptx +
            "' -P '" + settings_.at("source") + "/cmake/name_image.cmake'",
        "ptx.name.log");
    return folder;
}

}  // namespace mutants
