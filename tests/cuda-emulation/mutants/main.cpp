// cuda_mutant SETTINGS NAME: makes a mutant, runs its tests, and succeeds if every proof that its entry lists notices it.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "build.h"

namespace {

using namespace mutants;

struct trial {
    std::string label, environment;
};

constexpr int timed_out = 124;

class proving {
public:
    proving(const mutant& m, const settings& s, std::filesystem::path directory)
        : mutant_(m), settings_(s), directory_(std::move(directory)), build_(m, s, directory_) {}

    // What noticed the mutant; empty if nothing did.
    std::string notices(const std::string& proof) const {
        if (proof == "simt") {
            const std::string driver = build_.driver("nq_emulated_cuda_simt");
            for (const char* order : {"forward", "reverse", "random:1", "random:2"}) {
                if (fails({std::string("simt.") + order, "NATIVEQUANT_CUDA_DRIVER='" + driver + "' NQ_SIMT_ORDER=" + order}))
                    return std::string("simt.") + order;
            }
        } else if (proof == "sm_75") {
            if (fails({proof, "NATIVEQUANT_CUDA_DRIVER='" + build_.driver("nq_emulated_cuda_simt_75").string() + "'"})) return proof;
        } else if (proof == "checked") {
            const trial t{
                proof, "NATIVEQUANT_CUDA_DRIVER='" + build_.driver("nq_emulated_cuda_checked").string() + "' " + settings_.at("checked")};
            if (fails(t) && output_of(t).find("checked build") != std::string::npos) return proof;
        } else if (proof == "ptx") {
            if (fails({proof, "NATIVEQUANT_CUDA_DRIVER='" + settings_.at("ptx_driver") + "' NQ_PTX_DIRECTORY='" + build_.ptx().string() +
                                  "' " + settings_.at("checked")}))
                return proof;
        } else {
            throw out_of_date(mutant_.name + ": there is no proof '" + proof + "'");
        }
        return "";
    }

private:
    std::filesystem::path log_of(const trial& t) const { return directory_ / (t.label + ".log"); }

    std::string output_of(const trial& t) const {
        std::ostringstream text;
        text << std::ifstream(log_of(t)).rdbuf();
        return text.str();
    }

    // Whether a test fails: a program that does not run, or has no such test, is no proof.
    bool fails(const trial& t) const {
        const std::string program = settings_.at("programs") + "/" + mutant_.program;
        const int status = run_shell(t.environment + " NATIVEQUANT_CUDA_LIBRARY='" + settings_.at("cuda_library") + "' timeout 100 '" +
                                         program + "' --gtest_fail_fast --gtest_filter='" + mutant_.filter + "'",
                                     log_of(t));
        const std::string output = output_of(t);
        const bool failed = status == timed_out || status > 128 || output.find("[  FAILED  ]") != std::string::npos;
        // After a failure the tests that would follow count as skipped.
        if (output.find("[ RUN      ]") == std::string::npos || (!failed && output.find("[  SKIPPED ]") != std::string::npos))
            throw out_of_date(mutant_.name + ": no test runs, see " + log_of(t).string());
        return failed;
    }

    const mutant& mutant_;
    const settings& settings_;
    std::filesystem::path directory_;
    build build_;
};

int run(const char* settings_file, const char* name) {
    const settings s = read_settings(settings_file);
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(s.at("source")) / "tests/cuda-emulation/mutants")) {
        if (entry.path().extension() != ".mutants") continue;
        for (const mutant& m : read_list(entry.path())) {
            if (m.name != name) continue;
            const std::filesystem::path directory = std::filesystem::path(s.at("work")) / name;
            std::filesystem::remove_all(directory);
            std::filesystem::create_directories(directory);
            const proving p(m, s, directory);
            std::string caught, missed;
            for (const std::string& proof : m.proofs) {
                const std::string by = p.notices(proof);
                (by.empty() ? missed : caught) += " " + (by.empty() ? proof : by);
            }
            std::printf("mutant %s (%s): caught by%s\n", name, m.what.c_str(), caught.empty() ? " nothing" : caught.c_str());
            if (!missed.empty()) {
                std::printf("NOT caught by%s; see %s\n", missed.c_str(), directory.c_str());
                return 1;
            }
            std::filesystem::remove_all(directory);
            return 0;
        }
    }
    std::printf("there is no mutant '%s'\n", name);
    return 1;
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) {
        std::fprintf(stderr, "usage: cuda_mutant SETTINGS NAME\n");
        return 2;
    }
    try {
        return run(arguments[1], arguments[2]);
    } catch (const std::exception& e) {
        std::printf("%s\n", e.what());
        return 1;
    }
}
