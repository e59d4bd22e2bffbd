// The emulated PTX driver, opened as the library opens a driver, with settings of each test's own.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "cuda/driver/driver.h"
#include "driver/control.h"
#include "driver/engine.h"

namespace emulation::testing {

namespace api = nq::cuda::driver;

class opened_driver : public ::testing::Test {
protected:
    opened_driver() {
        void* const library = dlopen(NQ_EMULATED_DRIVER, RTLD_NOW | RTLD_LOCAL);
        EXPECT_NE(library, nullptr) << dlerror();
        const auto load = [&](auto& function, const char* name) {
            function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
            EXPECT_NE(function, nullptr) << name;
        };
#define NQ_LOAD(name, symbol, parameters) load(driver.name, #symbol);
        NQ_DRIVER_FUNCTIONS(NQ_LOAD)
#undef NQ_LOAD
        load(fail, "nq_emulated_driver_fail");
        load(count, "nq_emulated_driver_count");
    }
    ~opened_driver() override {
        for (const std::string& name : set_) {
            unsetenv(name.c_str());
        }
        fail(nullptr, 0, 0);
    }

    void set(const char* name, const char* value) {
        setenv(name, value, 1);
        set_.push_back(name);
    }
    // With the environment as it is now, a context and a stream.
    void start() {
        ASSERT_EQ(driver.init(0), api::success);
        api::context context = nullptr;
        ASSERT_EQ(driver.retain_primary_context(&context, 0), api::success);
        ASSERT_EQ(driver.set_current_context(context), api::success);
        ASSERT_EQ(driver.create_stream(&stream, api::stream_non_blocking), api::success);
    }
    api::device_pointer allocated(size_t bytes) {
        api::device_pointer address = 0;
        EXPECT_EQ(driver.allocate(&address, bytes), api::success);
        return address;
    }
    // The kernel k of a module with this body, which finds the address of an array in %rd1 and its thread in %r0.
    api::function kernel(const std::string& body, const std::string& declarations = "", const std::string& name = "test") {
        text_ = "// image: " + name + " 80\n.version 7.5\n.target sm_80\n.address_size 64\n.extern .shared .align 16 .b8 dynamic[];\n" +
                ".visible .entry k(.param .align 8 .b8 p[16])\n.maxntid 64, 1, 1\n{\n.reg .b64 %rd<9>;\n.reg .b32 %r<9>;\n" + declarations +
                "ld.param.u64 %rd1, [p];\nld.param.u32 %r2, [p+8];\nmov.u32 %r0, %tid.x;\nmul.wide.u32 %rd2, %r0, 4;\n"
                "add.s64 %rd1, %rd1, %rd2;\n" +
                body + "\nret;\n}\n";
        api::module m = nullptr;
        EXPECT_EQ(driver.load_module(&m, text_.c_str()), api::success);
        api::function f = nullptr;
        EXPECT_EQ(driver.get_function(&f, m, "k"), api::success);
        return f;
    }
    struct arguments {
        api::device_pointer array;
        uint32_t number = 0;
        uint32_t unused = 0;
    };
    api::result launch(api::function f, arguments a, unsigned threads = 32, unsigned shared_bytes = 0) {
        void* parameters[] = {&a};
        return driver.launch_kernel(f, 1, 1, 1, threads, 1, 1, shared_bytes, stream, parameters, nullptr);
    }
    std::vector<uint32_t> read(api::device_pointer address, size_t words) {
        std::vector<uint32_t> values(words);
        EXPECT_EQ(driver.copy_to_host(values.data(), address, 4 * words, stream), api::success);
        return values;
    }

    static constexpr const char* add_number = "ld.global.u32 %r1, [%rd1]; add.u32 %r1, %r1, %r2; st.global.u32 [%rd1], %r1;";

    api::functions driver{};
    nq_emulated_driver_fail_function* fail = nullptr;
    nq_emulated_driver_count_function* count = nullptr;
    api::stream stream = nullptr;

private:
    std::vector<std::string> set_;
    std::string text_;
};

}  // namespace emulation::testing
