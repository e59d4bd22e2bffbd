// Groups of linear layers against the same layers alone: the same bits, for every format, epilogue and type of tensor.
#include "support.h"

namespace nq::test {
namespace {

// A layer and how it is called alone.
struct layer {
    matrix weights;
    nq_matrix_kind kind;
    nq_dtype compute_dtype = NQ_DTYPE_F32;
    float threshold = 0;
    array bias;
    bool biased;

    nq_status forward(const nq_tensor* x, const nq_tensor* y) const {
        const nq_tensor* added = biased ? static_cast<const nq_tensor*>(bias) : nullptr;
        if (kind == NQ_MATRIX_DENSE) return nq_linear_forward(weights, x, added, y);
        if (kind == NQ_MATRIX_4BIT) return nq_linear4bit_forward(weights, x, added, compute_dtype, y);
        return nq_linear8bit_forward(weights, x, added, threshold, y);
    }
    nq_linear_layer in_group(const nq_tensor* y) const {
        return {weights, compute_dtype, threshold, biased ? *static_cast<const nq_tensor*>(bias) : nq_tensor{}, *y};
    }
};

constexpr const char* formats[] = {"f32",      "bf16",          "nf4",  "nf4_nested_bf16", "nf4_f16", "fp4_flat",
                                   "nf4_int8", "fp4_int8_flat", "int8", "int8_outliers"};

layer make_layer(nq_device* device, const std::string& format, size_t n, size_t k, uint32_t seed) {
    const std::vector<float> w = normal_values(n * k, seed);
    const bool biased = seed % 2 == 0;
    array bias(device, NQ_DTYPE_F32, 1, n, normal_values(n, seed + 1));
    if (format == "f32") return {dense_matrix(device, n, k, w), NQ_MATRIX_DENSE, NQ_DTYPE_F32, 0, std::move(bias), biased};
    if (format == "bf16") return {dense_matrix(device, n, k, w, NQ_DTYPE_BF16), NQ_MATRIX_DENSE, NQ_DTYPE_F32, 0, std::move(bias), biased};
    if (format.starts_with("int8")) {
        return {matrix_8bit(device, n, k, w), NQ_MATRIX_8BIT, NQ_DTYPE_F32, format == "int8" ? 0.0f : 2.5f, std::move(bias), biased};
    }
    const nq_quant_type type = format.starts_with("nf4") ? NQ_QUANT_TYPE_NF4 : NQ_QUANT_TYPE_FP4;
    const auto has = [&](const char* part) { return format.find(part) != std::string::npos; };
    const nq_dtype compute = has("bf16") ? NQ_DTYPE_BF16 : has("f16") ? NQ_DTYPE_F16 : has("int8") ? NQ_DTYPE_I8 : NQ_DTYPE_F32;
    // Blocks of 512 run over the ends of rows of 192: a matrix that is not held in panels.
    return {matrix_4bit(device, n, k, w, type, has("flat") ? 512 : 64, has("nested")), NQ_MATRIX_4BIT, compute, 0, std::move(bias), biased};
}

class LinearGroup : public EveryImplementation {
protected:
    static constexpr size_t k = 192;

