// What the CUDA tests share: the device under test and the scalar CPU implementation beside it, on the same values.
#pragma once

#include <cstdlib>

#include "support.h"

namespace nq::test {

// Whether every memory access is checked, which is slow: tests then take fewer and smaller shapes.
inline bool checked_build() { return std::getenv("NQ_CHECKED_BUILD") != nullptr; }

// cuda:0 of whatever driver NATIVEQUANT_CUDA_DRIVER names, and the specification.
class cuda_and_scalar : public testing::Test {
protected:
    void SetUp() override {
        const nq_status status = nq_device_open("cuda:0", nullptr, cuda.out());
        // An emulated device is always there.
        if (status == NQ_STATUS_DEVICE_NOT_AVAILABLE && std::getenv("NATIVEQUANT_CUDA_DRIVER") == nullptr)
            GTEST_SKIP() << nq_last_error_message();
        ASSERT_OK(status);
    }

    owned<nq_device, nq_device_destroy> cuda;
    device scalar{"scalar"};
};

}  // namespace nq::test
