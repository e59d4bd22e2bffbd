// Attention at the shape of a 1B model: 32 query heads, 8 key-value heads of 64. One new position (decode) is bound by memory: layers
// rotate over at least 512 MiB of cached keys and values, and the figure is the fraction of the DRAM read bandwidth. Many new positions
// (prefill) are bound by arithmetic: the figure is the fraction of the multiply-add peak, counting the positions attended to.
#include "device.h"
#include "machine_limits.h"
#include "program.h"

namespace nq::bench {
namespace {

constexpr uint32_t kv_heads = 8, heads = 32, head_dim = 64;
constexpr float scale = 0.125f;

using cache_handle = std::unique_ptr<nq_kv_cache, destroyer<nq_kv_cache, nq_kv_cache_destroy>>;

constexpr struct {
    nq_dtype dtype;
    const char* name;
    double position_bytes;  // of one layer
} types[] = {{NQ_DTYPE_F32, "f32", 2.0 * kv_heads* head_dim * 4},
             {NQ_DTYPE_BF16, "bf16", 2.0 * kv_heads* head_dim * 2},
             {NQ_DTYPE_I8, "int8", 2.0 * kv_heads*(head_dim + 4)}};

cache_handle make_cache(nq_device* device, nq_dtype dtype, uint32_t layers, size_t length) {
    nq_kv_cache* handle = nullptr;
    check(nq_kv_cache_create(device, layers, kv_heads, head_dim, length, dtype, &handle));
    cache_handle cache(handle);
    owned_tensor rows(device, length, kv_heads * head_dim, NQ_DTYPE_F32);
    rows.write(noise(length * kv_heads * head_dim));
    for (uint32_t layer = 0; layer < layers; ++layer) check(nq_kv_cache_append(handle, layer, &rows.view, &rows.view));
    return cache;
}

void decode(benchmark::State& state, size_t type, size_t context, uint32_t threads) {
    const device_handle device = open_device(threads);
    const double bytes = types[type].position_bytes * static_cast<double>(context);
    const uint32_t layers = static_cast<uint32_t>(0x1p29 / bytes) + 1;
    const cache_handle cache = make_cache(device.get(), types[type].dtype, layers, context);
    owned_tensor q(device.get(), 1, heads * head_dim, NQ_DTYPE_F32), y(device.get(), 1, heads * head_dim, NQ_DTYPE_F32);
    q.write(noise(heads * head_dim));
    samples streams, reads;
    for (auto _ : state) {
        double total = 0;
        for (uint32_t layer = 0; layer < layers; ++layer) {
            const double time = seconds(threads, [&] { check(nq_attention_forward(cache.get(), layer, &q.view, scale, 0, &y.view)); });
            streams.add(bytes, time);
            total += time;
            main_memory().read(static_cast<size_t>(bytes), threads, reads);
        }
        state.SetIterationTime(total / layers);
    }
    state.counters["GB/s"] = streams.median() * 1e-9;
    state.counters["DRAM_GB/s"] = reads.median() * 1e-9;
    state.counters["of_DRAM"] = streams.median() / reads.median();
    state.counters["best_of_DRAM"] = streams.best() / reads.best();
}

void prefill(benchmark::State& state, size_t type, size_t length, uint32_t threads) {
    const device_handle device = open_device(threads);
    const cache_handle cache = make_cache(device.get(), types[type].dtype, 1, length);
    owned_tensor q(device.get(), length, heads * head_dim, NQ_DTYPE_F32), y(device.get(), length, heads * head_dim, NQ_DTYPE_F32);
    q.write(noise(length * heads * head_dim));
    const double positions = 0.5 * static_cast<double>(length) * static_cast<double>(length + 1);
    const double operations = 4.0 * heads * head_dim * positions;
    samples products, peaks;
    for (auto _ : state) {
        const double time = seconds(threads, [&] { check(nq_attention_forward(cache.get(), 0, &q.view, scale, 0, &y.view)); });
        products.add(operations, time);
        state.SetIterationTime(time);
        fma_peak(implementation(device.get()), threads, peaks);
    }
    state.counters["GFLOP/s"] = products.median() * 1e-9;
    state.counters["FMA_GFLOP/s"] = peaks.median() * 1e-9;
    state.counters["of_FMA"] = products.median() / peaks.median();
    state.counters["best_of_FMA"] = products.best() / peaks.best();
}

void register_all(bool brief) {
    for (size_t type = 0; type < std::size(types); ++type) {
        const std::string name = std::string("attention/") + types[type].name;
        for (const uint32_t threads : {1u, 2u}) {
            if (brief && threads > 1) continue;
            const std::string on = "/threads:" + std::to_string(threads);
            for (const size_t context : {128, 1024, 8192})
                add(name + "/decode:" + std::to_string(context) + on, 3,
                    [=](benchmark::State& state) { decode(state, type, context, threads); });
            for (const size_t length : {512, 2048})
                add(name + "/prefill:" + std::to_string(length) + on, length == 512 ? 20 : 5,
                    [=](benchmark::State& state) { prefill(state, type, length, threads); });
        }
    }
}

}  // namespace
}  // namespace nq::bench

int main(int count, char** arguments) { return nq::bench::run_benchmarks(count, arguments, nq::bench::register_all); }