    array input(size_t m, nq_dtype dtype) { return {device_, dtype, m, k, normal_values(m * k, 77)}; }
    // What y holds before the call, so that an epilogue that adds has something to add to.
    array output(size_t m, size_t n, nq_dtype dtype) { return {device_, dtype, m, n, normal_values(m * n, 99), 3}; }
};
NQ_RUN_ON_EVERY_IMPLEMENTATION(LinearGroup);

TEST_P(LinearGroup, GivesTheBitsOfTheLayersAlone) {
    constexpr size_t rows_of[] = {96, 16, 33};
    for (size_t m : {1u, 2u, 5u, 33u}) {
        for (nq_dtype dtype : {NQ_DTYPE_F32, NQ_DTYPE_BF16}) {
            const array x = input(m, dtype);
            for (size_t first = 0; first < std::size(formats); first++) {
                std::vector<layer> layers;
                std::vector<array> expected, actual;
                std::vector<nq_linear_layer> group;
                for (size_t i = 0; i < 3; i++) {  // formats of one group differ
                    const std::string format = formats[(first + i * i) % std::size(formats)];
                    layers.push_back(make_layer(device_, format, rows_of[i], k, static_cast<uint32_t>(10 * first + i)));
                    expected.push_back(output(m, rows_of[i], dtype));
                    actual.push_back(output(m, rows_of[i], dtype));
                    EXPECT_OK(layers[i].forward(x, expected[i]));
                    group.push_back(layers[i].in_group(actual[i]));
                }
                ASSERT_OK(nq_linear_group_forward(group.data(), 3, x, NQ_EPILOGUE_NONE));
                for (size_t i = 0; i < 3; i++)
                    EXPECT_EQ(actual[i].bytes(), expected[i].bytes()) << formats[first] << ' ' << i << " M " << m;
            }
        }
    }
}

TEST_P(LinearGroup, SharesWhatWideLayersMakeOfOneRow) {
    // Rows enough for products by tables of x (AVX2), which two of the three layers have in common.
    const array x = input(1, NQ_DTYPE_F32);
    std::vector<layer> layers;
    std::vector<array> expected, actual;
    std::vector<nq_linear_layer> group;
    for (const char* format : {"nf4", "fp4", "nf4_nested"}) {
        layers.push_back(make_layer(device_, format, 600, k, static_cast<uint32_t>(layers.size())));
        expected.push_back(output(1, 600, NQ_DTYPE_F32));
        actual.push_back(output(1, 600, NQ_DTYPE_F32));
        EXPECT_OK(layers.back().forward(x, expected.back()));
    }
    for (size_t i = 0; i < 3; i++) group.push_back(layers[i].in_group(actual[i]));
    ASSERT_OK(nq_linear_group_forward(group.data(), 3, x, NQ_EPILOGUE_NONE));
    for (size_t i = 0; i < 3; i++) EXPECT_EQ(actual[i].bytes(), expected[i].bytes()) << i;
}

TEST_P(LinearGroup, AddsToWhatIsThere) {
    for (const char* format : formats) {
        for (size_t m : {1u, 17u}) {
            const array x = input(m, NQ_DTYPE_F32), product(device_, NQ_DTYPE_F32, m, 50), expected = output(m, 50, NQ_DTYPE_F32),
                        actual = output(m, 50, NQ_DTYPE_F32);
            const layer one = make_layer(device_, format, 50, k, 4);
            EXPECT_OK(one.forward(x, product));
            EXPECT_OK(nq_residual_add_forward(product, expected));
            const nq_linear_layer group = one.in_group(actual);
            ASSERT_OK(nq_linear_group_forward(&group, 1, x, NQ_EPILOGUE_ADD));
            EXPECT_EQ(actual.bytes(), expected.bytes()) << format << " M " << m;
        }
    }
}

TEST_P(LinearGroup, AddsInF32AndRoundsOnceToANarrowerOutput) {
    const array x = input(3, NQ_DTYPE_F32), product(device_, NQ_DTYPE_F32, 3, 600), y = output(3, 600, NQ_DTYPE_F16);
    std::vector<float> expected = y.floats();
    const layer one = make_layer(device_, "nf4", 600, k, 4);
    EXPECT_OK(one.forward(x, product));
    const std::vector<float> added = product.floats();
    for (size_t i = 0; i < expected.size(); i++) expected[i] += added[i];
    const nq_linear_layer group = one.in_group(y);
    ASSERT_OK(nq_linear_group_forward(&group, 1, x, NQ_EPILOGUE_ADD));
    EXPECT_EQ(y.floats(), rounded(expected, NQ_DTYPE_F16));
}

TEST_P(LinearGroup, GatesByTheFirstLayer) {
    for (size_t f = 0; f < std::size(formats); f++) {
        for (size_t m : {1u, 17u}) {
            const array x = input(m, NQ_DTYPE_F32), gate = output(m, 70, NQ_DTYPE_F32), up = output(m, 70, NQ_DTYPE_F32),
                        y = output(m, 70, NQ_DTYPE_F32), other = output(m, 70, NQ_DTYPE_F32);
            const layer first = make_layer(device_, formats[f], 70, k, 3),
                        second = make_layer(device_, formats[(f + 3) % std::size(formats)], 70, k, 8);
            EXPECT_OK(first.forward(x, gate));
            EXPECT_OK(second.forward(x, up));
            EXPECT_OK(nq_gated_silu_forward(gate, up, gate));
            const nq_linear_layer group[] = {first.in_group(y), second.in_group(other)};
            ASSERT_OK(nq_linear_group_forward(group, 2, x, NQ_EPILOGUE_GATED_SILU));
            EXPECT_EQ(y.bytes(), gate.bytes()) << formats[f] << " M " << m;
            EXPECT_EQ(other.bytes(), up.bytes()) << formats[f] << " M " << m;
        }
    }
}

TEST_P(LinearGroup, DoesNotDependOnTheNumberOfThreads) {
    const auto run = [&](uint32_t threads) {
        const device cpu(GetParam(), threads);
        const array x(cpu, NQ_DTYPE_F32, 3, 1024, normal_values(3 * 1024, 5));
        std::vector<layer> layers;
        std::vector<array> ys;
        std::vector<nq_linear_layer> group;
        for (size_t i = 0; i < 4; i++) {
            layers.push_back(make_layer(cpu, formats[2 * i + i / 3], 300 + 50 * i, 1024, static_cast<uint32_t>(i)));
            ys.emplace_back(cpu, NQ_DTYPE_F32, 3, 300 + 50 * i);
            group.push_back(layers[i].in_group(ys[i]));
        }
        std::vector<std::vector<uint8_t>> bytes;
        EXPECT_OK(nq_linear_group_forward(group.data(), 4, x, NQ_EPILOGUE_ADD));
        for (const array& y : ys) bytes.push_back(y.bytes());
        return bytes;
    };
    const auto expected = run(1);
    for (uint32_t threads : {2u, 3u, 7u}) EXPECT_TRUE(run(threads) == expected) << threads << " threads";
}

TEST(LinearGroupArguments, AreChecked) {
    const device cpu;
    const layer a = make_layer(cpu, "nf4", 32, 64, 1), b = make_layer(cpu, "int8", 32, 64, 2), c = make_layer(cpu, "f32", 48, 64, 3),
                narrow = make_layer(cpu, "f32", 32, 128, 4);
    const array x(cpu, NQ_DTYPE_F32, 2, 64), y(cpu, NQ_DTYPE_F32, 2, 32), z(cpu, NQ_DTYPE_F32, 2, 32), wide(cpu, NQ_DTYPE_F32, 2, 48);
    const auto refused = [&](std::vector<nq_linear_layer> layers, nq_epilogue epilogue, const char* why) {
        EXPECT_EQ(nq_linear_group_forward(layers.data(), static_cast<uint32_t>(layers.size()), x, epilogue), NQ_STATUS_INVALID_ARGUMENT)
            << why;
        EXPECT_NE(std::string(nq_last_error_message()).find(why), std::string::npos) << nq_last_error_message();
    };
    nq_linear_layer wrong = a.in_group(y);
    wrong.compute_dtype = NQ_DTYPE_U8;
    refused({wrong}, NQ_EPILOGUE_NONE, "compute_dtype has element type 4 (u8)");
    wrong = b.in_group(y);
    wrong.threshold = -1;
    refused({wrong}, NQ_EPILOGUE_NONE, "threshold is -1");
    refused({a.in_group(y), narrow.in_group(z)}, NQ_EPILOGUE_NONE, "x is 2 x 64, expected 2 x 128");
    refused({a.in_group(y), c.in_group(z)}, NQ_EPILOGUE_NONE, "layers[1].y is 2 x 32, expected 2 x 48");
    refused({a.in_group(y), b.in_group(y)}, NQ_EPILOGUE_NONE, "overlaps");
    refused({a.in_group(x)}, NQ_EPILOGUE_NONE, "layers[0].y");
    refused({a.in_group(y), c.in_group(wide)}, NQ_EPILOGUE_GATED_SILU, "layers[1].y is 2 x 48, expected 2 x 32");
    refused({a.in_group(y)}, NQ_EPILOGUE_GATED_SILU, "a gated SiLU has 1 layers, expected 2");
    refused({a.in_group(y)}, static_cast<nq_epilogue>(3), "epilogue is 3");
    refused(std::vector<nq_linear_layer>(9, a.in_group(y)), NQ_EPILOGUE_NONE, "a group has 9 layers, expected 1 to 8");
    const nq_linear_layer group = a.in_group(y);
    EXPECT_EQ(nq_linear_group_forward(&group, 0, x, NQ_EPILOGUE_NONE), NQ_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(nq_linear_group_forward(nullptr, 1, x, NQ_EPILOGUE_NONE), NQ_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(nq_linear_group_forward(&group, 1, nullptr, NQ_EPILOGUE_NONE), NQ_STATUS_INVALID_ARGUMENT);
    nq_linear_layer missing = group;
    missing.matrix = nullptr;
    refused({missing}, NQ_EPILOGUE_NONE, "layers[0].matrix is null");
    missing.matrix = reinterpret_cast<nq_matrix*>(cpu.operator nq_device*());
    EXPECT_EQ(nq_linear_group_forward(&missing, 1, x, NQ_EPILOGUE_NONE), NQ_STATUS_INVALID_HANDLE);
}

}  // namespace
}  // namespace nq::test
