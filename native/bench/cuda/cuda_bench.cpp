// Products of the CUDA backend against what the device can do: a Markdown table on standard output.
//
//   cuda_bench          sizes of a layer of a model of 7 billion parameters
//   cuda_bench --short  small sizes, to try the program itself
//
// Measured first, on the same device: the bandwidth of copies, and what the tensor cores do with operands in registers. Then every kind of
// layer for 1, 4, 16 and 512 rows: time, bytes of weights per second as a part of the copy bandwidth (read and written together),
// operations per second as a part of the tensor peak, and time as a part of that of the dense f16 layer of the same shape.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "cuda/cuda_backend.h"
#include "cuda/fail.h"
#include "tensor_peak.h"

namespace nq::cuda::lab {
namespace {

using matrices = std::vector<std::shared_ptr<matrix>>;

struct layer_kind {
    const char* name;
    std::function<std::shared_ptr<matrix>(const host_weights&)> make;
    std::function<void(const matrix&, const tensor& x, const tensor& y)> enqueue;
};

class bench {
public:
    explicit bench(bool is_short) : short_(is_short) {}

    void run() {
        std::printf("%s, %u multiprocessors, compute capability %d.%d\n\n", device_.implementation(), device_.thread_count(),
                    device_.device().compute_capability() / 10, device_.device().compute_capability() % 10);
        measure_limits();
        std::printf(
            "\n| layer | N x K | M | us | weights, GB/s | of bandwidth | TFLOP/s | of peak | time by dense f16 "
            "|\n|---|---|---|---|---|---|---|---|---|\n");
        const size_t rows = short_ ? 96 : 4096, columns = short_ ? 128 : 4096;
        for (size_t m : short_ ? std::vector<size_t>{1, 17} : std::vector<size_t>{1, 4, 16, 512}) {
            measure_layers(m, rows, columns);
            if (!short_) measure_layers(m, 11008, 4096);
        }
    }

private:
    // Seconds of one call, the best of several rounds.
    template <class Call>
    double time(int repeats, const Call& call) {
        double best = 1e30;
        for (int round = 0; round < (short_ ? 1 : 5); round++) {
            device_.device().synchronize();
            const auto begin = std::chrono::steady_clock::now();
            for (int i = 0; i < repeats; i++) call(i);
            device_.device().synchronize();
            best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / repeats);
        }
        return best;
    }

    void measure_limits() {
        const size_t bytes = short_ ? size_t{1} << 16 : size_t{256} << 20;
        const device_block from = device_.scratch(bytes), to = device_.scratch(bytes);
        bandwidth_ = 2 * static_cast<double>(bytes) / time(10, [&](int) { device_.copy(to.address(), from.address(), bytes); });
        peak_16bit_ = tensor_peak(tensor_peak_16bit, 2.0 * 16 * 8 * 16);
        peak_int8_ = tensor_peak(tensor_peak_int8, 2.0 * 16 * 8 * 32);
        std::printf("Measured here: copies at %.0f GB/s (read and written), tensor cores at %.1f TFLOP/s of f16 and %.1f TOP/s of int8.\n",
                    bandwidth_ / 1e9, peak_16bit_ / 1e12, peak_int8_ / 1e12);
    }

    double tensor_peak(const kernel<tensor_peak_parameters>& k, double operations_of_product) {
        const uint32_t rounds = short_ ? 2 : 4096;
        const unsigned blocks = short_ ? 1 : 4 * device_.device().multiprocessors();
        const device_block sums = device_.scratch(size_t{blocks} * tensor_peak_threads * sizeof(float));
        const double seconds = time(short_ ? 1 : 4, [&](int) {
            device_.device().launch(k, {.grid_x = blocks, .threads = tensor_peak_threads}, {sums.as<float>(), rounds});
        });
        return operations_of_product * tensor_peak_products * rounds * blocks * (tensor_peak_threads / 32) / seconds;
    }

