// What the kernel tests share: the implementations of this machine as test parameters, memory that ends at a guard page, inputs, and the
// error measures.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "cpu/dispatch.h"
#include "cpu/kernels.h"
#include "formats/half.h"

namespace nq::cpu::testing {

// Every implementation that runs on this machine, by name.
inline std::vector<std::string> runnable_names() {
    std::vector<std::string> names;
    for (const kernels* k : implementations())
        if (supported(*k)) names.emplace_back(k->name);
    return names;
}

inline const kernels& implementation(const std::string& name) {
    for (const kernels* k : implementations())
        if (name == k->name) return *k;
    throw std::runtime_error("no implementation is called " + name);
}

// A test that runs once per implementation; kernel() is the one under test, and its name is that of the test's parameter.
class KernelTest : public ::testing::TestWithParam<std::string> {
protected:
    const kernels& kernel() const { return kernel_; }

private:
    const kernels& kernel_ = implementation(GetParam());
};

#define NQ_FOR_EVERY_IMPLEMENTATION(suite)                                                              \
    INSTANTIATE_TEST_SUITE_P(Machine, suite, ::testing::ValuesIn(::nq::cpu::testing::runnable_names()), \
                             [](const auto& test) { return test.param; })

// n values of T that end as close before an inaccessible page as `alignment` allows: an access past the end faults.
template <class T>
class guarded {
public:
    explicit guarded(size_t n, size_t alignment = alignof(T)) : n_(n) {
        const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
        const size_t bytes = n * sizeof(T);
        mapped_ = (bytes + alignment + page - 1) / page * page + page;
        void* start = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (start == MAP_FAILED) throw std::bad_alloc();
        start_ = static_cast<char*>(start);
        char* end = start_ + mapped_ - page;
        if (mprotect(end, page, PROT_NONE) != 0) throw std::bad_alloc();
        data_ = reinterpret_cast<T*>(end - (bytes + alignment - 1) / alignment * alignment);
    }
    guarded(const std::vector<T>& values, size_t alignment = alignof(T)) : guarded(values.size(), alignment) {
        if (!values.empty()) std::memcpy(data_, values.data(), values.size() * sizeof(T));
    }
    guarded(const guarded&) = delete;
    guarded& operator=(const guarded&) = delete;
    ~guarded() { munmap(start_, mapped_); }

    T* data() const { return data_; }
    size_t size() const { return n_; }
    T& operator[](size_t i) const { return data_[i]; }
    std::vector<T> values() const { return std::vector<T>(data_, data_ + n_); }

private:
    size_t n_;
    size_t mapped_;
    char* start_;
    T* data_;
};

inline uint32_t bits(float x) { return formats::bits_of(x); }

// Equal bit for bit, a NaN of any payload equal to another.
inline ::testing::AssertionResult same_values(const float* a, const float* b, size_t n) {
    for (size_t i = 0; i < n; ++i)
        if (bits(a[i]) != bits(b[i]) && !(std::isnan(a[i]) && std::isnan(b[i])))
            return ::testing::AssertionFailure() << "element " << i << ": " << a[i] << " against " << b[i];
    return ::testing::AssertionSuccess();
}

inline std::vector<float> normal_values(size_t n, uint32_t seed, float scale = 1.0f) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal(0.0f, scale);
    std::vector<float> values(n);
    for (float& v : values) v = normal(generator);
    return values;
}

inline float through(nq_dtype dtype, float x) {
    if (dtype == NQ_DTYPE_F16) return formats::f32_from_f16(formats::f16_from_f32(x));
    if (dtype == NQ_DTYPE_BF16) return formats::f32_from_bf16(formats::bf16_from_f32(x));
    return x;
}

// A product in f64, with the sum of magnitudes that elementwise bounds are made of.
struct reference_product {
    std::vector<double> y;
    std::vector<double> magnitude;
};

