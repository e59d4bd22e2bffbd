// The kernel lab: earlier, simpler versions of the 4-bit products beside the final ones, on one device and one matrix.
//
//   kernel_lab               checks every version against f64 sums on small, ragged shapes; exit status 1 if one is wrong
//   kernel_lab time M N K    times the versions that take M rows of x, weights coming from device memory
//
// NATIVEQUANT_CUDA_DRIVER names another driver than the machine's, as for the library. docs/adding-a-kernel.md walks through a version.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "cuda/fail.h"
#include "cuda/linear_layers.h"
#include "cuda/matrix4bit.h"
#include "formats/codebooks.h"
#include "formats/half.h"
#include "versions.h"

namespace nq::cuda::lab {
namespace {

constexpr uint32_t blocksize = 64;

struct shape {
    size_t m, n, k;
};

// A random matrix in host memory.
struct host_matrix {
    shape s;
    std::vector<uint8_t> packed;
    std::vector<float> absmax;

    explicit host_matrix(const shape& size) : s(size), packed(s.n * s.k / 2), absmax(s.n * s.k / blocksize) {
        std::mt19937 random(1);
        for (uint8_t& byte : packed) byte = static_cast<uint8_t>(random());
        for (float& a : absmax) a = 0.5f + static_cast<float>(random() % 1024) / 1024;
    }
    float weight(size_t n, size_t k) const {
        const size_t flat = n * s.k + k;
        const uint8_t byte = packed[flat / 2];
        return formats::nf4_codebook[flat % 2 == 0 ? byte >> 4 : byte & 15] * absmax[flat / blocksize];
    }
};

// The matrix on the device in both layouts.
struct device_matrix {
    device_matrix(cuda_backend& device, const host_matrix& host)
        : packed(device.scratch(host.packed.size())), absmax(device.scratch(host.absmax.size() * sizeof(float))) {
        device.write(packed.address(), host.packed.data(), packed.bytes());
        device.write(absmax.address(), host.absmax.data(), absmax.bytes());
        nq_matrix4bit_storage storage{};
        storage.rows = host.s.n;
        storage.columns = host.s.k;
        storage.quant_type = NQ_QUANT_TYPE_NF4;
        storage.dtype = NQ_DTYPE_BF16;
        storage.blocksize = blocksize;
        storage.packed = const_cast<uint8_t*>(host.packed.data());
        storage.absmax = const_cast<float*>(host.absmax.data());
        fragments = device.import_4bit(storage);
    }
    weights4bit in_fragments() const { return as_4bit(*fragments).weights(); }
    weights4bit in_exchange_layout() const {
        weights4bit w = in_fragments();
        w.codes = packed.as<const uint8_t>();
        w.absmax = absmax.as<const float>();
        return w;
    }

