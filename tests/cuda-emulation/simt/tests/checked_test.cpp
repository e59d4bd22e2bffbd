// The checked build finds what is wrong with memory accesses whatever the order, and nothing where all is right.
#include <cstdio>
#include <fstream>
#include <numeric>

#include "check/order.h"
#include "check/statistics.h"
#include "rules_testing.h"

namespace emulation_test {

namespace {

std::vector<uint32_t> count_from(uint32_t first, size_t n) {
    std::vector<uint32_t> values(n);
    std::iota(values.begin(), values.end(), first);
    return values;
}

}  // namespace

TEST(checked, kernels_that_keep_the_rules_are_clean) {
    device_array<uint32_t> x(count_from(0, 512)), y(512), ticket(std::vector<uint32_t>(1)), sums(std::vector<uint32_t>(3));
    EXPECT_EQ(fault_of("write_thread_numbers", {2, 3, 2}, {5, 3, 2}, {.y = y.data()}), "");
    EXPECT_EQ(fault_of("mirror", {2}, {100}, {.y = y.data(), .x = x.data()}, 400), "");
    EXPECT_EQ(fault_of("half_warp_sums", {1}, {32}, {.y = y.data(), .x = x.data()}), "");
    EXPECT_EQ(fault_of("half_leaves", {1}, {64}, {.y = y.data()}), "");
    EXPECT_EQ(fault_of("copy_in_two_stages", {1}, {32}, {.y = y.data(), .x = x.data(), .n = 254}), "");
    EXPECT_EQ(fault_of("ticket", {7}, {64}, {.y = y.data(), .x = x.data(), .ticket = ticket.data(), .n = 40}), "");
    EXPECT_EQ(fault_of("ticket", {7}, {64}, {.y = y.data(), .x = x.data(), .ticket = ticket.data(), .n = 40}), "");
    EXPECT_EQ(fault_of("atomics", {2}, {64}, {.y = sums.data()}), "");
    EXPECT_EQ(fault_of("vector_exchange", {1}, {32}, {.y = y.data(), .x = x.data()}), "");
    EXPECT_EQ(fault_of("load_matrices_of_numbers", {1}, {32}, {.y = y.data()}), "");
    EXPECT_EQ(fault_of("bytes_side_by_side", {1}, {64}, {.y = y.data()}), "");
}

struct flawed_access {
    const char* kernel;
    unsigned blocks, threads;
    uint32_t n;
    const char* report;
};
class checked_finds : public testing::TestWithParam<flawed_access> {};

TEST_P(checked_finds, the_flaw_in_every_order) {
    const flawed_access& f = GetParam();
    for (const order o : {order::forward, order::reverse, order::random}) {
        current_settings.order = o;
        device_array<uint32_t> x(count_from(0, 512)), y(std::vector<uint32_t>(512)), ticket(std::vector<uint32_t>(1));
        const std::string text =
            fault_of(f.kernel, {f.blocks}, {f.threads}, {.y = y.data(), .x = x.data(), .ticket = ticket.data(), .n = f.n});
        EXPECT_NE(text.find(f.report), std::string::npos) << text;
        EXPECT_NE(text.find("rule_kernels.cpp:"), std::string::npos) << text;
    }
    current_settings = {};
}
INSTANTIATE_TEST_SUITE_P(, checked_finds,
                         testing::Values(flawed_access{"mirror_without_barrier", 1, 256, 0, "race: "},
                                         flawed_access{"mirror_with_barrier_of_the_warp", 1, 256, 0, "race: "},
                                         flawed_access{"shuffle_for_a_barrier", 1, 32, 0, "race: "},
                                         flawed_access{"half_mask_for_a_barrier", 1, 32, 0, "race: "},
                                         flawed_access{"overwrites_what_others_read", 1, 64, 0, "race: "},
                                         flawed_access{"bytes_side_by_side", 1, 64, 1, "race: "},
                                         flawed_access{"blocks_write_one_word", 2, 32, 0, "the write of another block"},
                                         flawed_access{"plain_write_beside_atomics", 1, 32, 0, "race: "},
                                         flawed_access{"ticket_without_release", 3, 64, 40, "the write of another block"},
                                         flawed_access{"ticket_without_acquire", 3, 64, 40, "the write of another block"},
                                         flawed_access{"reads_beyond", 1, 32, 481, "read of 4 bytes at"},
                                         flawed_access{"writes_beyond", 1, 32, 481, "write of 4 bytes at"},
                                         flawed_access{"beyond_a_shared_array", 1, 32, 0, "out of bounds of every array in shared memory"},
                                         flawed_access{"misaligned_vector", 1, 32, 1, "misaligned read of 16 bytes"},
                                         flawed_access{"reads_unwritten_shared_memory", 1, 32, 0, "read of uninitialised memory"},
                                         flawed_access{"read_without_wait", 1, 32, 0, "that nobody has waited for"},
                                         flawed_access{"read_without_barrier", 1, 32, 0, "race: "}),
                         [](const auto& info) { return std::string(info.param.kernel) + (info.param.n == 1 ? "_" : ""); });

TEST(checked, fresh_device_memory_is_uninitialised_until_somebody_writes_it) {
    device_array<uint32_t> x(32), y(32), z(32);
    current_observer->copied(z.data(), x.data(), 128);
    EXPECT_NE(fault_of("copies_words", {1}, {32}, {.y = y.data(), .x = x.data()}).find("uninitialised"), std::string::npos);
    EXPECT_NE(fault_of("copies_words", {1}, {32}, {.y = y.data(), .x = z.data()}).find("uninitialised"), std::string::npos);
    EXPECT_EQ(fault_of("copies_words", {1}, {32}, {.y = x.data(), .x = y.data()}), "");
    current_observer->copied(z.data(), x.data(), 128);
    EXPECT_EQ(fault_of("copies_words", {1}, {32}, {.y = y.data(), .x = z.data()}), "");
}

TEST(checked, a_report_names_both_sides_of_a_race) {
    device_array<uint32_t> x(count_from(0, 256)), y(256);
    const std::string text = fault_of("mirror_without_barrier", {1}, {256}, {.y = y.data(), .x = x.data()});
    EXPECT_NE(text.find("reads shared memory"), std::string::npos) << text;
    EXPECT_NE(text.find("the write of thread "), std::string::npos) << text;
    EXPECT_NE(text.find("block (0,0,0) thread ("), std::string::npos) << text;
}

TEST(access_statistics, lanes_side_by_side_share_wavefronts_and_sectors) {
    std::vector<check::lane_access> together, strided, wide, same;
    for (uint32_t l = 0; l < 32; l++) {
        together.push_back({4096 + l * 4, 4, l});
        strided.push_back({4096 + l * 128, 4, l});
        wide.push_back({4096 + l * 16, 16, l});
        same.push_back({4096, 4, l});
    }
    const auto both = [](check::transactions t) { return std::pair(t.used, t.fewest); };
    EXPECT_EQ(both(check::shared_wavefronts(together)), std::pair(uint64_t{1}, uint64_t{1}));
    EXPECT_EQ(both(check::shared_wavefronts(strided)), std::pair(uint64_t{32}, uint64_t{1}));
    EXPECT_EQ(both(check::shared_wavefronts(wide)), std::pair(uint64_t{4}, uint64_t{4}));
    EXPECT_EQ(both(check::shared_wavefronts(same)), std::pair(uint64_t{1}, uint64_t{1}));
    EXPECT_EQ(both(check::device_sectors(together)), std::pair(uint64_t{4}, uint64_t{4}));
    EXPECT_EQ(both(check::device_sectors(strided)), std::pair(uint64_t{32}, uint64_t{4}));
    EXPECT_EQ(both(check::device_sectors(wide)), std::pair(uint64_t{16}, uint64_t{16}));
    EXPECT_EQ(both(check::device_sectors(same)), std::pair(uint64_t{1}, uint64_t{1}));
}

}  // namespace emulation_test
