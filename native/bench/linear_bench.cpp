// Linear layers. One row of x (decode) is bound by memory: weights rotate over at least 1 GiB of distinct matrices, and the figure is the
// fraction of the DRAM read bandwidth. Many rows (prefill) are bound by arithmetic: the figure is the fraction of the multiply-add peak.
#include <benchmark/benchmark.h>

#include <string>

#include "device.h"
#include "measure.h"

namespace nq::bench {
namespace {

constexpr size_t size = 4096;  // rows and columns of W

enum class format { nf4, nf4_nested, fp4, int8, bf16, f32 };

constexpr struct {
    format id;
    const char* name;
} formats[] = {{format::nf4, "linear4bit/nf4"}, {format::nf4_nested, "linear4bit/nf4_nested"},
               {format::fp4, "linear4bit/fp4"}, {format::int8, "linear8bit"},
               {format::bf16, "linear/bf16"},   {format::f32, "linear/f32"}};

matrix_handle make_matrix(nq_device* device, format id, const std::vector<float>& values) {
    nq_matrix* matrix = nullptr;
    const uint64_t bytes = values.size() * sizeof(float);
    if (id == format::bf16 || id == format::f32) {
        const nq_dtype dtype = id == format::bf16 ? NQ_DTYPE_BF16 : NQ_DTYPE_F32;
        check(nq_matrix_create_dense(device, size, size, NQ_DTYPE_F32, values.data(), bytes, dtype, &matrix));
    } else if (id == format::int8) {
        check(nq_matrix_quantize_8bit(device, size, size, NQ_DTYPE_F32, values.data(), bytes, &matrix));
    } else {
        const nq_quant_type type = id == format::fp4 ? NQ_QUANT_TYPE_FP4 : NQ_QUANT_TYPE_NF4;
        check(nq_matrix_quantize_4bit(device, size, size, NQ_DTYPE_F32, values.data(), bytes, type, 64, id == format::nf4_nested, &matrix));
    }
    return matrix_handle(matrix);
}

uint64_t resident_bytes(nq_matrix* matrix) {
    nq_matrix_info info;
    check(nq_matrix_get_info(matrix, &info));
    return info.resident_bytes;
}

void forward(format id, nq_matrix* matrix, const owned_tensor& x, const owned_tensor& y) {
    if (id == format::bf16 || id == format::f32)
        check(nq_linear_forward(matrix, &x.view, nullptr, &y.view));
    else if (id == format::int8)
        check(nq_linear8bit_forward(matrix, &x.view, nullptr, 6.0f, &y.view));
    else
        check(nq_linear4bit_forward(matrix, &x.view, nullptr, NQ_DTYPE_F32, &y.view));
}

dram& memory() {
    static dram buffer;
    return buffer;
}

void read_bandwidth(benchmark::State& state, uint32_t threads) {
    samples rates;
    constexpr size_t piece = 16 << 20;
    for (auto _ : state)
        state.SetIterationTime(seconds(threads, [&] {
            for (size_t i = 0; i < dram::bytes; i += piece) memory().read(piece, threads, rates);
        }));
    state.counters["GB/s"] = rates.median() * 1e-9;
    state.counters["best_GB/s"] = rates.best() * 1e-9;
}

void peak(benchmark::State& state, uint32_t threads) {
    const device_handle device = open_device(threads);
    samples rates;
    for (auto _ : state) state.SetIterationTime(seconds(threads, [&] { fma_peak(implementation(device.get()), threads, rates); }));
    state.counters["GFLOP/s"] = rates.median() * 1e-9;
    state.counters["best_GFLOP/s"] = rates.best() * 1e-9;
}

void decode(benchmark::State& state, format id, uint32_t threads) {
    const device_handle device = open_device(threads);
    const std::vector<float> values = noise(size * size);
    std::vector<matrix_handle> matrices;
    uint64_t held = 0;
    while (held < dram::bytes) {
        matrices.push_back(make_matrix(device.get(), id, values));
        held += resident_bytes(matrices.back().get());
    }
    owned_tensor x(device.get(), 1, size, NQ_DTYPE_F32), y(device.get(), 1, size, NQ_DTYPE_F32);
    x.write(noise(size));
    samples weights, reads;
    for (auto _ : state) {
        double total = 0;
        for (const matrix_handle& matrix : matrices) {
            const size_t bytes = resident_bytes(matrix.get());
            const double time = seconds(threads, [&] { forward(id, matrix.get(), x, y); });
            weights.add(static_cast<double>(bytes), time);
            total += time;
            memory().read(bytes, threads, reads);
        }
        state.SetIterationTime(total / static_cast<double>(matrices.size()));
    }
    state.counters["GB/s"] = weights.median() * 1e-9;
    state.counters["DRAM_GB/s"] = reads.median() * 1e-9;
    state.counters["of_DRAM"] = weights.median() / reads.median();
    state.counters["best_of_DRAM"] = weights.best() / reads.best();
}

void prefill(benchmark::State& state, format id, size_t m, uint32_t threads) {
    const device_handle device = open_device(threads);
    const matrix_handle matrix = make_matrix(device.get(), id, noise(size * size));
    owned_tensor x(device.get(), m, size, NQ_DTYPE_F32), y(device.get(), m, size, NQ_DTYPE_F32);
    x.write(noise(m * size));
    const double operations = 2.0 * static_cast<double>(m) * size * size;
    samples products, peaks;
    for (auto _ : state) {
        const double time = seconds(threads, [&] { forward(id, matrix.get(), x, y); });
        products.add(operations, time);
        state.SetIterationTime(time);
        fma_peak(implementation(device.get()), threads, peaks);
    }
    state.counters["GFLOP/s"] = products.median() * 1e-9;
    state.counters["FMA_GFLOP/s"] = peaks.median() * 1e-9;
    state.counters["of_FMA"] = products.median() / peaks.median();
    state.counters["best_of_FMA"] = products.best() / peaks.best();
}

void register_all() {
    const auto add = [](const std::string& name, int64_t iterations, auto run) {
        benchmark::RegisterBenchmark(name.c_str(), run)->Iterations(iterations)->UseManualTime()->Unit(benchmark::kMillisecond);
    };
    const auto on = [](uint32_t threads) { return "/threads:" + std::to_string(threads); };
    for (const uint32_t threads : {1u, 2u}) {
        add("limits/dram_read" + on(threads), 3, [=](benchmark::State& state) { read_bandwidth(state, threads); });
        add("limits/fma" + on(threads), 100, [=](benchmark::State& state) { peak(state, threads); });
    }
    for (const auto& f : formats) {
        for (const uint32_t threads : {1u, 2u}) {
            const format id = f.id;
            add(f.name + std::string("/m:1") + on(threads), 2, [=](benchmark::State& state) { decode(state, id, threads); });
            for (const size_t m : {8u, 32u, 128u, 512u}) {
                const int64_t iterations = m >= 128 ? 5 : 20;
                add(f.name + ("/m:" + std::to_string(m)) + on(threads), iterations,
                    [=](benchmark::State& state) { prefill(state, id, m, threads); });
            }
        }
    }
}

}  // namespace
}  // namespace nq::bench

int main(int argc, char** argv) {
    nq::bench::register_all();
    benchmark::AddCustomContext("implementation", nq::bench::implementation(nq::bench::open_device(1).get()));
    benchmark::AddCustomContext("build", nq_build_info());
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
