// The engine that executes the PTX of the images it is handed. NQ_SIMT_ORDER: forward (default) or random:SEED. NQ_PTX_DIRECTORY: a folder
// whose NAME.sm_NN.ptx stands for the image of that name, which the image's first line ("// image: NAME NN") tells.
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "engine.h"
#include "ptx.h"

namespace emulation {
namespace {

constexpr uint64_t most_warp_instructions = uint64_t{1} << 31;

result code_of(ptx::fault_kind kind) {
    switch (kind) {
        case ptx::fault_kind::illegal_address:
            return illegal_address;
        case ptx::fault_kind::misaligned_address:
            return misaligned_address;
        case ptx::fault_kind::illegal_instruction:
            return illegal_instruction;
        case ptx::fault_kind::failed:
            return launch_failed;
        case ptx::fault_kind::time_limit:
            return launch_timeout;
    }
    return launch_failed;
}

class ptx_kernel final : public kernel {
public:
    explicit ptx_kernel(const ptx::program& code) : code_(code) {}
    size_t parameter_bytes() const override { return code_.parameter_bytes; }
    size_t static_shared_bytes() const override { return code_.static_shared_bytes; }
    unsigned most_threads() const override { return code_.maximum_threads; }
    const ptx::program& code() const noexcept { return code_; }

private:
    const ptx::program& code_;
};

class ptx_module final : public loaded_module {
public:
    ptx_module(std::string text, memory& device_memory) : image_(std::move(text), device_memory) {}

    const kernel* find(const char* name) override {
        if (!image_.has(name)) {
            return nullptr;
        }
        try {
            return &kernels_.try_emplace(name, image_.load(name)).first->second;
        } catch (const ptx::load_error& e) {
            throw failure(invalid_ptx, e.what());
        }
    }

    unsigned target() const noexcept { return image_.target(); }

private:
    ptx::image image_;
    std::map<std::string, ptx_kernel> kernels_;
};

// The image itself, or the file that stands for it.
std::string text_of(const char* image) {
    constexpr const char mark[] = "// image: ";
    const char* const directory = std::getenv("NQ_PTX_DIRECTORY");
    if (directory == nullptr || std::strncmp(image, mark, sizeof mark - 1) != 0) {
        return image;
    }
    const std::string line(image + sizeof mark - 1, std::strcspn(image + sizeof mark - 1, "\n"));
    const size_t space = line.find(' ');
    const auto path = std::filesystem::path(directory) / (line.substr(0, space) + ".sm_" + line.substr(space + 1) + ".ptx");
    std::ifstream file(path);
    if (!file) {
        return image;
    }
    return {std::istreambuf_iterator<char>(file), {}};
}

class ptx_engine final : public engine {
public:
    explicit ptx_engine(memory& device_memory) : memory_(device_memory) {
        options_.resident_blocks = multiprocessors;
        options_.most_warp_instructions = most_warp_instructions;
        const char* const order = std::getenv("NQ_SIMT_ORDER");
        if (order != nullptr && std::strncmp(order, "random:", 7) == 0) {
            options_.random = true;
            options_.seed = std::strtoull(order + 7, nullptr, 10);
        } else if (order != nullptr && std::strcmp(order, "forward") != 0) {
            throw failure(invalid_value, "NQ_SIMT_ORDER is '" + std::string(order) + "', expected forward or random:SEED");
        }
    }

    const char* name() const override { return "PTX interpreter"; }
    unsigned compute_capability() const override { return 80; }

    std::unique_ptr<loaded_module> load(const char* image) override {
        try {
            return std::make_unique<ptx_module>(text_of(image), memory_);
        } catch (const ptx::load_error& e) {
            throw failure(invalid_ptx, e.what());
        }
    }

    void launch(const kernel& k, const extent& grid, const extent& block, size_t dynamic_shared_bytes,
                std::span<const std::byte> parameters) override {
        try {
            const ptx::launch_statistics statistics =
                ptx::launch(static_cast<const ptx_kernel&>(k).code(), memory_, {grid.x, grid.y, grid.z}, {block.x, block.y, block.z},
                            dynamic_shared_bytes, parameters, options_);
            instructions_ += statistics.thread_instructions;
        } catch (const ptx::fault& e) {
            throw failure(code_of(e.kind()), e.what());
        } catch (const ptx::load_error& e) {
            throw failure(launch_failed, e.what());
        }
    }

    uint64_t instructions() const override { return instructions_; }

private:
    memory& memory_;
    ptx::launch_options options_;
    uint64_t instructions_ = 0;
};

}  // namespace

std::unique_ptr<engine> make_engine(memory& device_memory) { return std::make_unique<ptx_engine>(device_memory); }

}  // namespace emulation
