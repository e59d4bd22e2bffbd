// bitsandbytes' CPU library, NF4 with blocks of 64. On a processor with AVX512-BF16 it has a product of its own (weights in the order that
// its Python code prepares, absmax and x in bf16). Elsewhere it dequantizes the matrix and calls PyTorch's product: then only the
// dequantization is timed, which no product of bitsandbytes can be faster than. --library: libbitsandbytes_cpu.so.
// OMP_NUM_THREADS must say as many threads as --threads.
#include <dlfcn.h>

#include "contestant.h"

namespace {

using product_function = void (*)(int64_t m, int64_t n, int64_t k, const void* x, const uint8_t* w, const void* absmax, void* y,
                                  int64_t blocksize, int64_t x_stride, int64_t y_stride);
using dequantize_function = void (*)(uint8_t* packed, const float* absmax, void* values, long long blocksize, long long rows,
                                     long long columns);

constexpr size_t blocksize = 64;
constexpr float codebook[16] = {-1.0f,      -0.6961928f, -0.52507305f, -0.39491749f, -0.28444138f, -0.18477343f, -0.09105004f, 0.0f,
                                0.0795803f, 0.1609302f,  0.24611230f,  0.33791524f,  0.44070983f,  0.56261700f,  0.72295684f,  1.0f};

uint8_t nearest(float value) {
    int best = 0;
    for (int i = 1; i < 16; ++i)
        if (std::fabs(codebook[i] - value) < std::fabs(codebook[best] - value)) best = i;
    return static_cast<uint8_t>(best);
}

uint16_t to_bf16(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

float from_bf16(uint16_t value) {
    const uint32_t bits = static_cast<uint32_t>(value) << 16;
    float result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
}

struct quantized {
    std::vector<uint8_t> codes;  // one per byte, row-major, of the pool
    std::vector<float> absmax;
};

quantized quantize(const std::vector<float>& pool) {
    quantized q = {std::vector<uint8_t>(pool.size()), std::vector<float>(pool.size() / blocksize)};
    for (size_t b = 0; b < q.absmax.size(); ++b) {
        for (size_t i = b * blocksize; i < (b + 1) * blocksize; ++i) q.absmax[b] = std::fmax(q.absmax[b], std::fabs(pool[i]));
        for (size_t i = b * blocksize; i < (b + 1) * blocksize; ++i) q.codes[i] = nearest(pool[i] / q.absmax[b]);
    }
    return q;
}

// Groups of 32 rows; for each pair of columns 32 bytes: row r and r + 16 of a group share bytes, the former in the low nibbles.
std::vector<uint8_t> product_order(const quantized& q, const contestant::task& t) {
    std::vector<uint8_t> packed(t.rows * t.columns / 2);
    size_t at = 0;
    for (size_t group = 0; group < t.rows; group += 32)
        for (size_t k = 0; k < t.columns; k += 2)
            for (size_t i = 0; i < 32; ++i) {
                const auto code = [&](size_t row) { return q.codes[row % contestant::pool_rows * t.columns + k + i % 2]; };
                packed[at++] = static_cast<uint8_t>(code(group + i / 2) | code(group + 16 + i / 2) << 4);
            }
    return packed;
}

}  // namespace

int main(int count, char** arguments) {
    const contestant::task t = contestant::parse(count, arguments);
    void* library = dlopen(t.shared_object.c_str(), RTLD_NOW);
    if (library == nullptr) contestant::fail(dlerror());
    const auto product = reinterpret_cast<product_function>(dlsym(library, "gemv_4bit_inference_cpu_nf4_bf16"));
    const auto dequantize = reinterpret_cast<dequantize_function>(dlsym(library, "cdequantize_blockwise_cpu_nf4_bf16"));
    const auto has_bf16 = reinterpret_cast<bool (*)()>(dlsym(library, "has_avx512bf16_cpu"));
    const bool own = product != nullptr && has_bf16 != nullptr && has_bf16();
    if (dequantize == nullptr) contestant::fail("the library has no NF4 dequantization");

    const std::vector<float> pool = contestant::weight_pool(t), x = contestant::input(t);
    const quantized q = quantize(pool);
    const size_t blocks = t.columns / blocksize, bytes = t.rows * t.columns / 2 + t.rows * blocks * (own ? 2 : 4);
    std::vector<std::vector<uint8_t>> weights(1);
    std::vector<uint16_t> absmax_bf16(t.rows * blocks), x_bf16(x.size()), y(own ? t.m * t.rows : t.rows * t.columns);
    std::vector<float> absmax(t.rows * blocks);
    for (size_t i = 0; i < x.size(); ++i) x_bf16[i] = to_bf16(x[i]);
    for (size_t r = 0; r < t.rows; ++r)
        for (size_t b = 0; b < blocks; ++b) {
            absmax[r * blocks + b] = q.absmax[r % contestant::pool_rows * blocks + b];
            absmax_bf16[b * t.rows + r] = to_bf16(absmax[r * blocks + b]);
        }
    if (own) {
        weights[0] = product_order(q, t);
    } else {
        weights[0].resize(t.rows * t.columns / 2);
        for (size_t i = 0; i < weights[0].size(); ++i) {
            const size_t flat = 2 * i, row = flat / t.columns % contestant::pool_rows, at = row * t.columns + flat % t.columns;
            weights[0][i] = static_cast<uint8_t>(q.codes[at] << 4 | q.codes[at + 1]);
        }
    }
    while (weights.size() < t.matrices(bytes)) weights.push_back(weights[0]);

    const auto walk = [&] {
        for (std::vector<uint8_t>& w : weights) {
            if (own)
                product(static_cast<int64_t>(t.m), static_cast<int64_t>(t.rows), static_cast<int64_t>(t.columns), x_bf16.data(), w.data(),
                        absmax_bf16.data(), y.data(), blocksize, static_cast<int64_t>(t.columns), static_cast<int64_t>(t.rows));
            else
                dequantize(w.data(), absmax.data(), y.data(), blocksize, static_cast<long long>(t.rows), static_cast<long long>(t.columns));
        }
    };
    walk();
    std::vector<float> first(contestant::pool_rows);
    for (size_t n = 0; n < first.size(); ++n) {
        first[n] = own ? from_bf16(y[n]) : 0;
        for (size_t k = 0; !own && k < t.columns; ++k) first[n] += from_bf16(y[n * t.columns + k]) * x[k];
    }
    contestant::ready("bitsandbytes", own ? "gemv_4bit" : "dequantization alone", bytes,
                      contestant::relative_error(pool, x, t.columns, first.data()));
    contestant::serve(t.threads, weights.size(), walk);
}