// y = x * w^T + bias: x [m][x_stride], w [n][k]; bias may be empty.
inline reference_product multiply(const float* x, size_t m, size_t x_stride, const std::vector<float>& w, size_t n, size_t k,
                                  const std::vector<float>& bias) {
    reference_product result{std::vector<double>(m * n), std::vector<double>(m * n)};
    for (size_t row = 0; row < m; ++row) {
        for (size_t column = 0; column < n; ++column) {
            double sum = 0, magnitude = 0;
            for (size_t i = 0; i < k; ++i) {
                const double product = static_cast<double>(x[row * x_stride + i]) * w[column * k + i];
                sum += product;
                magnitude += std::fabs(product);
            }
            const double b = bias.empty() ? 0.0 : bias[column];
            result.y[row * n + column] = sum + b;
            result.magnitude[row * n + column] = magnitude + std::fabs(b);
        }
    }
    return result;
}

// Relative Frobenius error at most `tier` (not of a handful of numbers, which may all have cancelled), and each |error| <= 4 sqrt(k) eps
// sum |x w|.
inline void expect_close(const float* y, size_t y_stride, const reference_product& expected, size_t m, size_t n, size_t k, double tier) {
    double error = 0, norm = 0, worst = 0;
    for (size_t row = 0; row < m; ++row) {
        for (size_t column = 0; column < n; ++column) {
            const double e = y[row * y_stride + column] - expected.y[row * n + column];
            const double bound =
                4 * std::sqrt(static_cast<double>(k)) * std::numeric_limits<float>::epsilon() * expected.magnitude[row * n + column];
            // 1e-37: products of subnormals
            ASSERT_LE(std::fabs(e), bound + 1e-37) << "row " << row << " column " << column << " of " << m << " x " << n << ", K " << k;
            error += e * e;
            norm += expected.y[row * n + column] * expected.y[row * n + column];
            worst = std::fmax(worst, std::fabs(e));
        }
    }
    if (m * n < 15) return;
    ASSERT_LE(std::sqrt(error), tier * std::sqrt(norm) + 1e-37) << m << " x " << n << ", K " << k << ", largest error " << worst;
}

// x brought into bf16 parts, as the driver does for products on tiles.
class split_rows {
public:
    split_rows(const kernels& kernel, const float* x, size_t m, size_t x_stride, size_t k, size_t parts)
        : data_(parts * m * ((k + 31) / 32 * 32)), irregular_(m), view_{data_.data(),      parts, m,       (k + 31) / 32 * 32,
                                                                        irregular_.data(), x,     x_stride} {
        for (size_t row = 0; row < m; ++row)
            irregular_[row] = kernel.tiles->split_row(x + row * x_stride, k, row, view_, data_.data()) ? 0 : 1;
    }
    const activations_bf16& view() const { return view_; }

private:
    guarded<uint16_t> data_;
    guarded<uint8_t> irregular_;
    activations_bf16 view_;
};

// The dense and 4-bit products of an implementation, on tiles where it wants them so.
inline void run_linear(const kernels& kernel, const dense_panels& weights, const float* x, size_t m, size_t x_stride, const float* bias,
                       float* y, size_t y_stride, size_t panel_begin, size_t panel_end) {
    const size_t parts = kernel.tiles != nullptr ? kernel.tiles->linear_parts(weights, m) : 0;
    if (parts == 0) return kernel.linear(weights, x, m, x_stride, bias, y, y_stride, panel_begin, panel_end);
    const split_rows split(kernel, x, m, x_stride, weights.columns, parts);
    kernel.tiles->linear(weights, split.view(), bias, y, y_stride, panel_begin, panel_end);
}

inline void run_linear4bit(const kernels& kernel, const panels4bit& weights, const float* x, size_t m, size_t x_stride, const float* bias,
                           nq_dtype compute_dtype, float* y, size_t y_stride, size_t panel_begin, size_t panel_end) {
    const size_t parts = kernel.tiles != nullptr ? kernel.tiles->linear4bit_parts(weights, compute_dtype, m) : 0;
    if (parts == 0) return kernel.linear4bit(weights, x, m, x_stride, bias, compute_dtype, y, y_stride, panel_begin, panel_end);
    const split_rows split(kernel, x, m, x_stride, weights.columns, parts);
    kernel.tiles->linear4bit(weights, split.view(), bias, compute_dtype, y, y_stride, panel_begin, panel_end);
}

constexpr float canary = 7.5e33f;  // in memory that a kernel must leave alone

}  // namespace nq::cpu::testing
