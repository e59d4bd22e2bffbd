// Memory of a device: what is counted, what is given back, and what is refused.
#include "cpu/memory.h"

#include <thread>

#include "support.h"

namespace nq::test {
namespace {

TEST(Memory, BuffersAreZeroedAlignedAndCounted) {
    const device cpu;
    for (uint64_t bytes : {1u, 63u, 64u, 4097u, 300000u, 3u << 20}) {
        const uint64_t before = cpu.info().allocated_bytes;
        buffer b;
        ASSERT_OK(nq_buffer_create(cpu, bytes, b.out()));
        EXPECT_EQ(cpu.info().allocated_bytes - before, bytes);
        std::vector<uint8_t> content(bytes, 1);
        ASSERT_OK(nq_buffer_read(b, 0, content.data(), bytes));
        EXPECT_EQ(content, std::vector<uint8_t>(bytes, 0));
        uint64_t size = 0;
        ASSERT_OK(nq_buffer_size(b, &size));
        EXPECT_EQ(size, bytes);
    }
    EXPECT_EQ(cpu.info().allocated_bytes, 0u);
    EXPECT_GE(cpu.info().peak_allocated_bytes, 3u << 20);
    ASSERT_OK(nq_device_reset_peak(cpu));
    EXPECT_EQ(cpu.info().peak_allocated_bytes, 0u);
}

TEST(Memory, LargeAllocationsBeginOnAHugePage) {
    const auto account = std::make_shared<cpu::memory_account>();
    for (size_t bytes : {size_t{64}, size_t{100000}, size_t{1} << 20, (size_t{2} << 20) + 5, size_t{9} << 20}) {
        const cpu::allocation block(account, bytes);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(block.address()) % 64, 0u);
        if (bytes >= size_t{2} << 20) {
            EXPECT_EQ(reinterpret_cast<uintptr_t>(block.address()) % (size_t{2} << 20), 0u);
        }
        static_cast<char*>(block.address())[bytes - 1] = 1;
        EXPECT_EQ(account->current(), bytes);
    }
    EXPECT_EQ(account->current(), 0u);
}

TEST(Memory, MoreThanThereIsIsRefusedWithBothFigures) {
    const device cpu;
    for (uint64_t bytes : {UINT64_MAX, UINT64_MAX - 63, uint64_t{1} << 50, uint64_t{1} << 46}) {
        nq_buffer* b = nullptr;
        EXPECT_EQ(nq_buffer_create(cpu, bytes, &b), NQ_STATUS_OUT_OF_MEMORY);
        EXPECT_EQ(b, nullptr);
        EXPECT_NE(std::string(nq_last_error_message()).find(std::to_string(bytes) + " bytes asked for"), std::string::npos)
            << nq_last_error_message();
        EXPECT_NE(std::string(nq_last_error_message()).find("bytes available"), std::string::npos);
    }
    EXPECT_EQ(cpu.info().allocated_bytes, 0u);
    uint64_t total = 0, available = 0;
    ASSERT_OK(nq_host_memory(&total, &available));
    EXPECT_GT(available, 0u);
    EXPECT_LE(available, total);
}

TEST(Memory, ScratchIsReusedAndGivenBack) {
    const device cpu;
    const array x(cpu, NQ_DTYPE_BF16, 64, 512), w(cpu, NQ_DTYPE_F32, 1, 512), y(cpu, NQ_DTYPE_BF16, 64, 512);
    const uint64_t tensors = cpu.info().allocated_bytes;
    ASSERT_OK(nq_rmsnorm_forward(x, w, 1e-5f, y));
    const uint64_t with_scratch = cpu.info().allocated_bytes;
    EXPECT_GT(with_scratch, tensors);
    for (int i = 0; i < 20; i++) ASSERT_OK(nq_rmsnorm_forward(x, w, 1e-5f, y));
    EXPECT_EQ(cpu.info().allocated_bytes, with_scratch);
    ASSERT_OK(nq_device_trim(cpu));
    EXPECT_EQ(cpu.info().allocated_bytes, tensors);
}

TEST(Memory, F32TensorsNeedNoScratch) {
    const device cpu;
    const matrix weights = matrix_4bit(cpu, 64, 128, normal_values(64 * 128, 1), NQ_QUANT_TYPE_NF4, 64, false);
    const array x(cpu, NQ_DTYPE_F32, 1, 128), y(cpu, NQ_DTYPE_F32, 1, 64);
    ASSERT_OK(nq_device_trim(cpu));
    const uint64_t before = cpu.info().allocated_bytes;
    ASSERT_OK(nq_device_reset_peak(cpu));
    ASSERT_OK(nq_linear4bit_forward(weights, x, nullptr, NQ_DTYPE_F32, y));
    EXPECT_EQ(cpu.info().peak_allocated_bytes, before);
}

TEST(Memory, ScratchOfManyThreadsStaysBounded) {
    const device cpu;
    const array x(cpu, NQ_DTYPE_F16, 8, 64), w(cpu, NQ_DTYPE_F32, 1, 64);
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; t++) {
        threads.emplace_back([&] {
            const array y(cpu, NQ_DTYPE_F16, 8, 64);
            for (int i = 0; i < 100; i++) EXPECT_OK(nq_rmsnorm_forward(x, w, 1e-5f, y));
        });
    }
    for (std::thread& t : threads) t.join();
    EXPECT_LE(cpu.info().allocated_bytes, 8u * 64 * 2 + 64 * 4 + 6 * 2 * 4096);
}

}  // namespace
}  // namespace nq::test
