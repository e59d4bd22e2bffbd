// ggml's matrix product, as llama.cpp uses it: the weights go to the buffer type that llama.cpp would pick (an accelerator's own if it
// takes them, else the plain one). Types are ggml's: q4_0, q4_K, iq4_nl, q8_0, ... --library: the CPU variant to load; without it
// the one beside this program that ggml itself thinks best for the processor.
#include "ggml.h"

#include <strings.h>

#include "contestant.h"
#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"

namespace {

ggml_type type_of(const std::string& name) {
    for (int i = 0; i < GGML_TYPE_COUNT; ++i) {
        const char* known = ggml_type_name(static_cast<ggml_type>(i));
        if (known != nullptr && strcasecmp(known, name.c_str()) == 0) return static_cast<ggml_type>(i);
    }
    contestant::fail("ggml has no type " + name);
}

// The first buffer type in which the device can do this product.
ggml_backend_buffer_type_t buffer_type(ggml_backend_reg_t registry, ggml_backend_dev_t device, ggml_tensor* weight, ggml_tensor* product) {
    const auto extra = reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(
        ggml_backend_reg_get_proc_address(registry, "ggml_backend_dev_get_extra_bufts"));
    for (ggml_backend_buffer_type_t* type = extra != nullptr ? extra(device) : nullptr; type != nullptr && *type != nullptr; ++type) {
        ggml_backend_buffer_t probe = ggml_backend_buft_alloc_buffer(*type, 0);
        weight->buffer = probe;
        const bool fits = ggml_backend_dev_supports_op(device, product);
        weight->buffer = nullptr;
        ggml_backend_buffer_free(probe);
        if (fits) return *type;
    }
    return ggml_backend_dev_buffer_type(device);
}

}  // namespace

int main(int count, char** arguments) {
    const contestant::task t = contestant::parse(count, arguments);
    if (t.shared_object.empty()) ggml_backend_load_all();
    ggml_backend_reg_t registry = t.shared_object.empty() ? ggml_backend_reg_by_name("CPU") : ggml_backend_load(t.shared_object.c_str());
    if (registry == nullptr) contestant::fail("cannot load ggml's CPU backend " + t.shared_object);
    ggml_backend_dev_t device = ggml_backend_reg_dev_get(registry, 0);
    ggml_backend_t backend = ggml_backend_dev_init(device, nullptr);
    reinterpret_cast<ggml_backend_set_n_threads_t>(ggml_backend_reg_get_proc_address(registry, "ggml_backend_set_n_threads"))(
        backend, static_cast<int>(t.threads));

    const ggml_type type = type_of(t.type);
    const auto rows = static_cast<int64_t>(t.rows), columns = static_cast<int64_t>(t.columns), m = static_cast<int64_t>(t.m);
    const size_t row_bytes = ggml_row_size(type, columns), bytes = row_bytes * t.rows, matrices = t.matrices(bytes);
    const ggml_init_params sizes = {ggml_tensor_overhead() * (2 * matrices + 8) + ggml_graph_overhead_custom(4 * matrices + 64, false),
                                    nullptr, true};
    ggml_context *held = ggml_init(sizes), *computed = ggml_init(sizes);
    std::vector<ggml_tensor*> weights, products;
    ggml_tensor* x = ggml_new_tensor_2d(computed, GGML_TYPE_F32, columns, m);
    ggml_cgraph* graph = ggml_new_graph_custom(computed, 4 * matrices + 64, false);
    for (size_t i = 0; i < matrices; ++i) {
        weights.push_back(ggml_new_tensor_2d(held, type, columns, rows));
        products.push_back(ggml_mul_mat(computed, weights[i], x));
        ggml_build_forward_expand(graph, products[i]);
    }
    ggml_backend_buffer_type_t place = buffer_type(registry, device, weights[0], products[0]);
    ggml_backend_buffer_t held_buffer = ggml_backend_alloc_ctx_tensors_from_buft(held, place);
    if (held_buffer == nullptr || ggml_backend_alloc_ctx_tensors_from_buft(computed, ggml_backend_dev_buffer_type(device)) == nullptr)
        contestant::fail("out of memory");
    ggml_backend_buffer_set_usage(held_buffer, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);

    const std::vector<float> pool = contestant::weight_pool(t), input = contestant::input(t);
    std::vector<char> quantized(row_bytes * t.rows);
    if (type == GGML_TYPE_F32)
        std::memcpy(quantized.data(), pool.data(), pool.size() * sizeof(float));
    else
        ggml_quantize_chunk(type, pool.data(), quantized.data(), 0, contestant::pool_rows, columns, nullptr);
    for (size_t r = contestant::pool_rows; r < t.rows; ++r)
        std::memcpy(&quantized[r * row_bytes], &quantized[r % contestant::pool_rows * row_bytes], row_bytes);
    for (ggml_tensor* weight : weights) ggml_backend_tensor_set(weight, quantized.data(), 0, quantized.size());
    ggml_backend_tensor_set(x, input.data(), 0, input.size() * sizeof(float));

    const auto walk = [&] { ggml_backend_graph_compute(backend, graph); };
    walk();
    float y[contestant::pool_rows];
    ggml_backend_tensor_get(products[0], y, 0, sizeof y);
    contestant::ready(std::string("ggml ") + ggml_version(), ggml_backend_buft_name(place), bytes,
                      contestant::relative_error(pool, input, t.columns, y));
    contestant::serve(t.threads, matrices, walk);
}
