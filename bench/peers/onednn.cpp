// oneDNN's matmul alone, weights in its own packed order. Types: s8s8, u8s8, bf16, f32. The 8-bit types are handed codes and give int32:
// unlike our product they neither quantize x nor scale y, which is done outside the time measured. OMP_NUM_THREADS must say as many threads
// as --threads.
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "contestant.h"

namespace {

using dnnl::memory;

// Symmetric int8 codes of one row; returns the scale.
float quantize(const float* x, size_t n, int8_t* codes) {
    float largest = 0;
    for (size_t i = 0; i < n; ++i) largest = std::fmax(largest, std::fabs(x[i]));
    for (size_t i = 0; i < n; ++i) codes[i] = static_cast<int8_t>(std::lrint(x[i] * 127 / largest));
    return largest / 127;
}

uint16_t to_bf16(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

struct operands {
    memory::data_type x, w, y;
    size_t weight_size;
};

operands operands_of(const std::string& type) {
    using d = memory::data_type;
    if (type == "s8s8") return {d::s8, d::s8, d::s32, 1};
    if (type == "u8s8") return {d::u8, d::s8, d::s32, 1};
    if (type == "bf16") return {d::bf16, d::bf16, d::f32, 2};
    if (type == "f32") return {d::f32, d::f32, d::f32, 4};
    contestant::fail("onednn: no type " + type);
}

}  // namespace

int main(int count, char** arguments) {
    const contestant::task t = contestant::parse(count, arguments);
    const operands types = operands_of(t.type);
    const bool int8 = types.weight_size == 1;
    dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    dnnl::stream stream(engine);
    const auto m = static_cast<memory::dim>(t.m), rows = static_cast<memory::dim>(t.rows), columns = static_cast<memory::dim>(t.columns);
    const memory::desc x_shape({m, columns}, types.x, memory::format_tag::ab), w_shape({columns, rows}, types.w, memory::format_tag::any),
        y_shape({m, rows}, types.y, memory::format_tag::ab), w_given({columns, rows}, types.w, memory::format_tag::ba);
#if DNNL_VERSION_MAJOR >= 3
    const dnnl::matmul::primitive_desc description(engine, x_shape, w_shape, y_shape);
#else
    const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(x_shape, w_shape, y_shape), engine);
#endif
    const dnnl::matmul product(description);

    const std::vector<float> pool = contestant::weight_pool(t), input = contestant::input(t);
    memory x(description.src_desc(), engine), y(description.dst_desc(), engine), given(w_given, engine);
    std::vector<int8_t> codes(t.columns);
    std::vector<float> w_scales(contestant::pool_rows);
    std::vector<int32_t> w_sums(contestant::pool_rows);
    float x_scale = 0;  // of the first row
    for (size_t r = 0; r < t.rows; ++r) {
        const float* source = &pool[r % contestant::pool_rows * t.columns];
        char* target = static_cast<char*>(given.get_data_handle()) + r * t.columns * types.weight_size;
        if (types.weight_size == 4) std::memcpy(target, source, t.columns * 4);
        for (size_t k = 0; types.weight_size == 2 && k < t.columns; ++k) reinterpret_cast<uint16_t*>(target)[k] = to_bf16(source[k]);
        if (int8) {
            const float scale = quantize(source, t.columns, codes.data());
            std::memcpy(target, codes.data(), t.columns);
            if (r < contestant::pool_rows) {
                w_scales[r] = scale;
                for (const int8_t code : codes) w_sums[r] += code;
            }
        }
    }
    for (size_t r = 0; r < t.m; ++r) {
        const float* source = &input[r * t.columns];
        char* target = static_cast<char*>(x.get_data_handle()) + r * t.columns * types.weight_size;
        if (types.weight_size == 4) std::memcpy(target, source, t.columns * 4);
        for (size_t k = 0; types.weight_size == 2 && k < t.columns; ++k) reinterpret_cast<uint16_t*>(target)[k] = to_bf16(source[k]);
        if (int8) {
            const float scale = quantize(source, t.columns, codes.data());
            if (r == 0) x_scale = scale;
            for (size_t k = 0; k < t.columns; ++k) target[k] = static_cast<char>(codes[k] + (t.type == "u8s8" ? 128 : 0));
        }
    }

    const size_t bytes = t.rows * t.columns * types.weight_size;
    std::vector<std::unordered_map<int, memory>> calls;
    while (calls.size() < t.matrices(bytes)) {
        memory w(description.weights_desc(), engine);
        dnnl::reorder(given, w).execute(stream, given, w);
        calls.push_back({{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, y}});
    }
    const auto walk = [&] {
        for (const auto& call : calls) product.execute(stream, call);
        stream.wait();
    };
    walk();
    std::vector<float> first(contestant::pool_rows);
    for (size_t n = 0; n < first.size(); ++n) {
        if (int8) {
            const int32_t sum = static_cast<const int32_t*>(y.get_data_handle())[n] - (t.type == "u8s8" ? 128 * w_sums[n] : 0);
            first[n] = static_cast<float>(sum) * x_scale * w_scales[n];
        } else {
            first[n] = static_cast<const float*>(y.get_data_handle())[n];
        }
    }
    const dnnl_version_t* version = dnnl_version();
    contestant::ready(
        "oneDNN " + std::to_string(version->major) + '.' + std::to_string(version->minor) + '.' + std::to_string(version->patch),
        description.impl_info_str(), bytes, contestant::relative_error(pool, input, t.columns, first.data()));
    contestant::serve(t.threads, calls.size(), walk);
}
