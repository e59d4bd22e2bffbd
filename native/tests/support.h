// What the tests share: owners of the ABI's handles, tensors filled from vectors, random numbers, and the implementations of this machine.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "formats/half.h"
#include "nativequant/nativequant.h"

namespace nq::test {

inline constexpr float infinity = std::numeric_limits<float>::infinity();
inline constexpr float nan = std::numeric_limits<float>::quiet_NaN();

#define EXPECT_OK(call) EXPECT_EQ((call), NQ_STATUS_OK) << nq_last_error_message()
#define ASSERT_OK(call) ASSERT_EQ((call), NQ_STATUS_OK) << nq_last_error_message()

// Owns a handle.
template <class Handle, nq_status (*destroy)(Handle*) noexcept>
class owned {
public:
    owned() = default;
    owned(const owned&) = delete;
    owned(owned&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    owned& operator=(owned&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~owned() { EXPECT_EQ(destroy(handle_), NQ_STATUS_OK) << nq_last_error_message(); }
    operator Handle*() const { return handle_; }
    Handle** out() { return &handle_; }
    Handle* release() { return std::exchange(handle_, nullptr); }

private:
    Handle* handle_ = nullptr;
};

using buffer = owned<nq_buffer, nq_buffer_destroy>;
using matrix = owned<nq_matrix, nq_matrix_destroy>;
using kv_cache = owned<nq_kv_cache, nq_kv_cache_destroy>;

// The device that takes the place of the CPU implementations, e.g. "cuda:0"; null: none does.
inline const char* test_device() { return std::getenv("NATIVEQUANT_TEST_DEVICE"); }
// Whether it is emulated, some 10^4 times slower than a device: then tests choose sizes for the edges they have, not for bulk.
inline bool on_emulated_device() { return test_device() != nullptr && std::getenv("NATIVEQUANT_CUDA_DRIVER") != nullptr; }

// An implementation of the CPU by name, or another device by its name, or what is under test.
class device : public owned<nq_device, nq_device_destroy> {
public:
    explicit device(const char* implementation = test_device(), uint32_t threads = 2) {
        const bool other_device = implementation != nullptr && std::strchr(implementation, ':') != nullptr;
        const nq_device_options options{sizeof(nq_device_options), threads, other_device ? nullptr : implementation};
        EXPECT_OK(nq_device_open(other_device ? implementation : "cpu", &options, out()));
    }
    explicit device(const std::string& implementation, uint32_t threads = 2) : device(implementation.c_str(), threads) {}
    nq_device_info info() const {
        nq_device_info result{};
        EXPECT_OK(nq_device_get_info(*this, &result));
        return result;
    }
};

template <class T>
struct dtype_of;
template <>
struct dtype_of<float> : std::integral_constant<nq_dtype, NQ_DTYPE_F32> {};
template <>
struct dtype_of<int8_t> : std::integral_constant<nq_dtype, NQ_DTYPE_I8> {};
template <>
struct dtype_of<uint8_t> : std::integral_constant<nq_dtype, NQ_DTYPE_U8> {};
template <>
struct dtype_of<int32_t> : std::integral_constant<nq_dtype, NQ_DTYPE_I32> {};
template <>
struct dtype_of<uint32_t> : std::integral_constant<nq_dtype, NQ_DTYPE_U32> {};

inline size_t size_of(nq_dtype dtype) {
    if (dtype == NQ_DTYPE_F16 || dtype == NQ_DTYPE_BF16) return 2;
    return dtype == NQ_DTYPE_I8 || dtype == NQ_DTYPE_U8 ? 1 : 4;
}

// f32 values as the bytes of a floating-point type, and back.
inline std::vector<uint8_t> encode(const std::vector<float>& values, nq_dtype dtype) {
    std::vector<uint8_t> bytes(values.size() * size_of(dtype));
    for (size_t i = 0; i < values.size(); i++) {
        if (dtype == NQ_DTYPE_F32) {
            std::memcpy(&bytes[i * 4], &values[i], 4);
        } else {
            const uint16_t half = dtype == NQ_DTYPE_F16 ? formats::f16_from_f32(values[i]) : formats::bf16_from_f32(values[i]);
            std::memcpy(&bytes[i * 2], &half, 2);
        }
    }
    return bytes;
}

inline std::vector<float> decode(const std::vector<uint8_t>& bytes, nq_dtype dtype) {
    std::vector<float> values(bytes.size() / size_of(dtype));
    for (size_t i = 0; i < values.size(); i++) {
        uint16_t half;
        if (dtype == NQ_DTYPE_F32) {
            std::memcpy(&values[i], &bytes[i * 4], 4);
        } else {
            std::memcpy(&half, &bytes[i * 2], 2);
            values[i] = dtype == NQ_DTYPE_F16 ? formats::f32_from_f16(half) : formats::f32_from_bf16(half);
        }
    }
    return values;
}

inline std::vector<float> rounded(const std::vector<float>& values, nq_dtype dtype) { return decode(encode(values, dtype), dtype); }

// A tensor with a buffer of its own. `gap` elements lie between rows, and `lead` before the first.
class array {
public:
    array(nq_device* device, nq_dtype dtype, size_t rows, size_t columns, size_t gap = 0, size_t lead = 0) {
        view_ = {nullptr, lead * size_of(dtype), rows, columns, columns + gap, dtype, 0};
        EXPECT_OK(nq_buffer_create(device, (lead + rows * (columns + gap)) * size_of(dtype), buffer_.out()));
        view_.buffer = buffer_;
    }
    // f32 values converted to dtype.
    array(nq_device* device, nq_dtype dtype, size_t rows, size_t columns, const std::vector<float>& values, size_t gap = 0)
        : array(device, dtype, rows, columns, gap) {
        set_bytes(encode(values, dtype));
    }
    template <class T>
    array(nq_device* device, size_t rows, size_t columns, const std::vector<T>& values) : array(device, dtype_of<T>::value, rows, columns) {
        std::vector<uint8_t> bytes(values.size() * sizeof(T));
        std::memcpy(bytes.data(), values.data(), bytes.size());
        set_bytes(bytes);
    }

    operator const nq_tensor*() const { return &view_; }
    nq_tensor& view() { return view_; }

    void set_bytes(const std::vector<uint8_t>& bytes) {
        const size_t size = size_of(view_.dtype), row = view_.columns * size;
        ASSERT_EQ(bytes.size(), view_.rows * row);
        for (size_t r = 0; r < view_.rows; r++) {
            ASSERT_OK(nq_buffer_write(buffer_, view_.offset + r * view_.row_stride * size, bytes.data() + r * row, row));
        }
    }
    std::vector<uint8_t> bytes() const {
        const size_t size = size_of(view_.dtype), row = view_.columns * size;
        std::vector<uint8_t> result(view_.rows * row);
        for (size_t r = 0; r < view_.rows; r++) {
            EXPECT_OK(nq_buffer_read(buffer_, view_.offset + r * view_.row_stride * size, result.data() + r * row, row));
        }
        return result;
    }
    // The values as f32, whatever the floating-point type.
    std::vector<float> floats() const { return decode(bytes(), view_.dtype); }
    template <class T>
    std::vector<T> as() const {
        const std::vector<uint8_t> raw = bytes();
        std::vector<T> result(raw.size() / sizeof(T));
        std::memcpy(result.data(), raw.data(), raw.size());
        return result;
    }

private:
    buffer buffer_;
    nq_tensor view_{};
};

inline std::vector<float> normal_values(size_t count, uint32_t seed, float scale = 1) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> distribution(0, scale);
    std::vector<float> values(count);
    for (float& v : values) v = distribution(generator);
    return values;
}

// ||a - b|| / ||b||
inline double relative_error(const std::vector<float>& a, const std::vector<double>& b) {
    EXPECT_EQ(a.size(), b.size());
    double difference = 0, size = 0;
    for (size_t i = 0; i < b.size(); i++) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        size += b[i] * b[i];
    }
    return size == 0 ? std::sqrt(difference) : std::sqrt(difference / size);
}

// Names of the implementations that run on this machine, or of the one device under test. None of them is skipped silently: the list is
// printed by the test names.
inline std::vector<std::string> implementations() {
    if (test_device() != nullptr) return {test_device()};
    std::vector<std::string> names;
    for (uint32_t i = 0; i < nq_cpu_implementation_count(); i++) {
        nq_cpu_implementation implementation{};
        EXPECT_OK(nq_cpu_implementation_get(i, &implementation));
        if (implementation.supported != 0) names.emplace_back(implementation.name);
    }
    return names;
}

// A test run once for each implementation.
class EveryImplementation : public testing::TestWithParam<std::string> {
protected:
    EveryImplementation() : device_(GetParam()) {
        if (test_device() == nullptr) {
            EXPECT_EQ(device_.info().implementation, GetParam());
        }
    }
    device device_;
};

// The implementation in a test's name: "cuda0" for cuda:0.
inline std::string test_name(const testing::TestParamInfo<std::string>& info) {
    std::string name = info.param;
    std::erase(name, ':');
    return name;
}

#define NQ_RUN_ON_EVERY_IMPLEMENTATION(suite) \
    INSTANTIATE_TEST_SUITE_P(On, suite, testing::ValuesIn(::nq::test::implementations()), ::nq::test::test_name)

// --- matrices

inline matrix dense_matrix(nq_device* device, size_t rows, size_t columns, const std::vector<float>& values,
                           nq_dtype dtype = NQ_DTYPE_F32) {
    matrix result;
    EXPECT_OK(nq_matrix_create_dense(device, rows, columns, NQ_DTYPE_F32, values.data(), values.size() * 4, dtype, result.out()));
    return result;
}

inline matrix matrix_4bit(nq_device* device, size_t rows, size_t columns, const std::vector<float>& values, nq_quant_type type,
                          uint32_t blocksize, bool nested) {
    matrix result;
    EXPECT_OK(nq_matrix_quantize_4bit(device, rows, columns, NQ_DTYPE_F32, values.data(), values.size() * 4, type, blocksize, nested,
                                      result.out()));
    return result;
}

inline matrix matrix_8bit(nq_device* device, size_t rows, size_t columns, const std::vector<float>& values) {
    matrix result;
    EXPECT_OK(nq_matrix_quantize_8bit(device, rows, columns, NQ_DTYPE_F32, values.data(), values.size() * 4, result.out()));
    return result;
}

inline std::vector<float> dequantized(nq_device* device, nq_matrix* weights) {
    nq_matrix_info info{};
    EXPECT_OK(nq_matrix_get_info(weights, &info));
    array output(device, NQ_DTYPE_F32, info.rows, info.columns);
    EXPECT_OK(nq_matrix_dequantize(weights, output));
    return output.floats();
}

// Sums in f64, with the size that their errors are measured by: the root of the sum of all squared terms. (Not of the sums: a lone sum may
// cancel.)
struct exact_sums {
    std::vector<double> values;
    double size = 0;
};

inline double relative_error(const std::vector<float>& a, const exact_sums& b) {
    EXPECT_EQ(a.size(), b.values.size());
    double difference = 0;
    for (size_t i = 0; i < b.values.size(); i++) difference += (a[i] - b.values[i]) * (a[i] - b.values[i]);
    return std::sqrt(difference) / b.size;
}

// x [m, k] * w [n, k]^T + bias.
inline exact_sums product(const std::vector<float>& x, const std::vector<float>& w, const std::vector<float>& bias, size_t m, size_t n,
                          size_t k) {
    exact_sums y;
    double squares = 0;
    for (size_t r = 0; r < m; r++) {
        for (size_t c = 0; c < n; c++) {
            double sum = bias.empty() ? 0 : bias[c];
            squares += sum * sum;
            for (size_t i = 0; i < k; i++) {
                const double term = static_cast<double>(x[r * k + i]) * w[c * k + i];
                sum += term;
                squares += term * term;
            }
            y.values.push_back(sum);
        }
    }
    y.size = std::sqrt(squares);
    return y;
}

}  // namespace nq::test