    device_block packed, absmax;
    std::shared_ptr<matrix> fragments;
};

unsigned ceiling(size_t count, size_t size) { return static_cast<unsigned>((count + size - 1) / size); }

// One version: enqueues y = x W^T. compute: what x and W are rounded to.
struct version {
    const char* name;
    nq_dtype compute;
    size_t most_m;
    int least_capability;
    std::function<void(cuda_backend&, const device_matrix&, const tensor& x, const tensor& y)> enqueue;
};

template <class Shape>
auto launching(const kernel<version_parameters>& k, bool in_fragments, const Shape& shape_of) {
    return [&k, in_fragments, shape_of](cuda_backend& device, const device_matrix& w, const tensor& x, const tensor& y) {
        device.device().launch(k, shape_of(x.rows, y.columns),
                               {in_fragments ? w.in_fragments() : w.in_exchange_layout(), view_of(x), view_of(y)});
    };
}

auto final_version(nq_dtype compute) {
    return [compute](cuda_backend& device, const device_matrix& w, const tensor& x, const tensor& y) {
        enqueue_linear4bit(device, *w.fragments, x, compute, store_to(y, nullptr, compute));
    };
}

std::vector<version> versions() {
    const auto rows_of_w = [](size_t rows) {
        return [rows](size_t, size_t n) { return launch_shape{.grid_x = ceiling(n, rows), .threads = gemv_threads}; };
    };
    const auto fma_shape = [](size_t m, size_t n) {
        return launch_shape{.grid_x = ceiling(n, gemm_fma_tile), .grid_y = ceiling(m, gemm_fma_tile), .threads = gemm_fma_threads};
    };
    const auto mma_shape = [](size_t m, size_t n) {
        return launch_shape{
            .grid_x = ceiling(n, gemm_mma_threads / 32 * 64), .grid_y = ceiling(m, gemm_mma_rows), .threads = gemm_mma_threads};
    };
    constexpr size_t any = SIZE_MAX;
    return {{"gemv thread_per_row", NQ_DTYPE_F32, 1, 75, launching(gemv_thread_per_row, false, rows_of_w(gemv_threads))},
            {"gemv warp_per_row", NQ_DTYPE_F32, 1, 75, launching(gemv_warp_per_row, false, rows_of_w(gemv_threads / 32))},
            {"gemv pair_table", NQ_DTYPE_F32, 1, 75, launching(gemv_pair_table, false, rows_of_w(gemv_threads / 32))},
            {"gemv final", NQ_DTYPE_F32, 1, 75, final_version(NQ_DTYPE_F32)},
            {"gemm fma", NQ_DTYPE_BF16, any, 75, launching(gemm_fma, false, fma_shape)},
            {"gemm mma", NQ_DTYPE_BF16, any, 80, launching(gemm_mma, true, mma_shape)},
            {"gemm final", NQ_DTYPE_BF16, any, 80, final_version(NQ_DTYPE_BF16)}};
}

float round_through(float value, nq_dtype type) {
    return type == NQ_DTYPE_F32 ? value : formats::f32_from_bf16(formats::bf16_from_f32(value));
}

std::vector<float> random_x(const shape& s) {
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    std::vector<float> x(s.m * s.k);
    for (float& v : x) v = normal(random);
    return x;
}

// Whether every element is within the rounding of f32 sums, and of the result.
bool right(const version& v, const host_matrix& w, const std::vector<float>& x, const std::vector<float>& y) {
    for (size_t m = 0; m < w.s.m; m++) {
        for (size_t n = 0; n < w.s.n; n++) {
            double sum = 0, size = 0;
            for (size_t k = 0; k < w.s.k; k++) {
                const double term =
                    static_cast<double>(round_through(x[m * w.s.k + k], v.compute)) * round_through(w.weight(n, k), v.compute);
                sum += term;
                size += std::fabs(term);
            }
            const double result = v.compute == NQ_DTYPE_F32 ? 0 : 0x1p-8 * std::fabs(sum);
            const double error = std::fabs(y[m * w.s.n + n] - sum);
            if (!(error <= 4 * std::sqrt(static_cast<double>(w.s.k)) * 0x1p-24 * size + result)) {
                std::printf("%s, %zu x %zu x %zu: y[%zu, %zu] is %g, expected %g\n", v.name, w.s.m, w.s.n, w.s.k, m, n,
                            static_cast<double>(y[m * w.s.n + n]), sum);
                return false;
            }
        }
    }
    return true;
}

struct layer {
    layer(cuda_backend& device, const shape& s, const std::vector<float>& values)
        : x_block(device.scratch(s.m * s.k * 4)), y_block(device.scratch(s.m * s.n * 4)) {
        device.write(x_block.address(), values.data(), x_block.bytes());
        x = {x_block.address(), s.m, s.k, s.k, NQ_DTYPE_F32};
        y = {y_block.address(), s.m, s.n, s.n, NQ_DTYPE_F32};
    }
    device_block x_block, y_block;
    tensor x, y;
};

bool check(cuda_backend& device) {
    bool all_right = true;
    int checked = 0;
    for (const shape& s : {shape{1, 130, 320}, {1, 1, 64}, {1, 70, 2048}, {5, 130, 192}, {16, 66, 64}, {33, 257, 128}}) {
        const host_matrix host(s);
        const device_matrix weights(device, host);
        const std::vector<float> x = random_x(s);
        for (const version& v : versions()) {
            if (s.m > v.most_m || device.device().compute_capability() < v.least_capability) continue;
            const layer l(device, s, x);
            v.enqueue(device, weights, l.x, l.y);
            std::vector<float> y(s.m * s.n);
            device.read(y.data(), l.y.data, y.size() * 4);
            all_right &= right(v, host, x, y);
            checked++;
        }
    }
    std::printf("%d runs of %zu versions on %s: %s\n", checked, versions().size(), device.implementation(), all_right ? "right" : "WRONG");
    return all_right && checked > 0;
}

void time_versions(cuda_backend& device, const shape& s) {
    constexpr size_t beyond_cache = size_t{512} << 20;
    constexpr int repeats = 50;
    const host_matrix host(s);
    const size_t bytes = host.packed.size() + host.absmax.size() * sizeof(float);
    std::vector<std::unique_ptr<device_matrix>> matrices;
    for (size_t i = 0; i < std::clamp<size_t>(beyond_cache / bytes, 1, repeats); i++)
        matrices.push_back(std::make_unique<device_matrix>(device, host));
    const layer l(device, s, random_x(s));
    std::printf("%s, %zu x %zu x %zu, %.1f MB of weights\n", device.implementation(), s.m, s.n, s.k, static_cast<double>(bytes) / 1e6);
    for (const version& v : versions()) {
        if (s.m > v.most_m || device.device().compute_capability() < v.least_capability) continue;
        double best = 1e30;
        for (int round = 0; round < 5; round++) {
            device.device().synchronize();
            const auto begin = std::chrono::steady_clock::now();
            for (int i = 0; i < repeats; i++) v.enqueue(device, *matrices[static_cast<size_t>(i) % matrices.size()], l.x, l.y);
            device.device().synchronize();
            best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / repeats);
        }
        std::printf("  %-20s %9.1f us  %7.1f GB/s  %8.2f TFLOP/s\n", v.name, best * 1e6, static_cast<double>(bytes) / best / 1e9,
                    2.0 * static_cast<double>(s.m * s.n * s.k) / best / 1e12);
    }
}

[[noreturn]] void give_up(nq_status status, const char* message) {
    std::fprintf(stderr, "%s (status %d)\n", message, status);
    std::exit(1);
}

int run(int count, char** arguments) {
    cuda::raise = give_up;
    const bool timed = count == 5 && std::strcmp(arguments[1], "time") == 0;
    if (count != 1 && !timed) {
        std::fprintf(stderr, "usage: kernel_lab [time M N K], N any, K a multiple of %u\n", blocksize);
        return 2;
    }
    cuda_backend device(0);
    if (!timed) return check(device) ? 0 : 1;
    const auto number = [&](int i) { return static_cast<size_t>(std::strtoull(arguments[i], nullptr, 10)); };
    const shape s{number(2), number(3), number(4)};
    if (s.m == 0 || s.n == 0 || s.k == 0 || s.k % blocksize != 0)
        give_up(NQ_STATUS_INVALID_ARGUMENT, "M, N and K are positive, K a multiple of 64");
    time_versions(device, s);
    return 0;
}

}  // namespace
}  // namespace nq::cuda::lab

int main(int count, char** arguments) { return nq::cuda::lab::run(count, arguments); }
