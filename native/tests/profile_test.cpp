// The profile of native calls.
#include <map>

#include "support.h"

namespace nq::test {
namespace {

std::map<std::string, nq_function_profile> profiles() {
    std::map<std::string, nq_function_profile> result;
    for (uint32_t i = 0; i < nq_profile_function_count(); i++) {
        nq_function_profile profile{};
        EXPECT_OK(nq_profile_get(i, &profile));
        EXPECT_TRUE(result.emplace(profile.name, profile).second) << profile.name << " is counted in two places";
    }
    return result;
}

class Profile : public testing::Test {
protected:
    void add(int times) {
        for (int i = 0; i < times; i++) EXPECT_OK(nq_residual_add_forward(x_, y_));
    }
    void TearDown() override { EXPECT_OK(nq_profile_stop()); }

    const device device_{nullptr, 1};
    const array x_{device_, NQ_DTYPE_F32, 64, 4096, std::vector<float>(64 * 4096, 1.0f)};
    const array y_{device_, NQ_DTYPE_F32, 64, 4096};
};

TEST_F(Profile, CountsTheCallsBetweenStartAndStop) {
    add(2);
    EXPECT_OK(nq_profile_start());
    add(5);
    EXPECT_NE(nq_residual_add_forward(nullptr, y_), NQ_STATUS_OK);
    EXPECT_OK(nq_profile_stop());
    add(3);
    EXPECT_EQ(profiles().at("nq_residual_add_forward").calls, 6u) << "a failing call is a call";
}

TEST_F(Profile, StartsFromZero) {
    EXPECT_OK(nq_profile_start());
    add(5);
    EXPECT_OK(nq_profile_start());
    EXPECT_EQ(profiles().at("nq_residual_add_forward").calls, 0u);
    EXPECT_EQ(profiles().at("nq_residual_add_forward").total_ns, 0u);
    add(1);
    EXPECT_EQ(profiles().at("nq_residual_add_forward").calls, 1u);
}

TEST_F(Profile, OneThreadSpendsItsTimeInKernelsAndDoesNotWait) {
    EXPECT_OK(nq_profile_start());
    add(20);
    const nq_function_profile profile = profiles().at("nq_residual_add_forward");
    EXPECT_GT(profile.kernel_ns, 0u);
    EXPECT_LE(profile.kernel_ns, profile.total_ns);
    EXPECT_EQ(profile.wait_ns, 0u);
    EXPECT_EQ(profile.worker_kernel_ns, 0u);
}

TEST_F(Profile, SeveralThreadsShareTheKernelTime) {
    const device two(nullptr, 2);
    constexpr size_t size = 1024;
    const matrix weights = dense_matrix(two, size, size, normal_values(size * size, 1));
    const array x(two, NQ_DTYPE_F32, 16, size, normal_values(16 * size, 2)), y(two, NQ_DTYPE_F32, 16, size);
    EXPECT_OK(nq_profile_start());
    uint64_t by_workers = 0;
    for (int call = 0; call < 10000 && by_workers == 0; call++) {  // until another thread has come to help
        EXPECT_OK(nq_linear_forward(weights, x, nullptr, y));
        const nq_function_profile profile = profiles().at("nq_linear_forward");
        by_workers = profile.worker_kernel_ns;
        EXPECT_LE(profile.kernel_ns + profile.wait_ns, profile.total_ns);
    }
    EXPECT_GT(by_workers, 0u);
}

TEST_F(Profile, NamesEveryFunctionByItsOwnName) {
    EXPECT_OK(nq_profile_start());
    nq_buffer* buffer = nullptr;
    EXPECT_OK(nq_buffer_create(device_, 64, &buffer));
    EXPECT_OK(nq_buffer_destroy(buffer));
    EXPECT_EQ(profiles().at("nq_buffer_create").calls, 1u);
    EXPECT_EQ(profiles().at("nq_buffer_destroy").calls, 1u);
}

TEST_F(Profile, ChecksItsArguments) {
    nq_function_profile profile{};
    EXPECT_EQ(nq_profile_get(nq_profile_function_count(), &profile), NQ_STATUS_INVALID_ARGUMENT);
    EXPECT_OK(nq_profile_start());
    add(1);
    EXPECT_EQ(nq_profile_get(0, nullptr), NQ_STATUS_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace nq::test
