// What is said when a CUDA device cannot be had. In the order of what has to be there first: what has been opened stays open.
#include "driver_testing.h"

namespace nq::test {
namespace {

std::string why_not() {
    nq_device* opened = nullptr;
    EXPECT_EQ(nq_device_open("cuda:0", nullptr, &opened), NQ_STATUS_DEVICE_NOT_AVAILABLE);
    const std::string opening = last_error();
    EXPECT_EQ(opened, nullptr);
    uint32_t count = 77;
    if (nq_cuda_device_count(&count) == NQ_STATUS_DEVICE_NOT_AVAILABLE) {
        EXPECT_EQ(count, 77u) << "untouched on failure";
        EXPECT_EQ(opening, "device 'cuda:0' is not available: " + last_error()) << "listing says the same";
    }
    const device cpu("scalar");
    EXPECT_EQ(dequantized(cpu, matrix_4bit(cpu, 1, 64, std::vector<float>(64, 1.0f), NQ_QUANT_TYPE_NF4, 64, false))[0], 1.0f)
        << "the CPU works on";
    return opening;
}

bool says(const std::string& message, const char* text) { return message.find(text) != std::string::npos; }

// An environment variable as it is to be, for as long as this lives.
class variable {
public:
    variable(const char* name, const char* value) : name_(name), before_(std::getenv(name) != nullptr ? std::getenv(name) : "") {
        setenv(name, value, 1);
    }
    ~variable() { before_.empty() ? unsetenv(name_) : setenv(name_, before_.c_str(), 1); }

private:
    const char* name_;
    std::string before_;
};

TEST(availability, without_the_cuda_library_its_package_is_named) {
    const variable library("NATIVEQUANT_CUDA_LIBRARY", "/nowhere/libnativequant_cuda.so");
    const std::string message = why_not();
    EXPECT_TRUE(says(message, "there is no CUDA library (package NativeQuant.Runtime.Cuda.")) << message;
    EXPECT_TRUE(says(message, "/nowhere/libnativequant_cuda.so")) << message;
}

TEST(availability, a_library_that_is_another_is_refused) {
    const variable library("NATIVEQUANT_CUDA_LIBRARY", std::getenv("NATIVEQUANT_CUDA_DRIVER"));
    EXPECT_TRUE(says(why_not(), "is of another version")) << last_error();
}

TEST(availability, without_a_driver_it_says_where_drivers_come_from) {
    const variable driver("NATIVEQUANT_CUDA_DRIVER", "/nowhere/libcuda.so.1");
    const std::string message = why_not();
    EXPECT_TRUE(says(message, "there is no CUDA driver, which comes with the display driver")) << message;
    EXPECT_TRUE(says(message, "/nowhere/libcuda.so.1")) << message;
}

TEST(availability, a_driver_that_lacks_a_function_is_too_old) {
    const variable driver("NATIVEQUANT_CUDA_DRIVER", std::getenv("NATIVEQUANT_CUDA_LIBRARY"));
    EXPECT_TRUE(says(why_not(), "is too old: it has no cuInit")) << last_error();
}

TEST(availability, a_driver_for_an_older_cuda_is_too_old) {
    const variable version("NQ_EMULATED_DRIVER_VERSION", "11020");
    const std::string message = why_not();
    EXPECT_TRUE(says(message, "is too old: it supports CUDA 11.2, expected")) << message;
}

TEST(availability, a_driver_without_a_device_finds_none) {
    const variable devices("NQ_EMULATED_DEVICES", "0");
    EXPECT_TRUE(says(why_not(), "finds no device")) << last_error();
}

TEST(availability, a_device_that_is_too_old_is_listed_and_not_opened) {
    const variable capability("NQ_EMULATED_COMPUTE_CAPABILITY", "7.0");
    const std::string message = why_not();
    EXPECT_TRUE(says(message, "has compute capability 7.0, expected at least 7.5")) << message;
    nq_cuda_device listed{};
    ASSERT_OK(nq_cuda_device_get(0, &listed));
    EXPECT_EQ(listed.compute_capability_major, 7u);
    EXPECT_EQ(listed.compute_capability_minor, 0u);
}

}  // namespace
}  // namespace nq::test
