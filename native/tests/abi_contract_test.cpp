// The contract of the functions that take handles and host memory, and of handles themselves.
#include <algorithm>
#include <atomic>
#include <thread>

#include "support.h"

namespace nq::test {
namespace {

constexpr nq_status invalid = NQ_STATUS_INVALID_ARGUMENT;

// Every function that takes a handle of the type, called with `handle`; the statuses.
std::vector<nq_status> use(nq_device* handle) {
    nq_device_info info;
    nq_buffer* b;
    nq_matrix* m;
    nq_kv_cache* c;
    const float w[64] = {};
    uint8_t bytes[64] = {};
    int8_t codes[64] = {};
    float absmax[64] = {};
    nq_matrix4bit_storage storage{1, 64, NQ_QUANT_TYPE_NF4, NQ_DTYPE_F32, 64, 0, bytes, absmax, nullptr, nullptr, nullptr, 0, 0};
    return {nq_device_get_info(handle, &info),
            nq_device_reset_peak(handle),
            nq_device_trim(handle),
            nq_device_synchronize(handle),
            nq_device_step_begin(handle),
            nq_device_step_end(handle),
            nq_buffer_create(handle, 64, &b),
            nq_matrix_create_dense(handle, 1, 64, NQ_DTYPE_F32, w, sizeof w, NQ_DTYPE_F32, &m),
            nq_matrix_quantize_4bit(handle, 1, 64, NQ_DTYPE_F32, w, sizeof w, NQ_QUANT_TYPE_NF4, 64, 0, &m),
            nq_matrix_quantize_8bit(handle, 1, 64, NQ_DTYPE_F32, w, sizeof w, &m),
            nq_matrix_import_4bit(handle, &storage, &m),
            nq_matrix_import_8bit(handle, 1, 64, NQ_DTYPE_F32, codes, absmax, &m),
            nq_kv_cache_create(handle, 1, 1, 1, 1, NQ_DTYPE_F32, &c)};
}

std::vector<nq_status> use(nq_buffer* handle) {
    uint64_t size;
    char byte = 0;
    return {nq_buffer_size(handle, &size), nq_buffer_write(handle, 0, &byte, 1), nq_buffer_read(handle, 0, &byte, 1),
            nq_buffer_copy(handle, 0, handle, 0, 1)};
}

std::vector<nq_status> use(nq_matrix* handle) {
    static const device cpu;
    const array x(cpu, NQ_DTYPE_F32, 1, 1), y(cpu, NQ_DTYPE_F32, 1, 1), ids(cpu, NQ_DTYPE_U32, 1, 1);
    nq_matrix_info info;
    nq_matrix4bit_storage storage{};
    int8_t code;
    float absmax;
    return {nq_matrix_get_info(handle, &info),
            nq_matrix_export_4bit(handle, &storage),
            nq_matrix_export_8bit(handle, &code, &absmax),
            nq_matrix_dequantize(handle, y),
            nq_linear_forward(handle, x, nullptr, y),
            nq_linear4bit_forward(handle, x, nullptr, NQ_DTYPE_F32, y),
            nq_linear8bit_forward(handle, x, nullptr, 6, y),
            nq_embedding_forward(handle, ids, y)};
}

std::vector<nq_status> use(nq_kv_cache* handle) {
    static const device cpu;
    const array x(cpu, NQ_DTYPE_F32, 1, 1), y(cpu, NQ_DTYPE_F32, 1, 1);
    uint64_t length;
    return {nq_kv_cache_append(handle, 0, x, y), nq_kv_cache_length(handle, 0, &length), nq_kv_cache_bytes(handle, &length),
            nq_kv_cache_truncate(handle, 0), nq_attention_forward(handle, 0, x, 1, 0, y)};
}

template <class Handle>
void expect_all(Handle* handle, nq_status expected, const char* why) {
    const std::vector<nq_status> statuses = use(handle);
    for (size_t i = 0; i < statuses.size(); i++)
        EXPECT_EQ(statuses[i], expected) << why << ", call " << i << ": " << nq_last_error_message();
}

template <class Handle>
void expect_unusable(Handle* destroyed, nq_status (*destroy)(Handle*) noexcept) {
    expect_all(destroyed, NQ_STATUS_INVALID_HANDLE, "destroyed");
    EXPECT_EQ(destroy(destroyed), NQ_STATUS_INVALID_HANDLE) << "twice";
    expect_all<Handle>(nullptr, invalid, "null");
    EXPECT_EQ(destroy(nullptr), NQ_STATUS_OK) << "null may be destroyed";
    int local = 0;
    for (uintptr_t bits : {uintptr_t{1}, uintptr_t{0xDEADBEEF}, reinterpret_cast<uintptr_t>(&local), ~uintptr_t{0},
                           reinterpret_cast<uintptr_t>(destroyed) ^ 1, reinterpret_cast<uintptr_t>(destroyed) ^ (uintptr_t{1} << 40),
                           reinterpret_cast<uintptr_t>(destroyed) ^ (uintptr_t{3} << 52)}) {
        expect_all(reinterpret_cast<Handle*>(bits), NQ_STATUS_INVALID_HANDLE, "foreign");
        EXPECT_EQ(destroy(reinterpret_cast<Handle*>(bits)), NQ_STATUS_INVALID_HANDLE);
    }
}

TEST(Handles, AreRecognisedWhenDestroyedNullOrForeign) {
    device cpu;
    const matrix weights = dense_matrix(cpu, 2, 2, {1, 2, 3, 4});
    buffer b;
    ASSERT_OK(nq_buffer_create(cpu, 8, b.out()));
    kv_cache c;
    ASSERT_OK(nq_kv_cache_create(cpu, 1, 1, 1, 4, NQ_DTYPE_F32, c.out()));
    matrix m = dense_matrix(cpu, 1, 1, {1});
    nq_buffer* dead_buffer = b.release();
    nq_matrix* dead_matrix = m.release();
    nq_kv_cache* dead_cache = c.release();
    ASSERT_OK(nq_buffer_destroy(dead_buffer));
    ASSERT_OK(nq_matrix_destroy(dead_matrix));
    ASSERT_OK(nq_kv_cache_destroy(dead_cache));
    expect_unusable(dead_buffer, nq_buffer_destroy);
    expect_unusable(dead_matrix, nq_matrix_destroy);
    expect_unusable(dead_cache, nq_kv_cache_destroy);
    nq_device* dead_device = cpu.release();
    ASSERT_OK(nq_device_destroy(dead_device));
    expect_unusable(dead_device, nq_device_destroy);
}

TEST(Handles, ASlotUsedAgainHasAnotherHandle) {
    const device cpu;
    std::vector<nq_buffer*> seen;
    for (int i = 0; i < 1000; i++) {
        buffer b;
        ASSERT_OK(nq_buffer_create(cpu, 1, b.out()));
        seen.push_back(b);
    }
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end());
}

TEST(Handles, ChildrenOutliveTheHandleOfTheirDevice) {
    buffer b;
    matrix weights;
    kv_cache cache;
    {
        const device cpu;
        ASSERT_OK(nq_buffer_create(cpu, 256, b.out()));
        weights = dense_matrix(cpu, 4, 4, normal_values(16, 1));
        ASSERT_OK(nq_kv_cache_create(cpu, 1, 1, 4, 8, NQ_DTYPE_F32, cache.out()));
    }
    const nq_tensor x{b, 0, 1, 4, 4, NQ_DTYPE_F32, 0}, y{b, 64, 1, 4, 4, NQ_DTYPE_F32, 0};
    EXPECT_OK(nq_linear_forward(weights, &x, nullptr, &y));
    EXPECT_OK(nq_kv_cache_append(cache, 0, &x, &y));
    EXPECT_OK(nq_attention_forward(cache, 0, &x, 1, 0, &y));
}

// One thread destroys what the others use: they succeed or are told, and nothing else happens.
TEST(Handles, MayBeDestroyedWhileInUse) {
    constexpr size_t n = 64, k = 64;
    const device cpu(nullptr, 3);
    for (int round = 0; round < 30; round++) {
        nq_matrix* weights = matrix_4bit(cpu, n, k, normal_values(n * k, 1), NQ_QUANT_TYPE_NF4, 64, true).release();
        nq_buffer* memory = nullptr;
        ASSERT_OK(nq_buffer_create(cpu, (k + n) * 4, &memory));
        nq_kv_cache* cache = nullptr;
        ASSERT_OK(nq_kv_cache_create(cpu, 1, 1, 64, 100000, NQ_DTYPE_F32, &cache));
        std::atomic<int> running{0};
        std::vector<std::thread> users;
        for (int u = 0; u < 3; u++) {
            users.emplace_back([&] {
                const nq_tensor x{memory, 0, 1, k, k, NQ_DTYPE_F32, 0};
                const array mine(cpu, NQ_DTYPE_F32, 1, n);
                running++;
                nq_status status = NQ_STATUS_OK;
                while (status == NQ_STATUS_OK) status = nq_linear4bit_forward(weights, &x, nullptr, NQ_DTYPE_F32, mine);
                EXPECT_EQ(status, NQ_STATUS_INVALID_HANDLE) << nq_last_error_message();
                do status = nq_kv_cache_append(cache, 0, &x, mine);
                while (status == NQ_STATUS_OK);
                EXPECT_TRUE(status == NQ_STATUS_INVALID_HANDLE || status == NQ_STATUS_INVALID_ARGUMENT) << nq_last_error_message();
            });
        }
        while (running < 3) std::this_thread::yield();
        EXPECT_OK(nq_kv_cache_destroy(cache));
        EXPECT_OK(nq_matrix_destroy(weights));
        EXPECT_OK(nq_buffer_destroy(memory));
        for (std::thread& t : users) t.join();
    }
}

TEST(Handles, SurviveManyThreadsMakingAndDestroying) {
    const device cpu;
    std::atomic<int> wins{0};
    std::vector<std::thread> threads;
    std::atomic<nq_buffer*> shared{nullptr};
    for (int t = 0; t < 4; t++) {
        threads.emplace_back([&] {
            for (int i = 0; i < 3000; i++) {
                nq_buffer* mine = nullptr;
                ASSERT_OK(nq_buffer_create(cpu, 16, &mine));
                // Two threads may race to destroy the same handle: exactly one succeeds.
                nq_buffer* theirs = shared.exchange(mine);
                uint64_t size;
                nq_buffer_size(mine, &size);
                if (theirs != nullptr && nq_buffer_destroy(theirs) == NQ_STATUS_OK) wins++;
                if (i % 7 == 0 && nq_buffer_destroy(mine) == NQ_STATUS_OK) wins++;
            }
        });
    }
    for (std::thread& t : threads) t.join();
    if (nq_buffer_destroy(shared) == NQ_STATUS_OK) wins++;
    EXPECT_EQ(wins, 12000);
    EXPECT_EQ(cpu.info().allocated_bytes, 0u);
}

TEST(Library, DescribesItself) {
    EXPECT_EQ(nq_abi_version(), uint32_t{NQ_ABI_VERSION_MAJOR << 16 | NQ_ABI_VERSION_MINOR});
    EXPECT_NE(std::string(nq_build_info()).find("NativeQuant"), std::string::npos);
    EXPECT_STREQ(nq_status_name(NQ_STATUS_OK), "ok");
    EXPECT_STREQ(nq_status_name(NQ_STATUS_OUT_OF_MEMORY), "out of memory");
    EXPECT_STREQ(nq_status_name(NQ_STATUS_DEVICE_LOST), "device lost");
    EXPECT_STREQ(nq_status_name(static_cast<nq_status>(77)), "unknown status");
    float values[256];
    EXPECT_EQ(nq_codebook_4bit(NQ_QUANT_TYPE_NF4, nullptr), invalid);
    EXPECT_EQ(nq_codebook_4bit(static_cast<nq_quant_type>(2), values), invalid);
    EXPECT_EQ(nq_dynamic_map(1, nullptr), invalid);
    EXPECT_EQ(nq_dynamic_map(2, values), invalid);
    uint64_t bytes;
    EXPECT_EQ(nq_host_memory(nullptr, &bytes), invalid);
    EXPECT_EQ(nq_host_memory(&bytes, nullptr), invalid);
}

TEST(Library, ErrorMessagesBelongToTheirThread) {
    ASSERT_EQ(nq_dynamic_map(5, nullptr), invalid);
    const std::string mine = nq_last_error_message();
    EXPECT_EQ(mine, "signed_map is 5, expected 0 or 1");
    std::thread([] {
        EXPECT_STREQ(nq_last_error_message(), "");
        nq_dynamic_map(6, nullptr);
        EXPECT_STREQ(nq_last_error_message(), "signed_map is 6, expected 0 or 1");
    }).join();
    EXPECT_EQ(nq_last_error_message(), mine);
    float values[256];
    EXPECT_OK(nq_dynamic_map(1, values));
    EXPECT_EQ(nq_last_error_message(), mine) << "a success leaves it";
}

TEST(Library, ListsImplementationsBestFirst) {
    const uint32_t count = nq_cpu_implementation_count();
    ASSERT_GE(count, 1u);
    int selected = 0;
    nq_cpu_implementation last{};
    for (uint32_t i = 0; i < count; i++) {
        ASSERT_OK(nq_cpu_implementation_get(i, &last));
        selected += last.selected;
        EXPECT_TRUE(last.supported != 0 || last.selected == 0);
    }
    EXPECT_EQ(selected, 1);
    EXPECT_STREQ(last.name, "scalar");
    EXPECT_EQ(last.supported, 1);
    EXPECT_EQ(nq_cpu_implementation_get(count, &last), invalid);
    EXPECT_EQ(nq_cpu_implementation_get(0, nullptr), invalid);
}

TEST(Library, TheEnvironmentForcesAnImplementation) {
    const char* before = std::getenv("NATIVEQUANT_CPU");
    const std::string kept = before == nullptr ? "" : before;
    for (const std::string& name : implementations()) {
        setenv("NATIVEQUANT_CPU", name.c_str(), 1);
        EXPECT_EQ(device().info().implementation, name);
    }
    nq_device* cpu = nullptr;
    setenv("NATIVEQUANT_CPU", "avx9000", 1);
    EXPECT_EQ(nq_device_open("cpu", nullptr, &cpu), NQ_STATUS_DEVICE_NOT_AVAILABLE);
    EXPECT_NE(std::string(nq_last_error_message()).find("'avx9000' (from NATIVEQUANT_CPU) is unknown; known: "), std::string::npos)
        << nq_last_error_message();
    EXPECT_NE(std::string(nq_last_error_message()).find("scalar"), std::string::npos);
    EXPECT_EQ(device("scalar").info().implementation, std::string("scalar")) << "an option goes before the environment";
    before == nullptr ? unsetenv("NATIVEQUANT_CPU") : setenv("NATIVEQUANT_CPU", kept.c_str(), 1);
}

TEST(Library, TheEnvironmentSetsTheNumberOfThreads) {
    const nq_device_options options{sizeof(nq_device_options), 0, nullptr};
    const auto threads = [&](const char* value) -> int {
        setenv("NATIVEQUANT_THREADS", value, 1);
        nq_device* cpu = nullptr;
        nq_device_info info{};
        if (nq_device_open("cpu", &options, &cpu) != NQ_STATUS_OK) return -1;
        EXPECT_OK(nq_device_get_info(cpu, &info));
        EXPECT_OK(nq_device_destroy(cpu));
        return static_cast<int>(info.thread_count);
    };
    EXPECT_EQ(threads("5"), 5);
    for (const char* wrong : {"0", "-1", "many", "3x", "99999999999999999999"}) EXPECT_EQ(threads(wrong), -1) << wrong;
    unsetenv("NATIVEQUANT_THREADS");
    nq_device* cpu = nullptr;
    ASSERT_OK(nq_device_open("cpu", nullptr, &cpu));
    nq_device_info info{};
    EXPECT_OK(nq_device_get_info(cpu, &info));
    EXPECT_GE(info.thread_count, 1u);
    EXPECT_LE(info.thread_count, std::thread::hardware_concurrency());
    EXPECT_STREQ(info.kind, "cpu");
    EXPECT_OK(nq_device_destroy(cpu));
}

TEST(Devices, AreOpenedByNameOnly) {
    nq_device* cpu = nullptr;
    EXPECT_EQ(nq_device_open(nullptr, nullptr, &cpu), invalid);
    EXPECT_EQ(nq_device_open("cpu", nullptr, nullptr), invalid);
    for (const char* name : {"", "CPU", "cpu:0", "cuda", "cuda:", "cuda:one", "cuda:-1", "cuda:4294967296", "tpu"}) {
        EXPECT_EQ(nq_device_open(name, nullptr, &cpu), NQ_STATUS_DEVICE_NOT_AVAILABLE) << name;
        EXPECT_NE(std::string(nq_last_error_message()).find("expected cpu or cuda:N"), std::string::npos);
    }
    nq_device_options options{4, 0, nullptr};
    EXPECT_EQ(nq_device_open("cpu", &options, &cpu), invalid) << "struct_size";
    options = {sizeof options, 100000, nullptr};
    EXPECT_EQ(nq_device_open("cpu", &options, &cpu), invalid) << "thread_count";
    options = {sizeof options, 0, "nonsense"};
    EXPECT_EQ(nq_device_open("cpu", &options, &cpu), NQ_STATUS_DEVICE_NOT_AVAILABLE);
    EXPECT_EQ(cpu, nullptr) << "untouched on failure";
    EXPECT_EQ(nq_device_get_info(device(), nullptr), invalid);
}

TEST(Devices, CheckTheArgumentsOfTheCudaFunctions) {
    nq_cuda_device device{};
    EXPECT_EQ(nq_cuda_device_count(nullptr), invalid);
    EXPECT_EQ(nq_cuda_device_get(0, nullptr), invalid);
    EXPECT_EQ(nq_cuda_set_library(nullptr), invalid);
    EXPECT_EQ(nq_cuda_device_get(4096, &device), NQ_STATUS_DEVICE_NOT_AVAILABLE);
    EXPECT_EQ(device.name, nullptr) << "untouched on failure";
}

TEST(Devices, AStepChangesNoResult) {
    const device cpu;
    const array x(cpu, NQ_DTYPE_F32, 1, 3, {1, 2, 3}), y(cpu, NQ_DTYPE_F32, 1, 3, {10, 20, 30});
    for (int step = 0; step < 3; step++) {
        ASSERT_OK(nq_device_step_begin(cpu));
        ASSERT_OK(nq_residual_add_forward(x, y));
        ASSERT_OK(nq_residual_add_forward(x, y));
        ASSERT_OK(nq_device_step_end(cpu));
    }
    ASSERT_OK(nq_device_synchronize(cpu));
    EXPECT_EQ(y.floats(), (std::vector<float>{16, 32, 48}));
}

TEST(Buffers, AreCopiedInsideTheirBounds) {
    const device cpu, other;
    buffer a, b, elsewhere;
    EXPECT_EQ(nq_buffer_create(cpu, 0, a.out()), invalid);
    EXPECT_EQ(nq_buffer_create(cpu, 8, nullptr), invalid);
    ASSERT_OK(nq_buffer_create(cpu, 10, a.out()));
    ASSERT_OK(nq_buffer_create(cpu, 10, b.out()));
    ASSERT_OK(nq_buffer_create(other, 10, elsewhere.out()));
    char text[11] = "0123456789", read[11] = {};
    ASSERT_OK(nq_buffer_write(a, 0, text, 10));
    for (const auto& [offset, bytes] :
         {std::pair<uint64_t, uint64_t>{0, 11}, {10, 1}, {11, 0}, {UINT64_MAX, 2}, {2, UINT64_MAX}, {UINT64_MAX, UINT64_MAX}}) {
        EXPECT_EQ(nq_buffer_write(a, offset, text, bytes), invalid) << offset << ' ' << bytes;
        EXPECT_EQ(nq_buffer_read(a, offset, read, bytes), invalid);
        EXPECT_EQ(nq_buffer_copy(a, offset, b, 0, bytes), invalid);
        EXPECT_EQ(nq_buffer_copy(a, 0, b, offset, bytes), invalid);
    }
    EXPECT_EQ(nq_buffer_write(a, 0, nullptr, 1), invalid);
    EXPECT_EQ(nq_buffer_read(a, 0, nullptr, 1), invalid);
    EXPECT_OK(nq_buffer_write(a, 10, nullptr, 0));
    EXPECT_EQ(nq_buffer_size(a, nullptr), invalid);
    EXPECT_EQ(nq_buffer_copy(a, 0, elsewhere, 0, 1), NQ_STATUS_WRONG_DEVICE);
    ASSERT_OK(nq_buffer_copy(a, 0, b, 3, 7));
    ASSERT_OK(nq_buffer_read(b, 3, read, 7));
    EXPECT_STREQ(read, "0123456");
    ASSERT_OK(nq_buffer_copy(a, 0, a, 2, 8));  // overlapping
    ASSERT_OK(nq_buffer_read(a, 0, read, 10));
    EXPECT_STREQ(read, "0101234567");
}

TEST(Matrices, CheckHostMemoryAndShapes) {
    const device cpu;
    const std::vector<float> w = normal_values(128, 1);
    nq_matrix* m = nullptr;
    const auto refused = [&](uint64_t rows, uint64_t columns, nq_dtype dtype, const void* source, uint64_t bytes) {
        EXPECT_EQ(nq_matrix_create_dense(cpu, rows, columns, dtype, source, bytes, NQ_DTYPE_F32, &m), invalid);
        EXPECT_EQ(nq_matrix_quantize_4bit(cpu, rows, columns, dtype, source, bytes, NQ_QUANT_TYPE_NF4, 64, 0, &m), invalid);
        EXPECT_EQ(nq_matrix_quantize_8bit(cpu, rows, columns, dtype, source, bytes, &m), invalid);
        EXPECT_EQ(m, nullptr);
    };
    refused(2, 64, NQ_DTYPE_F32, nullptr, 512);
    refused(2, 64, NQ_DTYPE_F32, w.data(), 511);
    refused(2, 64, NQ_DTYPE_F32, w.data(), 513);
    refused(2, 64, NQ_DTYPE_F16, w.data(), 512);
    refused(0, 64, NQ_DTYPE_F32, w.data(), 0);
    refused(2, 0, NQ_DTYPE_F32, w.data(), 0);
    refused(2, 64, NQ_DTYPE_I8, w.data(), 128);
    refused(2, 64, static_cast<nq_dtype>(50), w.data(), 512);
    refused(uint64_t{1} << 32, uint64_t{1} << 32, NQ_DTYPE_F32, w.data(), 0);
    refused(uint64_t{1} << 63, 8, NQ_DTYPE_F32, w.data(), 0);
    EXPECT_EQ(nq_matrix_create_dense(cpu, 2, 64, NQ_DTYPE_F32, w.data(), 512, NQ_DTYPE_U8, &m), invalid);
    EXPECT_EQ(nq_matrix_create_dense(cpu, 2, 64, NQ_DTYPE_F32, w.data(), 512, NQ_DTYPE_F32, nullptr), invalid);
    EXPECT_EQ(nq_matrix_quantize_4bit(cpu, 2, 64, NQ_DTYPE_F32, w.data(), 512, static_cast<nq_quant_type>(9), 64, 0, &m), invalid);
    EXPECT_EQ(nq_matrix_quantize_4bit(cpu, 2, 64, NQ_DTYPE_F32, w.data(), 512, NQ_QUANT_TYPE_NF4, 100, 0, &m), invalid);
    EXPECT_EQ(nq_matrix_quantize_4bit(cpu, 2, 64, NQ_DTYPE_F32, w.data(), 512, NQ_QUANT_TYPE_NF4, 64, 0, nullptr), invalid);
    EXPECT_EQ(nq_matrix_quantize_8bit(cpu, 2, 64, NQ_DTYPE_F32, w.data(), 512, nullptr), invalid);
    int8_t codes[128] = {};
    float absmax[2] = {};
    EXPECT_EQ(nq_matrix_import_8bit(cpu, 2, 64, NQ_DTYPE_F32, nullptr, absmax, &m), invalid);
    EXPECT_EQ(nq_matrix_import_8bit(cpu, 2, 64, NQ_DTYPE_F32, codes, nullptr, &m), invalid);
    EXPECT_EQ(nq_matrix_import_8bit(cpu, 2, 64, NQ_DTYPE_U8, codes, absmax, &m), invalid);
    EXPECT_EQ(nq_matrix_import_8bit(cpu, 0, 64, NQ_DTYPE_F32, codes, absmax, &m), invalid);
    EXPECT_EQ(nq_matrix_import_8bit(cpu, 2, 64, NQ_DTYPE_F32, codes, absmax, nullptr), invalid);
    const matrix dense = dense_matrix(cpu, 2, 64, w);
    EXPECT_EQ(nq_matrix_export_8bit(dense, codes, absmax), invalid) << "not an 8-bit matrix";
    EXPECT_EQ(nq_matrix_get_info(dense, nullptr), invalid);
    const matrix eight = matrix_8bit(cpu, 2, 64, w);
    EXPECT_EQ(nq_matrix_export_8bit(eight, nullptr, absmax), invalid);
    EXPECT_EQ(nq_matrix_export_8bit(eight, codes, nullptr), invalid);
}

TEST(Matrices, CheckTheExchangeFormat) {
    const device cpu;
    uint8_t packed[64] = {}, codes[2] = {};
    float absmax[2] = {}, nested[1] = {}, map[256] = {};
    const nq_matrix4bit_storage plain{2, 64, NQ_QUANT_TYPE_NF4, NQ_DTYPE_F32, 64, 0, packed, absmax, nullptr, nullptr, nullptr, 0, 0};
    const nq_matrix4bit_storage double_quantized{2, 64, NQ_QUANT_TYPE_NF4, NQ_DTYPE_F32, 64, 256, packed, nullptr, codes, nested, map,
                                                 0, 0};
    nq_matrix* m = nullptr;
    const auto refused = [&](nq_matrix4bit_storage wrong, const auto& spoil, const char* why) {
        spoil(wrong);
        EXPECT_EQ(nq_matrix_import_4bit(cpu, &wrong, &m), invalid) << why;
        EXPECT_EQ(m, nullptr);
    };
    using storage = nq_matrix4bit_storage;
    refused(
        plain, [](storage& s) { s.rows = 0; }, "rows");
    refused(
        plain, [](storage& s) { s.rows = s.columns = uint64_t{1} << 40; }, "overflow");
    refused(
        plain, [](storage& s) { s.blocksize = 48; }, "blocksize");
    refused(
        plain, [](storage& s) { s.quant_type = static_cast<nq_quant_type>(3); }, "quant_type");
    refused(
        plain, [](storage& s) { s.dtype = NQ_DTYPE_I32; }, "dtype");
    refused(
        plain, [](storage& s) { s.packed = nullptr; }, "packed");
    refused(
        plain, [](storage& s) { s.absmax = nullptr; }, "absmax");
    refused(
        plain, [](storage& s) { s.reserved = 1; }, "reserved");
    refused(
        double_quantized, [](storage& s) { s.absmax_codes = nullptr; }, "absmax_codes");
    refused(
        double_quantized, [](storage& s) { s.nested_absmax = nullptr; }, "nested_absmax");
    refused(
        double_quantized, [](storage& s) { s.nested_map = nullptr; }, "nested_map");
    EXPECT_EQ(nq_matrix_import_4bit(cpu, nullptr, &m), invalid);
    EXPECT_EQ(nq_matrix_import_4bit(cpu, &plain, nullptr), invalid);

    matrix weights;
    ASSERT_OK(nq_matrix_import_4bit(cpu, &double_quantized, weights.out()));
    const auto not_exported = [&](const auto& spoil, const char* why) {
        nq_matrix4bit_storage wrong = double_quantized;
        spoil(wrong);
        EXPECT_EQ(nq_matrix_export_4bit(weights, &wrong), invalid) << why;
    };
    not_exported([](storage& s) { s.rows = 1; }, "rows");
    not_exported([](storage& s) { s.columns = 128; }, "columns");
    not_exported([](storage& s) { s.quant_type = NQ_QUANT_TYPE_FP4; }, "quant_type");
    not_exported([](storage& s) { s.dtype = NQ_DTYPE_F16; }, "dtype");
    not_exported([](storage& s) { s.blocksize = 32; }, "blocksize");
    not_exported([](storage& s) { s.nested_blocksize = 0; }, "nested_blocksize");
    not_exported([](storage& s) { s.packed = nullptr; }, "packed");
    EXPECT_EQ(nq_matrix_export_4bit(weights, nullptr), invalid);
    EXPECT_EQ(nq_matrix_export_4bit(dense_matrix(cpu, 1, 1, {1}), nullptr), invalid);
}

TEST(KvCaches, CheckTheirShape) {
    const device cpu;
    nq_kv_cache* c = nullptr;
    EXPECT_EQ(nq_kv_cache_create(cpu, 0, 1, 1, 1, NQ_DTYPE_F32, &c), invalid);
    EXPECT_EQ(nq_kv_cache_create(cpu, 1, 0, 1, 1, NQ_DTYPE_F32, &c), invalid);
    EXPECT_EQ(nq_kv_cache_create(cpu, 1, 1, 0, 1, NQ_DTYPE_F32, &c), invalid);
    EXPECT_EQ(nq_kv_cache_create(cpu, 1, 1, 1, 0, NQ_DTYPE_F32, &c), invalid);
    EXPECT_EQ(nq_kv_cache_create(cpu, UINT32_MAX, 1, 1, 1, NQ_DTYPE_F32, &c), invalid);
    EXPECT_EQ(nq_kv_cache_create(cpu, 1, UINT32_MAX, UINT32_MAX, 1, NQ_DTYPE_F32, &c), invalid);
    EXPECT_EQ(nq_kv_cache_create(cpu, 1, 1, 1, 1, NQ_DTYPE_U8, &c), invalid);
    EXPECT_EQ(nq_kv_cache_create(cpu, 1, 1, 1, 1, NQ_DTYPE_F16, &c), NQ_STATUS_UNSUPPORTED);
    EXPECT_EQ(nq_kv_cache_create(cpu, 1, 1, 1, 1, NQ_DTYPE_F32, nullptr), invalid);
    EXPECT_EQ(c, nullptr);
    kv_cache cache;
    ASSERT_OK(nq_kv_cache_create(cpu, 2, 1, 1, UINT64_MAX, NQ_DTYPE_F32, cache.out()));
    uint64_t length = 7;
    EXPECT_EQ(nq_kv_cache_length(cache, 2, &length), invalid);
    EXPECT_EQ(nq_kv_cache_length(cache, 0, nullptr), invalid);
    EXPECT_EQ(nq_kv_cache_bytes(cache, nullptr), invalid);
    EXPECT_EQ(length, 7u);
    EXPECT_OK(nq_kv_cache_truncate(cache, UINT64_MAX));
}

TEST(KvCaches, MayBeMisusedByManyThreadsWithoutHarm) {
    const device cpu(nullptr, 3);
    kv_cache cache;
    ASSERT_OK(nq_kv_cache_create(cpu, 1, 1, 16, 5000, NQ_DTYPE_F32, cache.out()));
    const array rows(cpu, NQ_DTYPE_F32, 3, 16), q(cpu, NQ_DTYPE_F32, 1, 16);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++) {
        threads.emplace_back([&, t] {
            const array y(cpu, NQ_DTYPE_F32, 1, 16);
            for (int i = 0; i < 300; i++) {
                if (t == 0) {
                    nq_kv_cache_truncate(cache, static_cast<uint64_t>(i % 70));
                } else if (t == 1) {
                    nq_kv_cache_append(cache, 0, rows, rows);
                } else {
                    nq_attention_forward(cache, 0, q, 1, 0, y);
                }
            }
        });
    }
    for (std::thread& t : threads) t.join();
}

}  // namespace
}  // namespace nq::test
