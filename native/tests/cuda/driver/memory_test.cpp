// Device memory: blocks kept and handed out again, out of memory, copies through pinned memory. The emulated device has 64 MiB.
#include <thread>

#include "driver_testing.h"

namespace nq::test {
namespace {

constexpr uint64_t mebibyte = uint64_t{1} << 20;

class device_memory : public testing::Test {
protected:
    emulated_driver driver;
    device cuda{"cuda:0"};
};

TEST_F(device_memory, freed_blocks_are_handed_out_again_without_the_driver) {
    for (uint64_t bytes : {uint64_t{1}, uint64_t{600}, mebibyte, 5 * mebibyte}) buffer_of(cuda, bytes);
    const long long allocations = driver.count("allocations");
    for (int i = 0; i < 20; i++) {
        for (uint64_t bytes : {uint64_t{1}, uint64_t{600}, mebibyte, 5 * mebibyte}) buffer_of(cuda, bytes);
    }
    EXPECT_EQ(driver.count("allocations"), allocations);
}

TEST_F(device_memory, many_small_buffers_share_few_allocations) {
    const long long allocations = driver.count("allocations");
    std::vector<buffer> buffers;
    for (int i = 0; i < 500; i++) buffers.push_back(buffer_of(cuda, 1000));
    EXPECT_LE(driver.count("allocations") - allocations, 1);
    for (size_t i = 0; i < buffers.size(); i++) {
        const std::vector<uint8_t> bytes(1000, static_cast<uint8_t>(i));
        ASSERT_OK(nq_buffer_write(buffers[i], 0, bytes.data(), bytes.size()));
    }
    for (size_t i = 0; i < buffers.size(); i++) {
        std::vector<uint8_t> bytes(1000);
        ASSERT_OK(nq_buffer_read(buffers[i], 0, bytes.data(), bytes.size()));
        ASSERT_EQ(bytes, std::vector<uint8_t>(1000, static_cast<uint8_t>(i))) << i;
    }
}

TEST_F(device_memory, a_new_buffer_is_zero_also_where_another_lay) {
    const std::vector<uint8_t> ones(3000, 1), zeros(3000, 0);
    {
        const buffer b = buffer_of(cuda, ones.size());
        ASSERT_OK(nq_buffer_write(b, 0, ones.data(), ones.size()));
    }
    const buffer b = buffer_of(cuda, ones.size());
    std::vector<uint8_t> read(ones.size(), 7);
    ASSERT_OK(nq_buffer_read(b, 0, read.data(), read.size()));
    EXPECT_EQ(read, zeros);
}

TEST_F(device_memory, trimming_gives_what_is_kept_back) {
    const long long allocations = driver.count("allocations");
    {
        const buffer small = buffer_of(cuda, 100), large = buffer_of(cuda, 9 * mebibyte);
        EXPECT_EQ(driver.count("allocations"), allocations + 2);
        ASSERT_OK(nq_device_trim(cuda));
        EXPECT_EQ(driver.count("allocations"), allocations + 2) << "in use";
    }
    EXPECT_EQ(driver.count("allocations"), allocations + 2) << "kept";
    ASSERT_OK(nq_device_trim(cuda));
    EXPECT_EQ(driver.count("allocations"), allocations);
}

TEST_F(device_memory, what_is_in_use_is_counted_with_its_peak) {
    const uint64_t before = cuda.info().allocated_bytes;
    {
        const buffer b = buffer_of(cuda, 3 * mebibyte);
        EXPECT_GE(cuda.info().allocated_bytes, before + 3 * mebibyte);
    }
    EXPECT_EQ(cuda.info().allocated_bytes, before);
    EXPECT_GE(cuda.info().peak_allocated_bytes, before + 3 * mebibyte);
    ASSERT_OK(nq_device_reset_peak(cuda));
    EXPECT_EQ(cuda.info().peak_allocated_bytes, before);
}

TEST_F(device_memory, out_of_memory_says_how_much_and_leaves_the_device_usable) {
    const uint64_t before = cuda.info().allocated_bytes;
    nq_buffer* none = nullptr;
    ASSERT_EQ(nq_buffer_create(cuda, 100 * mebibyte, &none), NQ_STATUS_OUT_OF_MEMORY);
    for (const char* text : {"104857600 bytes of device memory", "of 67108864 bytes are free", "in use here"}) {
        EXPECT_NE(last_error().find(text), std::string::npos) << last_error();
    }
    for (uint64_t bytes : {uint64_t{1} << 50, UINT64_MAX})
        EXPECT_EQ(nq_buffer_create(cuda, bytes, &none), NQ_STATUS_OUT_OF_MEMORY) << bytes;
    EXPECT_EQ(none, nullptr);
    EXPECT_EQ(cuda.info().allocated_bytes, before);
    const array x(cuda, NQ_DTYPE_F32, 1, 3, {1, 2, 3}), y(cuda, NQ_DTYPE_F32, 1, 3, {1, 1, 1});
    ASSERT_OK(nq_residual_add_forward(x, y));
    EXPECT_EQ(y.floats(), (std::vector<float>{2, 3, 4}));
}

TEST_F(device_memory, kept_blocks_are_given_back_before_memory_is_out) {
    { const buffer a = buffer_of(cuda, 20 * mebibyte), b = buffer_of(cuda, 20 * mebibyte); }
    const buffer larger = buffer_of(cuda, 50 * mebibyte);
    nq_buffer* none = nullptr;
    EXPECT_EQ(nq_buffer_create(cuda, 20 * mebibyte, &none), NQ_STATUS_OUT_OF_MEMORY);
}

TEST_F(device_memory, large_copies_arrive_whole_and_the_source_may_change_at_once) {
    for (size_t bytes : {size_t{1}, size_t{mebibyte}, size_t{mebibyte + 1}, size_t{9 * mebibyte + 12345}}) {
        std::vector<uint8_t> values(bytes);
        std::mt19937 random(static_cast<uint32_t>(bytes));
        for (uint8_t& v : values) v = static_cast<uint8_t>(random());
        const buffer b = buffer_of(cuda, bytes + 5);
        std::vector<uint8_t> source = values;
        ASSERT_OK(nq_buffer_write(b, 5, source.data(), bytes));
        std::fill(source.begin(), source.end(), uint8_t{0});
        std::vector<uint8_t> read(bytes);
        ASSERT_OK(nq_buffer_read(b, 5, read.data(), bytes));
        EXPECT_EQ(read, values) << bytes;
    }
}

TEST_F(device_memory, threads_write_and_read_side_by_side) {
    constexpr size_t bytes = mebibyte + 100;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; t++) {
        threads.emplace_back([this, t] {
            const buffer b = buffer_of(cuda, bytes);
            for (int i = 0; i < 5; i++) {
                const std::vector<uint8_t> values(bytes, static_cast<uint8_t>(10 * t + i));
                EXPECT_OK(nq_buffer_write(b, 0, values.data(), bytes));
                std::vector<uint8_t> read(bytes);
                EXPECT_OK(nq_buffer_read(b, 0, read.data(), bytes));
                EXPECT_EQ(read, values);
            }
        });
    }
    for (std::thread& t : threads) t.join();
}

}  // namespace
}  // namespace nq::test
