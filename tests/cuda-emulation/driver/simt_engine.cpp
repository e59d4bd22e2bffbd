// The engine that runs the kernels' own sources, compiled as C++ and linked with this driver; images only say which names there are.
#include <map>

#include "engine.h"
#include "simt/engine.h"
#include "simt/observer.h"

namespace emulation {
namespace {

class simt_kernel final : public kernel {
public:
    explicit simt_kernel(const simt::kernel_registration& code) : code_(code) {}
    size_t parameter_bytes() const override { return code_.parameter_bytes; }
    unsigned most_threads() const override { return code_.most_threads; }
    const simt::kernel_registration& code() const noexcept { return code_; }

private:
    const simt::kernel_registration& code_;
};

class simt_module final : public loaded_module {
public:
    const kernel* find(const char* name) override {
        const simt::kernel_registration* const code = simt::find_kernel(name);
        return code != nullptr ? &kernels_.try_emplace(name, *code).first->second : nullptr;
    }

private:
    std::map<std::string, simt_kernel> kernels_;
};

class simt_engine final : public engine {
public:
    simt_engine() {
        try {
            simt::current_settings = simt::settings_of_environment();
        } catch (const std::invalid_argument& e) {
            throw failure(invalid_value, e.what());
        }
    }

    const char* name() const override { return "SIMT emulation"; }
    unsigned compute_capability() const override { return simt::architecture() / 10; }
    std::unique_ptr<loaded_module> load(const char*) override { return std::make_unique<simt_module>(); }

    void launch(const kernel& k, const extent& grid, const extent& block, size_t dynamic_shared_bytes,
                std::span<const std::byte> parameters) override {
        try {
            simt::launch(static_cast<const simt_kernel&>(k).code(), {grid.x, grid.y, grid.z}, {block.x, block.y, block.z},
                         dynamic_shared_bytes, parameters.data());
        } catch (const simt::fault& e) {
            throw failure(launch_failed, e.what());
        }
    }

    void allocated(const std::byte* address, size_t bytes) override {
        if (simt::current_observer != nullptr) simt::current_observer->allocated(address, bytes);
    }
    void released(const std::byte* address) override {
        if (simt::current_observer != nullptr) simt::current_observer->released(address);
    }
    void host_wrote(const std::byte* address, size_t bytes) override {
        if (simt::current_observer != nullptr) simt::current_observer->host_wrote(address, bytes);
    }
    void copied(const std::byte* to, const std::byte* from, size_t bytes) override {
        if (simt::current_observer != nullptr) simt::current_observer->copied(to, from, bytes);
    }
};

}  // namespace

std::unique_ptr<engine> make_engine(memory&) { return std::make_unique<simt_engine>(); }

}  // namespace emulation
