// A driver that fails: what is reported, what is left behind, and what still works. The emulated driver has two devices.
#include "driver_testing.h"

namespace nq::test {
namespace {

class failures : public testing::Test {
protected:
    emulated_driver driver;

    std::vector<long long> objects() const {
        return {driver.count("modules"), driver.count("streams"),     driver.count("events"),
                driver.count("graphs"),  driver.count("allocations"), driver.count("pinned")};
    }
    // The whole way from memory to a kernel and back.
    static nq_status use(nq_device* cuda) {
        buffer b;
        if (const nq_status s = nq_buffer_create(cuda, 24, b.out()); s != NQ_STATUS_OK) return s;
        const float values[6] = {1, 2, 3, 10, 20, 30};
        if (const nq_status s = nq_buffer_write(b, 0, values, sizeof values); s != NQ_STATUS_OK) return s;
        const nq_tensor x{b, 0, 1, 3, 3, NQ_DTYPE_F32, 0}, y{b, 12, 1, 3, 3, NQ_DTYPE_F32, 0};
        if (const nq_status s = nq_residual_add_forward(&x, &y); s != NQ_STATUS_OK) return s;
        float sums[3];
        if (const nq_status s = nq_buffer_read(b, 12, sums, sizeof sums); s != NQ_STATUS_OK) return s;
        EXPECT_EQ((std::vector<float>(sums, sums + 3)), (std::vector<float>{11, 22, 33}));
        return NQ_STATUS_OK;
    }
};

TEST_F(failures, both_devices_are_listed_and_compute) {
    uint32_t count = 0;
    ASSERT_OK(nq_cuda_device_count(&count));
    ASSERT_EQ(count, 2u);
    const device first("cuda:0"), second("cuda:1");
    EXPECT_OK(use(first));
    EXPECT_OK(use(second));
    for (uint32_t i = 0; i < count; i++) {
        nq_cuda_device listed{};
        ASSERT_OK(nq_cuda_device_get(i, &listed));
        EXPECT_STREQ(listed.name, first.info().implementation);
        EXPECT_EQ(listed.multiprocessors, first.info().thread_count);
        EXPECT_GE(10 * listed.compute_capability_major + listed.compute_capability_minor, 75u);
        EXPECT_GE(listed.driver_version, 11050u);
        EXPECT_EQ(listed.memory_bytes, 67108864u);
    }
    EXPECT_STREQ(first.info().kind, "cuda");
    nq_device* third = nullptr;
    EXPECT_EQ(nq_device_open("cuda:2", nullptr, &third), NQ_STATUS_DEVICE_NOT_AVAILABLE);
    EXPECT_EQ(last_error(), "device 'cuda:2' is not available: there is no CUDA device 2, the driver finds 2 devices");
}

TEST_F(failures, opening_that_fails_anywhere_leaves_nothing_behind) {
    { const device once("cuda:0"); }
    const std::vector<long long> before = objects();
    for (const char* function :
         {"cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetAttribute", "cuDeviceTotalMem_v2", "cuDevicePrimaryCtxRetain", "cuCtxSetCurrent",
          "cuStreamCreate", "cuMemHostAlloc", "cuMemAlloc_v2", "cuMemsetD8Async"}) {
        driver.fail(function, invalid_value);
        nq_device* opened = nullptr;
        EXPECT_EQ(nq_device_open("cuda:0", nullptr, &opened), NQ_STATUS_INTERNAL) << function;
        EXPECT_NE(last_error().find("CUDA error 1, CUDA_ERROR_INVALID_VALUE (invalid argument)"), std::string::npos) << last_error();
        EXPECT_EQ(opened, nullptr) << function;
        EXPECT_EQ(objects(), before) << function;
    }
    const device again("cuda:0");
    EXPECT_OK(use(again));
}

TEST_F(failures, a_call_that_fails_is_reported_once_and_the_device_works_on) {
    const device cuda("cuda:0");
    EXPECT_OK(use(cuda));
    for (const char* function : {"cuCtxSetCurrent", "cuMemsetD8Async", "cuMemcpyHtoDAsync_v2", "cuLaunchKernel", "cuMemcpyDtoHAsync_v2",
                                 "cuEventRecord", "cuEventSynchronize"}) {
        for (const auto& [error, status] : {std::pair(invalid_value, NQ_STATUS_INTERNAL), {out_of_memory, NQ_STATUS_OUT_OF_MEMORY}}) {
            driver.fail(function, error);
            EXPECT_EQ(use(cuda), status) << function;
            EXPECT_NE(last_error().find(error == out_of_memory ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_INVALID_VALUE"),
                      std::string::npos)
                << last_error();
            EXPECT_OK(use(cuda)) << "after " << function;
        }
    }
}

TEST_F(failures, a_kernel_that_cannot_be_loaded_is_named) {
    const device cuda("cuda:0");
    driver.fail("cuModuleLoadData", invalid_value);
    EXPECT_EQ(use(cuda), NQ_STATUS_INTERNAL);
    EXPECT_EQ(last_error().find("elementwise: CUDA error 1"), 0u) << last_error();
    driver.fail("cuModuleGetFunction", invalid_value);
    EXPECT_EQ(use(cuda), NQ_STATUS_INTERNAL);
    EXPECT_EQ(last_error().find("nq_residual_add: CUDA error 1"), 0u) << last_error();
    EXPECT_OK(use(cuda));
}

TEST_F(failures, kernels_are_loaded_when_they_are_first_used) {
    const long long before = driver.count("modules");
    const device cuda("cuda:0");
    EXPECT_EQ(driver.count("modules"), before);
    EXPECT_OK(use(cuda));
    EXPECT_EQ(driver.count("modules"), before + 1);
    EXPECT_OK(use(cuda));
    EXPECT_EQ(driver.count("modules"), before + 1);
}

// The emulated driver loses all devices at once; it is mended to see that only ours of the one is lost.
TEST_F(failures, a_lost_device_says_so_from_then_on_and_others_work_on) {
    const device cpu("scalar"), other("cuda:1");
    for (int i = 0; i < 4; i++) EXPECT_OK(use(other));  // until it has all the pinned memory it takes
    const std::vector<long long> before = objects();
    {
        const device cuda("cuda:0");
        const array x(cuda, NQ_DTYPE_F32, 1, 3, {1, 2, 3}), y(cuda, NQ_DTYPE_F32, 1, 3, {1, 1, 1});
        const matrix weights = dense_matrix(cuda, 1, 3, {1, 2, 3});
        driver.fail("cuStreamSynchronize", illegal_address);
        ASSERT_EQ(nq_device_synchronize(cuda), NQ_STATUS_DEVICE_LOST);
        const std::string message = last_error();
        for (const char* text : {"device 'cuda:0' (", "is lost: waiting for a CUDA device: CUDA error 700, CUDA_ERROR_ILLEGAL_ADDRESS",
                                 "Only a new process can use it again"}) {
            EXPECT_NE(message.find(text), std::string::npos) << message;
        }
        for (bool mended : {false, true}) {
            if (mended) driver.mend();
            const nq_tensor& read = *static_cast<const nq_tensor*>(x);
            float value;
            nq_buffer* none = nullptr;
            for (const nq_status status :
                 {nq_residual_add_forward(x, y), nq_buffer_read(read.buffer, 0, &value, 4), nq_buffer_write(read.buffer, 0, &value, 4),
                  nq_buffer_create(cuda, 4 << 20, &none), nq_device_synchronize(cuda), nq_device_trim(cuda), nq_device_step_begin(cuda),
                  nq_matrix_dequantize(weights, x)}) {
                EXPECT_EQ(status, NQ_STATUS_DEVICE_LOST) << last_error();
            }
        }
        EXPECT_OK(use(cpu));
        EXPECT_OK(use(other));
    }
    EXPECT_EQ(objects(), before) << "destroyed all the same";
    const device reopened("cuda:0");
    EXPECT_OK(use(reopened));
}

TEST_F(failures, errors_of_a_kernel_come_with_the_read_that_waits_for_it) {
    const device cuda("cuda:0");
    const matrix table = dense_matrix(cuda, 4, 2, {1, 2, 3, 4, 5, 6, 7, 8});
    const array ids(cuda, 1, 2, std::vector<uint32_t>{1, 9}), y(cuda, NQ_DTYPE_F32, 2, 2);
    ASSERT_OK(nq_embedding_forward(table, ids, y));
    EXPECT_EQ(nq_device_synchronize(cuda), NQ_STATUS_INVALID_DATA);
    EXPECT_EQ(last_error(), "token id 1 is 9, expected below 4");
    EXPECT_OK(nq_device_synchronize(cuda)) << "said once";
    ASSERT_OK(nq_embedding_forward(table, ids, y));
    float value;
    EXPECT_EQ(nq_buffer_read(static_cast<const nq_tensor*>(y)->buffer, 0, &value, 4), NQ_STATUS_INVALID_DATA);
    EXPECT_OK(nq_buffer_read(static_cast<const nq_tensor*>(y)->buffer, 0, &value, 4));
}

}  // namespace
}  // namespace nq::test
