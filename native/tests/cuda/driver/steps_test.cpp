// Steps: launches put off and run as graphs. Nothing of it may show in a result.
#include <thread>

#include "driver_testing.h"

namespace nq::test {
namespace {

class steps : public testing::Test {
protected:
    // y = y + x and z = silu(y) * x, by turns: `pairs` times two kernels.
    void operations(const array& x, const array& y, const array& z, int pairs) {
        for (int i = 0; i < pairs; i++) {
            EXPECT_OK(nq_residual_add_forward(x, y));
            EXPECT_OK(nq_gated_silu_forward(y, x, z));
        }
    }
    void run_step(const array& x, const array& y, const array& z, int pairs) {
        EXPECT_OK(nq_device_step_begin(cuda));
        operations(x, y, z, pairs);
        EXPECT_OK(nq_device_step_end(cuda));
    }
    std::vector<float> values(size_t count, float first) const {
        std::vector<float> result(count);
        for (size_t i = 0; i < count; i++) result[i] = first + 0.25f * static_cast<float>(i);
        return result;
    }

    emulated_driver driver;
    device cuda{"cuda:0"};
};

TEST_F(steps, the_third_of_the_same_kernels_is_one_launch) {
    const array x(cuda, NQ_DTYPE_F32, 1, 3, {1, 2, 3}), y(cuda, NQ_DTYPE_F32, 1, 3), z(cuda, NQ_DTYPE_F32, 1, 3);
    run_step(x, y, z, 3);
    EXPECT_EQ(driver.count("graphs"), 0);
    run_step(x, y, z, 3);
    EXPECT_EQ(driver.count("graphs"), 2) << "a graph, and what is launched of it";
    driver.fail("cuLaunchKernel", illegal_address);  // not called
    run_step(x, y, z, 3);
    driver.mend();
    EXPECT_EQ(driver.count("graphs"), 2);
    EXPECT_EQ(y.floats(), (std::vector<float>{9, 18, 27}));
}

TEST_F(steps, changed_tensors_and_shapes_are_those_of_the_step) {
    for (int step = 0; step < 6; step++) {
        const size_t columns = 3 + 400 * static_cast<size_t>(step % 3);
        const array x(cuda, NQ_DTYPE_F32, 1, columns, values(columns, static_cast<float>(step)));
        const array y(cuda, NQ_DTYPE_F32, 1, columns, values(columns, 1)), z(cuda, NQ_DTYPE_F32, 1, columns);
        run_step(x, y, z, 2);
        const std::vector<float> in_step = z.floats();
        const array again(cuda, NQ_DTYPE_F32, 1, columns, values(columns, 1)), direct(cuda, NQ_DTYPE_F32, 1, columns);
        operations(x, again, direct, 2);
        EXPECT_EQ(in_step, direct.floats()) << step;
    }
    EXPECT_EQ(driver.count("graphs"), 2);
}

TEST_F(steps, other_kernels_or_another_number_of_them_are_another_sequence) {
    const array x(cuda, NQ_DTYPE_F32, 1, 3, {1, 2, 3}), y(cuda, NQ_DTYPE_F32, 1, 3), z(cuda, NQ_DTYPE_F32, 1, 3);
    for (int round = 0; round < 3; round++) {
        run_step(x, y, z, 2);
        run_step(x, y, z, 3);
    }
    EXPECT_EQ(driver.count("graphs"), 4);
    EXPECT_EQ(y.floats(), (std::vector<float>{15, 30, 45}));
}

TEST_F(steps, as_many_sequences_are_remembered_as_there_is_room_for) {
    const array x(cuda, NQ_DTYPE_F32, 1, 3, {1, 1, 1}), y(cuda, NQ_DTYPE_F32, 1, 3), z(cuda, NQ_DTYPE_F32, 1, 3);
    float sum = 0;
    for (int pairs = 2; pairs < 30; pairs++) {
        for (int round = 0; round < 3; round++, sum += static_cast<float>(pairs)) run_step(x, y, z, pairs);
    }
    EXPECT_EQ(driver.count("graphs"), 32);
    EXPECT_EQ(y.floats(), (std::vector<float>{sum, sum, sum}));
}

TEST_F(steps, what_is_no_launch_comes_after_what_was_put_off) {
    const array x(cuda, NQ_DTYPE_F32, 1, 3, {1, 2, 3}), y(cuda, NQ_DTYPE_F32, 1, 3), z(cuda, NQ_DTYPE_F32, 1, 3);
    for (int step = 0; step < 4; step++) {
        EXPECT_OK(nq_device_step_begin(cuda));
        operations(x, y, z, 2);
        const float sum = static_cast<float>(4 * step);
        EXPECT_EQ(y.floats(), (std::vector<float>{sum + 2, 2 * (sum + 2), 3 * (sum + 2)})) << "a read within a step";
        operations(x, y, z, 2);
        const array copy(cuda, NQ_DTYPE_F32, 1, 3);
        const nq_tensor &from = *static_cast<const nq_tensor*>(y), &to = *static_cast<const nq_tensor*>(copy);
        EXPECT_OK(nq_buffer_copy(from.buffer, 0, to.buffer, 0, 12));
        operations(x, y, z, 1);
        EXPECT_OK(nq_residual_add_forward(array(cuda, NQ_DTYPE_F32, 1, 3, {-1, -2, -3}), y));
        EXPECT_OK(nq_device_step_end(cuda));
        EXPECT_EQ(copy.floats(), (std::vector<float>{sum + 4, 2 * (sum + 4), 3 * (sum + 4)}));
        EXPECT_EQ(y.floats(), copy.floats());
    }
}

TEST_F(steps, a_driver_that_makes_no_graph_launches_each_kernel) {
    for (const char* function :
         {"cuGraphCreate", "cuGraphAddKernelNode", "cuGraphInstantiateWithFlags", "cuGraphExecKernelNodeSetParams"}) {
        const device fresh("cuda:0");
        const array x(fresh, NQ_DTYPE_F32, 1, 3, {1, 2, 3}), y(fresh, NQ_DTYPE_F32, 1, 3);
        for (int step = 0; step < 4; step++) {
            const array z(fresh, NQ_DTYPE_F32, 1, 3), other(fresh, NQ_DTYPE_F32, 1, 3);  // by turns, so that there is something to set
            driver.fail(function, out_of_memory);
            EXPECT_OK(nq_device_step_begin(fresh));
            operations(x, y, step % 2 == 0 ? z : other, 2);
            EXPECT_OK(nq_device_step_end(fresh)) << function;
        }
        driver.mend();
        EXPECT_EQ(y.floats(), (std::vector<float>{8, 16, 24})) << function;
    }
}

TEST_F(steps, a_launch_that_fails_is_reported_by_the_end_of_the_step) {
    const array x(cuda, NQ_DTYPE_F32, 1, 3, {1, 2, 3}), y(cuda, NQ_DTYPE_F32, 1, 3), z(cuda, NQ_DTYPE_F32, 1, 3);
    operations(x, y, z, 1);
    ASSERT_OK(nq_device_step_begin(cuda));
    operations(x, y, z, 2);
    driver.fail("cuLaunchKernel", out_of_memory, 1);
    EXPECT_EQ(nq_device_step_end(cuda), NQ_STATUS_OUT_OF_MEMORY);
    EXPECT_EQ(last_error().find("launching the kernels of a step"), 0u) << last_error();
    EXPECT_EQ(y.floats(), (std::vector<float>{2, 4, 6})) << "what came before it is done, what came after is not";
    run_step(x, y, z, 2);
    EXPECT_EQ(y.floats(), (std::vector<float>{4, 8, 12})) << "the step is over and the next one whole";
}

TEST_F(steps, begun_twice_or_ended_alone_they_change_nothing) {
    const array x(cuda, NQ_DTYPE_F32, 1, 3, {1, 2, 3}), y(cuda, NQ_DTYPE_F32, 1, 3), z(cuda, NQ_DTYPE_F32, 1, 3);
    ASSERT_OK(nq_device_step_end(cuda));
    ASSERT_OK(nq_device_step_begin(cuda));
    operations(x, y, z, 1);
    ASSERT_OK(nq_device_step_begin(cuda));
    operations(x, y, z, 1);
    ASSERT_OK(nq_device_step_end(cuda));
    ASSERT_OK(nq_device_step_end(cuda));
    EXPECT_EQ(y.floats(), (std::vector<float>{2, 4, 6}));
}

TEST_F(steps, another_thread_sees_what_was_put_off) {
    const array x(cuda, NQ_DTYPE_F32, 1, 3, {1, 2, 3}), y(cuda, NQ_DTYPE_F32, 1, 3), z(cuda, NQ_DTYPE_F32, 1, 3);
    ASSERT_OK(nq_device_step_begin(cuda));
    operations(x, y, z, 1);
    std::thread([&] {
        EXPECT_OK(nq_device_step_begin(cuda));  // not its own: it launches at once
        EXPECT_OK(nq_residual_add_forward(x, y));
        EXPECT_OK(nq_device_step_end(cuda));
    }).join();
    EXPECT_OK(nq_residual_add_forward(x, y));
    ASSERT_OK(nq_device_step_end(cuda));
    EXPECT_EQ(y.floats(), (std::vector<float>{3, 6, 9}));
}

TEST_F(steps, threads_with_steps_of_their_own_do_not_mix) {
    std::vector<std::thread> threads;
    for (int t = 1; t <= 3; t++) {
        threads.emplace_back([this, t] {
            const float by = static_cast<float>(t);
            const array x(cuda, NQ_DTYPE_F32, 1, 3, {by, by, by}), y(cuda, NQ_DTYPE_F32, 1, 3), z(cuda, NQ_DTYPE_F32, 1, 3);
            for (int step = 1; step <= 20; step++) {
                run_step(x, y, z, 3);
                const float sum = 3 * by * static_cast<float>(step);
                EXPECT_EQ(y.floats(), (std::vector<float>{sum, sum, sum}));
            }
        });
    }
    for (std::thread& t : threads) t.join();
}

}  // namespace
}  // namespace nq::test
