// The SIMT engine runs kernels by the device's rules, in every order, and names the rule that a kernel breaks.
#include <algorithm>
#include <numeric>

#include "rules_testing.h"

namespace emulation_test {

namespace {

std::vector<uint32_t> count_from(uint32_t first, size_t n) {
    std::vector<uint32_t> values(n);
    std::iota(values.begin(), values.end(), first);
    return values;
}

}  // namespace

class simt_in_each_order : public testing::TestWithParam<settings> {
protected:
    void SetUp() override { current_settings = GetParam(); }
    void TearDown() override { current_settings = {}; }
};
INSTANTIATE_TEST_SUITE_P(, simt_in_each_order,
                         testing::Values(settings{order::forward, 1, true}, settings{order::reverse, 1, true},
                                         settings{order::random, 1, true}, settings{order::random, 2, false}));

TEST_P(simt_in_each_order, every_thread_of_every_block_runs_once_with_its_place) {
    device_array<uint32_t> y(std::vector<uint32_t>(2 * 3 * 2 * 30));
    run("write_thread_numbers", {2, 3, 2}, {5, 3, 2}, {.y = y.data()});
    const std::vector<uint32_t> got = y.values();
    for (uint32_t i = 0; i < got.size(); i++) EXPECT_EQ(got[i], (i / 30) << 16 | i % 30);
}

TEST_P(simt_in_each_order, a_block_barrier_shows_each_thread_what_the_others_have_written) {
    device_array<uint32_t> x(count_from(0, 2 * 100)), y(200);
    run("mirror", {2}, {100}, {.y = y.data(), .x = x.data()}, 400);
    const std::vector<uint32_t> got = y.values();
    for (uint32_t i = 0; i < 200; i++) EXPECT_EQ(got[i], i / 100 * 100 + 99 - i % 100);
}

TEST_P(simt_in_each_order, collectives_serve_the_lanes_of_their_mask) {
    device_array<uint32_t> x(count_from(0, 32)), y(64);
    run("half_warp_sums", {1}, {32}, {.y = y.data(), .x = x.data()});
    const std::vector<uint32_t> got = y.values();
    for (uint32_t i = 0; i < 32; i++) {
        EXPECT_EQ(got[i], i < 16 ? 120u : 376u);
        EXPECT_EQ(got[32 + i], i < 16 ? 0x0000aaaau : 0xaaaa0000u);
    }
}

TEST_P(simt_in_each_order, threads_that_left_are_not_waited_for) {
    device_array<uint32_t> y(std::vector<uint32_t>(64));
    run("half_leaves", {1}, {64}, {.y = y.data()});
    for (uint32_t i = 0; i < 64; i++) EXPECT_EQ(y.values()[i], i % 2 == 0 ? 0 : i < 32 ? 31 : 63);
}

TEST_P(simt_in_each_order, asynchronous_copies_have_landed_after_the_wait_and_fill_up_with_zeros) {
    device_array<uint32_t> x(count_from(1, 256)), y(64);
    run("copy_in_two_stages", {1}, {32}, {.y = y.data(), .x = x.data(), .n = 254});
    for (uint32_t i = 0; i < 32; i++) {
        EXPECT_EQ(y.values()[i], 128 - i);
        EXPECT_EQ(y.values()[32 + i], i < 2 ? 0 : 256 - i);
    }
}

TEST_P(simt_in_each_order, the_last_block_to_take_a_ticket_sees_what_all_have_written) {
    device_array<uint32_t> x(std::vector<uint32_t>(7 * 40, 3)), y(8), ticket(std::vector<uint32_t>(1));
    for (int again = 0; again < 2; again++) {
        run("ticket", {7}, {64}, {.y = y.data(), .x = x.data(), .ticket = ticket.data(), .n = 40});
        EXPECT_EQ(y.values()[0], 7u * 40 * 3);
        EXPECT_EQ(ticket.values()[0], 0u);
    }
}

TEST_P(simt_in_each_order, atomics_of_all_threads_count) {
    device_array<uint32_t> y(std::vector<uint32_t>{0, 0, 100});
    run("atomics", {2}, {64}, {.y = y.data()});
    EXPECT_EQ(y.values(), (std::vector<uint32_t>{2 * 63 * 32, 0xffffffff, 5}));
}

TEST_P(simt_in_each_order, vector_types_travel_whole) {
    device_array<uint32_t> x(count_from(0, 128)), y(128);
    // A device's allocations are aligned; these of the test need not be.
    const size_t skip = (16 - reinterpret_cast<uintptr_t>(x.data()) % 16) / 4 % 4;
    ASSERT_EQ(skip, (16 - reinterpret_cast<uintptr_t>(y.data()) % 16) / 4 % 4);
    ASSERT_EQ(skip, 0u);
    run("vector_exchange", {1}, {32}, {.y = y.data(), .x = x.data()});
    for (uint32_t i = 0; i < 128; i++) EXPECT_EQ(y.values()[i], (i + 4) % 128);
}

TEST_P(simt_in_each_order, a_matrix_load_hands_out_rows_and_transposed_columns) {
    device_array<uint32_t> y(256);
    run("load_matrices_of_numbers", {1}, {32}, {.y = y.data()});
    for (uint32_t l = 0; l < 32; l++) {
        for (uint32_t m = 0; m < 4; m++) {
            const auto element = [&](uint32_t row, uint32_t column) { return m * 64 + row * 8 + column; };
            const uint32_t across = l / 4, along = l % 4 * 2;
            EXPECT_EQ(y.values()[l * 8 + m], element(across, along) | element(across, along + 1) << 16);
            EXPECT_EQ(y.values()[l * 8 + 4 + m], element(along, across) | element(along + 1, across) << 16);
        }
    }
}

struct broken_rule {
    const char* kernel;
    unsigned threads;
    const char* report;
};
class simt_reports : public testing::TestWithParam<broken_rule> {};

TEST_P(simt_reports, the_rule_that_a_kernel_breaks_in_every_order) {
    device_array<uint32_t> x(count_from(0, 256)), y(256);
    for (const order o : {order::forward, order::reverse, order::random}) {
        current_settings.order = o;
        const std::string text = fault_of(GetParam().kernel, {1}, {GetParam().threads}, {.y = y.data(), .x = x.data()});
        EXPECT_NE(text.find(GetParam().report), std::string::npos) << text;
        EXPECT_NE(text.find(GetParam().kernel), std::string::npos) << text;
    }
    current_settings = {};
}
INSTANTIATE_TEST_SUITE_P(, simt_reports,
                         testing::Values(broken_rule{"barrier_in_half_a_warp_shuffle_in_the_other", 32, "deadlock"},
                                         broken_rule{"different_collectives", 32, "meet in different collectives"},
                                         broken_rule{"different_barriers", 32, "meet at different block barriers"},
                                         broken_rule{"different_masks", 32, "meet in different collectives"},
                                         broken_rule{"shuffle_from_an_absent_lane", 32, "shuffles from lane 16 outside mask 0000ffff"},
                                         broken_rule{"mask_without_the_caller", 32, "which does not name it"},
                                         broken_rule{"misaligned_matrix_load", 32, "is misaligned"},
                                         broken_rule{"matrix_load_from_device_memory", 32, "is not in shared memory"},
                                         broken_rule{"misaligned_copy", 32, "misaligned asynchronous copy"},
                                         broken_rule{"too_much_shared_memory", 32, "204800 bytes of shared memory"},
                                         broken_rule{"mma_of_half_a_warp", 16, "names lanes that have exited: ffff0000"},
                                         broken_rule{"write_thread_numbers", 1025, "1025 threads in a block"}),
                         [](const auto& info) { return std::string(info.param.kernel); });

TEST(simt_engine, a_deadlock_report_says_which_lanes_wait_where) {
    device_array<uint32_t> y(32);
    const std::string text = fault_of("barrier_in_half_a_warp_shuffle_in_the_other", {1}, {32}, {.y = y.data()});
    EXPECT_NE(text.find("lanes 0000ffff wait at sync_block"), std::string::npos) << text;
    EXPECT_NE(text.find("lanes ffff0000 wait in shuffle of mask ffffffff"), std::string::npos) << text;
    EXPECT_NE(text.find("rule_kernels.cpp"), std::string::npos) << text;
}

TEST(simt_engine, a_mask_that_names_lanes_that_left_is_a_fault_or_a_deadlock) {
    for (const order o : {order::forward, order::reverse}) {
        current_settings.order = o;
        device_array<uint32_t> y(32);
        EXPECT_NE(fault_of("mask_of_lanes_that_left", {1}, {32}, {.y = y.data()}), "");
    }
    current_settings = {};
}

TEST(simt_engine, a_launch_after_one_that_failed_runs) {
    device_array<uint32_t> x(count_from(0, 64)), y(64);
    EXPECT_NE(fault_of("different_collectives", {1}, {32}, {.y = y.data()}), "");
    EXPECT_EQ(fault_of("half_warp_sums", {1}, {32}, {.y = y.data(), .x = x.data()}), "");
}

}  // namespace emulation_test
