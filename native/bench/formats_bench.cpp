// Quantizers, dequantizers and the import of a matrix, in elements per second, in bytes of both sides per second, and as fractions of the
// bandwidths of reading and of copying sampled in turn.
#include <bit>

#include "device.h"
#include "machine_limits.h"
#include "program.h"

namespace nq::bench {
namespace {

constexpr size_t rows = 4096, columns = 4096, count = rows * columns;
constexpr uint32_t blocksize = 64;

template <class Operation>
void run(benchmark::State& state, double bytes_per_element, uint32_t threads, const Operation& operation) {
    samples rates, copies, reads;
    durations times;
    operation();  // warms up: pages, scratch memory, threads
    for (auto _ : state) {
        const duration time = measure(threads, operation);
        times.add(time);
        rates.add(static_cast<double>(count), time.of(threads));
        state.SetIterationTime(time.of(threads));
        main_memory().read(static_cast<size_t>(static_cast<double>(count) * bytes_per_element), threads, reads);
        main_memory().copy(static_cast<size_t>(static_cast<double>(count) * bytes_per_element), threads, copies);
    }
    state.counters["Gelement/s"] = rates.median() * 1e-9;
    state.counters["GB/s"] = rates.median() * bytes_per_element * 1e-9;
    state.counters["of_read"] = rates.median() * bytes_per_element / reads.median();
    state.counters["of_copy"] = rates.median() * bytes_per_element / copies.median();
    state.counters["wall_ms"] = times.wall() * 1e3;
    state.counters["cpu_ms"] = times.cpu() * 1e3;
    state.counters["util"] = times.cpu() / times.wall();
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

// bf16 weights in host memory to a resident matrix: what loading a model does. The weights are 256 MiB, an eighth at a time, so that they
// come from DRAM; the memory of the matrix is new each time, as in loading, and the system's zeroing of it counts.
void import(benchmark::State& state, nq_matrix_kind kind, uint32_t threads) {
    const device_handle device = open_device(threads);
    constexpr size_t parts = 8;
    std::vector<uint16_t> weights(parts * count);
    const std::vector<float> values = noise(count);
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<uint16_t>(std::bit_cast<uint32_t>(values[i % count]) >> 16);
    matrix_handle matrix;
    size_t part = 0;
    const auto make = [&] {
        nq_matrix* made = nullptr;
        const uint16_t* source = weights.data() + part++ % parts * count;
        if (kind == NQ_MATRIX_4BIT)
            check(nq_matrix_quantize_4bit(device.get(), rows, columns, NQ_DTYPE_BF16, source, 2 * count, NQ_QUANT_TYPE_NF4, blocksize, 1,
                                          &made));
        else if (kind == NQ_MATRIX_8BIT)
            check(nq_matrix_quantize_8bit(device.get(), rows, columns, NQ_DTYPE_BF16, source, 2 * count, &made));
        else
            check(nq_matrix_create_dense(device.get(), rows, columns, NQ_DTYPE_BF16, source, 2 * count, NQ_DTYPE_BF16, &made));
        matrix.reset(made);
    };
    run(state, kind == NQ_MATRIX_4BIT ? 2.0 + 4.127 / 8 : kind == NQ_MATRIX_8BIT ? 3.0 : 4.0, threads, make);
}

void register_all(bool brief) {
    for (const uint32_t threads : {1u, 2u}) {
        if (brief && threads > 1) continue;
        const std::string on = "/threads:" + std::to_string(threads);
        const auto four = [&](const char* name, nq_quant_type type, bool quantize, nq_dtype dtype) {
            add(name + on, 11, [=](benchmark::State& state) { four_bit(state, type, quantize, dtype, threads); });
        };
        four("quantize_4bit/nf4/f32", NQ_QUANT_TYPE_NF4, true, NQ_DTYPE_F32);
        four("quantize_4bit/fp4/f32", NQ_QUANT_TYPE_FP4, true, NQ_DTYPE_F32);
        four("dequantize_4bit/nf4/f32", NQ_QUANT_TYPE_NF4, false, NQ_DTYPE_F32);
        four("dequantize_4bit/nf4/bf16", NQ_QUANT_TYPE_NF4, false, NQ_DTYPE_BF16);
        add("quantize_blockwise/f32" + on, 11, [=](benchmark::State& state) { blockwise(state, true, threads); });
        add("dequantize_blockwise/f32" + on, 11, [=](benchmark::State& state) { blockwise(state, false, threads); });
        add("quantize_int8_rows/f32" + on, 11, [=](benchmark::State& state) { int8_rows(state, threads); });
        for (const nq_matrix_kind kind : {NQ_MATRIX_4BIT, NQ_MATRIX_8BIT, NQ_MATRIX_DENSE})
            add((kind == NQ_MATRIX_4BIT   ? "import/nf4_nested/bf16"
                 : kind == NQ_MATRIX_8BIT ? "import/int8/bf16"
                                          : "import/dense/bf16") +
                    on,
                7, [=](benchmark::State& state) { import(state, kind, threads); });
    }
}

}  // namespace
}  // namespace nq::bench

int main(int count, char** arguments) { return nq::bench::run_benchmarks(count, arguments, nq::bench::register_all); }
