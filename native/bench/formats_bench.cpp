// Quantizers and dequantizers, in elements per second and in bytes of both sides per second.
#include <benchmark/benchmark.h>

#include <string>

#include "device.h"
#include "measure.h"

namespace nq::bench {
namespace {

constexpr size_t rows = 4096, columns = 4096, count = rows * columns;
constexpr uint32_t blocksize = 64;

template <class Operation>
void run(benchmark::State& state, double bytes_per_element, uint32_t threads, const Operation& operation) {
    samples rates;
    for (auto _ : state) {
        const double time = seconds(threads, operation);
        rates.add(static_cast<double>(count), time);
        state.SetIterationTime(time);
    }
    state.counters["Gelement/s"] = rates.median() * 1e-9;
    state.counters["GB/s"] = rates.median() * bytes_per_element * 1e-9;
}

void four_bit(benchmark::State& state, nq_quant_type type, bool quantize, nq_dtype dtype, uint32_t threads) {
    const device_handle device = open_device(threads);
    owned_tensor values(device.get(), 1, count, dtype), packed(device.get(), 1, count / 2, NQ_DTYPE_U8);
    owned_tensor absmax(device.get(), 1, count / blocksize, NQ_DTYPE_F32);
    if (dtype == NQ_DTYPE_F32) values.write(noise(count));
    const double bytes = static_cast<double>(element_size(dtype)) + 0.5 + 4.0 / blocksize;
    if (quantize)
        run(state, bytes, threads, [&] { check(nq_quantize_4bit(&values.view, type, blocksize, &packed.view, &absmax.view)); });
    else
        run(state, bytes, threads, [&] { check(nq_dequantize_4bit(&packed.view, &absmax.view, type, blocksize, &values.view)); });
}

void blockwise(benchmark::State& state, bool quantize, uint32_t threads) {
    const device_handle device = open_device(threads);
    owned_tensor values(device.get(), 1, count, NQ_DTYPE_F32), codes(device.get(), 1, count, NQ_DTYPE_U8);
    owned_tensor absmax(device.get(), 1, count / 256, NQ_DTYPE_F32), map(device.get(), 1, 256, NQ_DTYPE_F32);
    std::vector<float> entries(256);
    check(nq_dynamic_map(1, entries.data()));
    map.write(entries);
    values.write(noise(count));
    if (quantize)
        run(state, 5.0, threads, [&] { check(nq_quantize_blockwise(&values.view, &map.view, 256, &codes.view, &absmax.view)); });
    else
        run(state, 5.0, threads, [&] { check(nq_dequantize_blockwise(&codes.view, &map.view, &absmax.view, 256, &values.view)); });
}

void int8_rows(benchmark::State& state, uint32_t threads) {
    const device_handle device = open_device(threads);
    owned_tensor values(device.get(), rows, columns, NQ_DTYPE_F32), codes(device.get(), rows, columns, NQ_DTYPE_I8);
    owned_tensor absmax(device.get(), 1, rows, NQ_DTYPE_F32), outliers(device.get(), 1, columns, NQ_DTYPE_U8);
    values.write(noise(count));
    run(state, 5.0, threads, [&] { check(nq_quantize_int8_rows(&values.view, 6.0f, &codes.view, &absmax.view, &outliers.view)); });
}

void register_all() {
    for (const uint32_t threads : {1u, 2u}) {
        const auto add = [&](const char* name, auto function) {
            benchmark::RegisterBenchmark((name + ("/threads:" + std::to_string(threads))).c_str(), function)
                ->Iterations(11)
                ->UseManualTime()
                ->Unit(benchmark::kMillisecond);
        };
        add("quantize_4bit/nf4/f32", [=](benchmark::State& s) { four_bit(s, NQ_QUANT_TYPE_NF4, true, NQ_DTYPE_F32, threads); });
        add("quantize_4bit/fp4/f32", [=](benchmark::State& s) { four_bit(s, NQ_QUANT_TYPE_FP4, true, NQ_DTYPE_F32, threads); });
        add("dequantize_4bit/nf4/f32", [=](benchmark::State& s) { four_bit(s, NQ_QUANT_TYPE_NF4, false, NQ_DTYPE_F32, threads); });
        add("dequantize_4bit/nf4/bf16", [=](benchmark::State& s) { four_bit(s, NQ_QUANT_TYPE_NF4, false, NQ_DTYPE_BF16, threads); });
        add("quantize_blockwise/f32", [=](benchmark::State& s) { blockwise(s, true, threads); });
        add("dequantize_blockwise/f32", [=](benchmark::State& s) { blockwise(s, false, threads); });
        add("quantize_int8_rows/f32", [=](benchmark::State& s) { int8_rows(s, threads); });
    }
}

}  // namespace
}  // namespace nq::bench

int main(int argc, char** argv) {
    nq::bench::register_all();
    benchmark::AddCustomContext("implementation", nq::bench::implementation(nq::bench::open_device(1).get()));
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