    std::vector<layer_kind> kinds() {
        const auto four_bit = [this](bool nested) {
            return [this, nested](const host_weights& w) { return device_.quantize_matrix_4bit(w, NQ_QUANT_TYPE_NF4, 64, nested); };
        };
        const auto four_bit_forward = [this](nq_dtype compute) {
            return [this, compute](const matrix& w, const tensor& x, const tensor& y) {
                device_.linear4bit_forward(w, x, nullptr, compute, y);
            };
        };
        return {{"dense f16", [this](const host_weights& w) { return device_.create_dense(w, NQ_DTYPE_F16); },
                 [this](const matrix& w, const tensor& x, const tensor& y) { device_.linear_forward(w, x, nullptr, y); }},
                {"nf4, f16", four_bit(false), four_bit_forward(NQ_DTYPE_F16)},
                {"nf4 nested, f16", four_bit(true), four_bit_forward(NQ_DTYPE_F16)},
                {"nf4 nested, f32", four_bit(true), four_bit_forward(NQ_DTYPE_F32)},
                {"int8, threshold 6", [this](const host_weights& w) { return device_.quantize_matrix_8bit(w); },
                 [this](const matrix& w, const tensor& x, const tensor& y) { device_.linear8bit_forward(w, x, nullptr, 6, y); }}};
    }

    void measure_layers(size_t m, size_t n, size_t k) {
        const std::vector<float> values = normal(n * k, 0.02f), inputs = normal(m * k, 1);
        const host_weights host{values.data(), n, k, NQ_DTYPE_F32};
        const device_block x_f32 = device_.scratch(m * k * 4), x_f16 = device_.scratch(m * k * 2), y_f16 = device_.scratch(m * n * 2);
        device_.write(x_f32.address(), inputs.data(), m * k * 4);
        // f16 x by way of a residual sum with zeros.
        const tensor wide{x_f32.address(), m, k, k, NQ_DTYPE_F32}, x{x_f16.address(), m, k, k, NQ_DTYPE_F16},
            y{y_f16.address(), m, n, n, NQ_DTYPE_F16};
        const std::vector<char> zeros(m * k * 2, 0);
        device_.write(x.data, zeros.data(), zeros.size());
        device_.residual_add_forward(wide, x);
        double dense_seconds = 0;
        for (const layer_kind& kind : kinds()) {
            matrices copies{kind.make(host)};
            const double bytes = static_cast<double>(copies[0]->info().storage_bytes);
            // As many as do not fit in a cache together.
            while (!short_ && copies.size() < 16 && static_cast<double>(copies.size()) * bytes < 256e6) copies.push_back(kind.make(host));
            const double seconds =
                time(short_ ? 1 : 32, [&](int i) { kind.enqueue(*copies[static_cast<size_t>(i) % copies.size()], x, y); });
            if (dense_seconds == 0) dense_seconds = seconds;
            const double operations = 2 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
            const double peak = std::strncmp(kind.name, "int8", 4) == 0 ? peak_int8_ : peak_16bit_;
            std::printf("| %s | %zu x %zu | %zu | %.1f | %.0f | %.0f %% | %.1f | %.0f %% | %.2f |\n", kind.name, n, k, m, seconds * 1e6,
                        bytes / seconds / 1e9, 100 * bytes / seconds / bandwidth_, operations / seconds / 1e12,
                        100 * operations / seconds / peak, seconds / dense_seconds);
        }
    }

    static std::vector<float> normal(size_t count, float scale) {
        std::mt19937 random(1);
        std::normal_distribution<float> distribution(0, scale);
        std::vector<float> values(count);
        for (float& v : values) v = distribution(random);
        return values;
    }

    const bool short_;
    cuda_backend device_{0};
    double bandwidth_ = 0, peak_16bit_ = 0, peak_int8_ = 0;
};

[[noreturn]] void give_up(nq_status status, const char* message) {
    std::fprintf(stderr, "cuda_bench: %s (status %d)\n", message, status);
    std::exit(1);
}

}  // namespace
}  // namespace nq::cuda::lab

int main(int count, char** arguments) {
    nq::cuda::raise = nq::cuda::lab::give_up;
    nq::cuda::lab::bench(count == 2 && std::strcmp(arguments[1], "--short") == 0).run();
    return 0;
}
