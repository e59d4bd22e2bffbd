#include "cuda/devices.h"

#include <map>
#include <mutex>
#include <string>

#include "cuda/fail.h"

namespace nq::cuda {

namespace {

uint32_t attribute(driver::device_attribute a, driver::device d) {
    int value = 0;
    driver::check(driver::get().get_device_attribute(&value, a, d), "reading a device attribute");
    return static_cast<uint32_t>(value);
}

// Names are asked for once and live as long as the process.
const char* name_of(uint32_t index, driver::device d) {
    static std::mutex mutex;
    static std::map<uint32_t, std::string>& names = *new std::map<uint32_t, std::string>;
    const std::lock_guard lock(mutex);
    std::string& name = names[index];
    if (name.empty()) {
        char text[128] = "";
        driver::check(driver::get().get_device_name(text, sizeof text, d), "reading the name of a CUDA device");
        name = text;
    }
    return name.c_str();
}

}  // namespace

uint32_t device_count() {
    int count = 0;
    driver::check(driver::get().get_device_count(&count), "counting CUDA devices");
    if (count < 1) fail(NQ_STATUS_DEVICE_NOT_AVAILABLE, "the CUDA driver finds no device");
    return static_cast<uint32_t>(count);
}

driver::device find_device(uint32_t index) {
    const uint32_t count = device_count();
    if (index >= count)
        fail(NQ_STATUS_DEVICE_NOT_AVAILABLE, "there is no CUDA device %u, the driver finds %u device%s", index, count,
             count == 1 ? "" : "s");
    driver::device d = 0;
    driver::check(driver::get().get_device(&d, static_cast<int>(index)), "opening a CUDA device");
    return d;
}

nq_cuda_device describe(uint32_t index) {
    const driver::functions& api = driver::get();
    const driver::device d = find_device(index);
    int version = 0;
    driver::check(api.get_version(&version), "reading the version of the CUDA driver");
    size_t bytes = 0;
    driver::check(api.get_device_memory(&bytes, d), "reading the memory of a CUDA device");
    return {name_of(index, d),
            attribute(driver::device_attribute::compute_capability_major, d),
            attribute(driver::device_attribute::compute_capability_minor, d),
            attribute(driver::device_attribute::multiprocessors, d),
            static_cast<uint32_t>(version),
            bytes};
}

}  // namespace nq::cuda
