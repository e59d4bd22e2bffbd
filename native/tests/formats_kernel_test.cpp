// Quantizers and dequantizers of one block or row: every implementation gives the bits that the formats define.
#include <algorithm>

#include "formats/codebooks.h"
#include "kernel_testing.h"

namespace nq::cpu::testing {
namespace {

class FormatsKernel : public KernelTest {};
NQ_FOR_EVERY_IMPLEMENTATION(FormatsKernel);

constexpr float subnormal = 1e-40f;
const float nan_value = std::numeric_limits<float>::quiet_NaN();

// Blocks that have broken quantizers before.
std::vector<std::vector<float>> nasty_blocks() {
    std::vector<std::vector<float>> blocks;
    for (const size_t n : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128, 1000})
        blocks.push_back(normal_values(n, static_cast<uint32_t>(n)));
    blocks.emplace_back(64, 0.0f);
    blocks.emplace_back(64, -0.0f);
    blocks.emplace_back(64, 0.37f);
    blocks.emplace_back(64, -3.0f);
    std::vector<float> outlier = normal_values(64, 5);
    outlier[17] = 1e4f;
    blocks.push_back(outlier);
    std::vector<float> alternating(64), tiny(64), ends = normal_values(64, 6, 0.1f);
    for (size_t i = 0; i < 64; ++i) {
        alternating[i] = i % 2 == 0 ? 1.0f : -1.0f;
        tiny[i] = (static_cast<float>(i) - 32.0f) * subnormal;
    }
    ends.front() = -2.0f;
    ends.back() = 2.0f;
    blocks.push_back(alternating);
    blocks.push_back(tiny);
    blocks.push_back(ends);
    return blocks;
}

float largest_magnitude(const std::vector<float>& x) {
    float most = 0;
    for (const float v : x) most = std::fmax(most, std::fabs(v));
    return most;
}

// x / absmax as the format defines it.
float scaled(float x, float absmax) {
    if (absmax == 0) return 0;
    const float reciprocal = 1.0f / absmax;
    return std::isinf(reciprocal) ? x / absmax : x * reciprocal;
}

TEST_P(FormatsKernel, AbsmaxIsTheLargestMagnitude) {
    for (const std::vector<float>& block : nasty_blocks()) {
        const guarded<float> x(block);
        EXPECT_EQ(kernel().absmax(x.data(), x.size()), largest_magnitude(block));
    }
    EXPECT_EQ(kernel().absmax(nullptr, 0), 0.0f);
    for (const size_t n : {1, 5, 16, 33}) {
        for (size_t i = 0; i < n; ++i) {
            std::vector<float> x = normal_values(n, 3);
            x[i] = -INFINITY;
            EXPECT_EQ(kernel().absmax(x.data(), n), INFINITY);
            x[(i + 1) % n] = nan_value;
            EXPECT_TRUE(std::isnan(kernel().absmax(x.data(), n)));
        }
    }
}

// Values as a kernel takes them: at any address, a type of their own, ending at an inaccessible page.
struct encoded {
    encoded(const std::vector<float>& x, nq_dtype dtype) : bytes(x.size() * (dtype == NQ_DTYPE_F32 ? 4 : 2)), values(x) {
        for (float& v : values) v = through(dtype, v);
        scalar_kernels.convert_from_f32(x.data(), bytes.data(), dtype, x.size());
    }
    guarded<char> bytes;
    std::vector<float> values;  // as held
};

struct quantized_4bit {
    quantized_4bit(const kernels& k, const encoded& x, nq_dtype dtype, uint32_t blocksize, nq_quant_type type)
        : packed((x.values.size() + 1) / 2), absmax((x.values.size() + blocksize - 1) / blocksize) {
        finite = k.quantize_4bit(x.bytes.data(), dtype, x.values.size(), blocksize, type, packed.data(), absmax.data());
    }
    uint8_t code(size_t i) const { return i % 2 == 0 ? packed[i / 2] >> 4 : packed[i / 2] & 15; }

    guarded<uint8_t> packed;
    guarded<float> absmax;
    bool finite;
};

TEST_P(FormatsKernel, FourBitCodesAreTheNearestCodebookEntries) {
    for (const nq_quant_type type : {NQ_QUANT_TYPE_NF4, NQ_QUANT_TYPE_FP4}) {
        const float* codebook = formats::codebook_4bit(type);
        for (const std::vector<float>& block : nasty_blocks()) {
            for (const nq_dtype dtype : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
                const encoded x(block, dtype);
                const quantized_4bit result(kernel(), x, dtype, 4096, type), reference(scalar_kernels, x, dtype, 4096, type);
                ASSERT_TRUE(result.finite);
                ASSERT_EQ(result.absmax[0], largest_magnitude(x.values));
                ASSERT_EQ(result.packed.values(), reference.packed.values());
                for (size_t i = 0; i < x.values.size(); ++i) {
                    const double y = scaled(x.values[i], result.absmax[0]);
                    double best = INFINITY;
                    for (int code = 0; code < 16; ++code) best = std::fmin(best, std::fabs(y - static_cast<double>(codebook[code])));
                    ASSERT_LE(std::fabs(y - static_cast<double>(codebook[result.code(i)])), best + 1e-7) << y;
                    if (y == 0) {
                        ASSERT_EQ(result.code(i), formats::zero_code_4bit(type));
                    }
                }
                if (x.values.size() % 2 == 1) {
                    EXPECT_EQ(result.code(x.values.size()), formats::zero_code_4bit(type)) << "the odd end";
                }
            }
        }
    }
}

TEST_P(FormatsKernel, FourBitBlocksFollowEachOther) {
    for (const nq_dtype dtype : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
        for (const nq_quant_type type : {NQ_QUANT_TYPE_NF4, NQ_QUANT_TYPE_FP4}) {
            for (const uint32_t blocksize : {32u, 64u, 128u, 4096u}) {
                for (const size_t n : {1, 31, 63, 64, 65, 97, 192, 321, 4100, 9000}) {
                    std::vector<float> values = normal_values(n, static_cast<uint32_t>(n));
                    for (size_t i = 0; i < n; ++i) {  // blocks of different sizes of number, some of zeros, some subnormal
                        const size_t block = i / blocksize % 5;
                        values[i] *= block == 1 ? 0.0f : block == 2 ? 1e-39f : block == 3 ? 3e4f : 1.0f;
                    }
                    const encoded x(values, dtype);
                    const quantized_4bit result(kernel(), x, dtype, blocksize, type), reference(scalar_kernels, x, dtype, blocksize, type);
                    ASSERT_EQ(result.packed.values(), reference.packed.values()) << n << " in blocks of " << blocksize;
                    ASSERT_EQ(result.absmax.values(), reference.absmax.values()) << n << " in blocks of " << blocksize;
                }
            }
        }
    }
}

TEST_P(FormatsKernel, FourBitCodesOfManyMagnitudesAreThoseOfTheDefinition) {
    // Random bits: every exponent, and quotients that round both ways.
    std::mt19937 generator(17);
    std::vector<float> x(200000);
    for (size_t i = 0; i < x.size(); ++i) {
        do x[i] = formats::float_of(generator());
        while (!std::isfinite(x[i]));
        if (i % 640 >= 64) x[i] = std::ldexp(x[i] / std::ldexp(1.0f, std::ilogb(x[i])), static_cast<int>(generator() % 5) - 4);
    }
    for (const nq_dtype dtype : {NQ_DTYPE_F32, NQ_DTYPE_BF16}) {
        for (const nq_quant_type type : {NQ_QUANT_TYPE_NF4, NQ_QUANT_TYPE_FP4}) {
            const encoded source(x, dtype);
            const quantized_4bit result(kernel(), source, dtype, 64, type), reference(scalar_kernels, source, dtype, 64, type);
            ASSERT_TRUE(result.packed.values() == reference.packed.values());
            ASSERT_TRUE(result.absmax.values() == reference.absmax.values());
        }
    }
}

TEST_P(FormatsKernel, FourBitMidpointsTakeTheLowerCode) {
    // absmax 1, so that y is the value itself: each threshold, and its neighbours.
    std::vector<float> x = {1.0f};
    std::vector<uint8_t> expected = {15};
    for (int i = 0; i < 15; ++i) {
        const float t = formats::nf4_thresholds[i];
        x.insert(x.end(), {std::nextafter(t, -2.0f), t, std::nextafter(t, 2.0f)});
        expected.insert(expected.end(), {static_cast<uint8_t>(i), static_cast<uint8_t>(i), static_cast<uint8_t>(i + 1)});
    }
    const quantized_4bit nf4(kernel(), encoded(x, NQ_DTYPE_F32), NQ_DTYPE_F32, 64, NQ_QUANT_TYPE_NF4);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(nf4.code(i), expected[i]) << x[i];

    x = {1.0f, -1.0f};
    expected = {3, 11};
    for (int i = 0; i < 7; ++i) {
        const float t = formats::fp4_thresholds[i];
        const uint8_t low = formats::fp4_magnitude_codes[i], high = formats::fp4_magnitude_codes[i + 1];
        x.insert(x.end(), {t, std::nextafter(t, 2.0f), -t, -std::nextafter(t, 2.0f)});
        expected.insert(expected.end(), {low, high, static_cast<uint8_t>(low | 8), static_cast<uint8_t>(high | 8)});
    }
    const quantized_4bit fp4(kernel(), encoded(x, NQ_DTYPE_F32), NQ_DTYPE_F32, 64, NQ_QUANT_TYPE_FP4);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(fp4.code(i), expected[i]) << x[i];
}

TEST_P(FormatsKernel, FourBitRefusesBlocksThatAreNotFinite) {
    for (const nq_dtype dtype : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
        for (const float bad : {nan_value, -nan_value, INFINITY, -INFINITY}) {
            for (const size_t at : {0, 31, 64, 95, 127, 128, 140}) {
                std::vector<float> values = normal_values(141, 9);
                values[at] = bad;
                const quantized_4bit result(kernel(), encoded(values, dtype), dtype, 64, NQ_QUANT_TYPE_NF4);
                EXPECT_FALSE(result.finite);
                for (size_t block = 0; block < 3; ++block) EXPECT_EQ(std::isfinite(result.absmax[block]), block != at / 64) << at;
            }
        }
    }
}

TEST_P(FormatsKernel, FourBitDequantizationIsTheRoundedProductAtAnyOffset) {
    const std::vector<float> absmax = {0.5f, 0.0f, 3.7e4f, subnormal, 1.0f / 3, 12.0f, 0.1f, 9.0f};
    for (const uint32_t blocksize : {32u, 64u, 96u}) {
        const size_t total = absmax.size() * blocksize;
        std::vector<uint8_t> bytes(total / 2);
        for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 37 + i / 7);
        for (const nq_quant_type type : {NQ_QUANT_TYPE_NF4, NQ_QUANT_TYPE_FP4}) {
            const float* codebook = formats::codebook_4bit(type);
            for (size_t first : {0u, 1u, 2u, 31u, 33u, 64u, 95u}) {
                for (size_t n :
                     {size_t{0}, size_t{1}, size_t{2}, size_t{15}, size_t{16}, size_t{17}, size_t{63}, size_t{130}, total - first}) {
                    const guarded<uint8_t> packed(
                        std::vector<uint8_t>(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>((first + n + 1) / 2)));
                    const guarded<float> values(n);
                    kernel().dequantize_4bit(packed.data(), first, n, codebook, absmax.data(), blocksize, values.data());
                    for (size_t i = 0; i < n; ++i) {
                        const size_t element = first + i;
                        const int code = element % 2 == 0 ? bytes[element / 2] >> 4 : bytes[element / 2] & 15;
                        ASSERT_EQ(bits(values[i]), bits(codebook[code] * absmax[element / blocksize])) << element;
                    }
                }
            }
        }
    }
}

TEST_P(FormatsKernel, EightBitCodesAreTheNearestMapEntries) {
    for (const float* map : {formats::dynamic_map_signed, formats::dynamic_map_unsigned}) {
        const formats::map_search& search = *formats::map_search::of_dynamic_map(map);
        ASSERT_TRUE(search.exact());
        for (const std::vector<float>& block : nasty_blocks()) {
            const guarded<float> x(block);
            const guarded<uint8_t> codes(block.size()), reference(block.size());
            const float absmax = largest_magnitude(block);
            kernel().quantize_8bit_block(x.data(), x.size(), absmax, search, codes.data());
            scalar_kernels.quantize_8bit_block(x.data(), x.size(), absmax, search, reference.data());
            ASSERT_EQ(codes.values(), reference.values());
            for (size_t i = 0; i < block.size(); ++i) {
                const double y = scaled(block[i], absmax);
                double best = INFINITY;
                for (int code = 0; code < 256; ++code) best = std::fmin(best, std::fabs(y - static_cast<double>(map[code])));
                ASSERT_LE(std::fabs(y - static_cast<double>(map[codes[i]])), best * 1.000001 + 1e-9) << y;
            }
        }
    }
}

TEST_P(FormatsKernel, EightBitMidpointsTakeTheEvenIndex) {
    for (const float* map : {formats::dynamic_map_signed, formats::dynamic_map_unsigned}) {
        std::vector<float> x;
        std::vector<uint8_t> expected;
        for (int i = 0; i < 255; ++i) {
            const float t = 0.5f * (map[i] + map[i + 1]);
            x.insert(x.end(), {std::nextafter(t, -2.0f), t, std::nextafter(t, 2.0f)});
            for (const int code : {i, i % 2 == 0 ? i : i + 1, i + 1}) expected.push_back(static_cast<uint8_t>(code));
        }
        for (int i = 0; i < 256; ++i) {
            x.push_back(map[i]);
            expected.push_back(static_cast<uint8_t>(i));
        }
        std::vector<uint8_t> codes(x.size());
        kernel().quantize_8bit_block(x.data(), x.size(), 1.0f, *formats::map_search::of_dynamic_map(map), codes.data());
        EXPECT_EQ(codes, expected);
    }
}

TEST_P(FormatsKernel, EightBitCodesOfEveryMagnitudeAreThoseOfTheDefinition) {
    // Every upper half of a number up to 1, with lower halves on both ends and in between, of both signs.
    std::vector<float> x;
    for (uint32_t upper = 0; upper <= 0x3f80; ++upper)
        for (const uint32_t lower : {0x0000u, 0x0001u, 0x3333u, 0x8000u, 0xcccdu, 0xffffu})
            for (const uint32_t sign : {0x00000000u, 0x80000000u})
                if (upper < 0x3f80 || lower == 0) x.push_back(formats::float_of(sign | upper << 16 | lower));
    for (const float* map : {formats::dynamic_map_signed, formats::dynamic_map_unsigned}) {
        const formats::map_search& search = *formats::map_search::of_dynamic_map(map);
        std::vector<uint8_t> codes(x.size()), reference(x.size());
        kernel().quantize_8bit_block(x.data(), x.size(), 1.0f, search, codes.data());
        scalar_kernels.quantize_8bit_block(x.data(), x.size(), 1.0f, search, reference.data());
        for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(codes[i], reference[i]) << x[i];
    }
}

TEST_P(FormatsKernel, EightBitCodesOfAnyAscendingMapAreTheNearestEntries) {
    std::vector<float> linear(256), crowded(256), wide(256), equal(256, 0.25f), random = normal_values(256, 3, 0.3f);
    for (int i = 0; i < 256; ++i) {
        linear[static_cast<size_t>(i)] = static_cast<float>(i - 127) / 128;
        crowded[static_cast<size_t>(i)] = 0.5f + static_cast<float>(i) * 0x1p-20f;
        wide[static_cast<size_t>(i)] = static_cast<float>(i - 128) / 16;
    }
    std::sort(random.begin(), random.end());
    const std::vector<float> x = normal_values(5000, 4);
    const float absmax = largest_magnitude(x);
    for (const std::vector<float>& map : {linear, crowded, wide, equal, random}) {
        const formats::map_search search(map.data());
        std::vector<uint8_t> codes(x.size()), reference(x.size());
        kernel().quantize_8bit_block(x.data(), x.size(), absmax, search, codes.data());
        scalar_kernels.quantize_8bit_block(x.data(), x.size(), absmax, search, reference.data());
        EXPECT_EQ(codes, reference);
    }
    EXPECT_TRUE(formats::map_search(linear.data()).exact());
    EXPECT_FALSE(formats::map_search(crowded.data()).exact()) << "many midpoints in a cell";
    EXPECT_FALSE(formats::map_search(wide.data()).exact()) << "midpoints beyond 1";
}

TEST_P(FormatsKernel, EightBitDequantizationIsTheRoundedProduct) {
    for (const size_t n : {1, 7, 8, 9, 16, 17, 256, 300}) {
        std::vector<uint8_t> bytes(n);
        for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<uint8_t>(i * 11);
        const guarded<uint8_t> codes(bytes);
        const guarded<float> map(std::vector<float>(formats::dynamic_map_signed, formats::dynamic_map_signed + 256)), values(n);
        kernel().dequantize_8bit_block(codes.data(), n, map.data(), 1.0f / 3, values.data());
        for (size_t i = 0; i < n; ++i) ASSERT_EQ(bits(values[i]), bits(map[bytes[i]] * (1.0f / 3)));
    }
}

TEST_P(FormatsKernel, Int8RowAbsmaxLeavesOutliersOut) {
    for (const size_t n : {1, 5, 8, 16, 17, 33, 100}) {
        for (const float threshold : {0.0f, 1.0f, 6.0f}) {
            std::vector<float> values = normal_values(n, static_cast<uint32_t>(n), 3.0f);
            if (threshold > 0) {
                values[n / 2] = nan_value;
                values[n - 1] = -threshold;
                values[0] = std::nextafter(threshold, 0.0f);
            }
            const guarded<float> x(values);
            const guarded<uint8_t> columns(std::vector<uint8_t>(n, 9));
            float expected = 0;
            std::vector<uint8_t> expected_columns(n, 9);
            for (size_t i = 0; i < n; ++i) {
                if (threshold == 0 || std::fabs(values[i]) < threshold)
                    expected = std::fmax(expected, std::fabs(values[i]));
                else
                    expected_columns[i] = 1;
            }
            EXPECT_EQ(kernel().int8_row_absmax(x.data(), n, threshold, columns.data()), expected);
            EXPECT_EQ(columns.values(), expected_columns);
        }
        for (const float bad : {nan_value, INFINITY, -INFINITY}) {
            std::vector<float> values = normal_values(n, 8);
            values[n - 1] = bad;
            EXPECT_TRUE(std::isnan(kernel().int8_row_absmax(values.data(), n, 0.0f, nullptr)));
        }
    }
}

TEST_P(FormatsKernel, Int8CodesAreTheRoundedQuotients) {
    for (std::vector<float> values : nasty_blocks()) {
        const size_t n = values.size();
        for (const float threshold : {0.0f, 2.0f}) {
            for (const bool with_skip : {false, true}) {
                if (threshold > 0) values[n / 3] = nan_value;
                float absmax = 0;
                for (const float v : values)
                    if (threshold == 0 || std::fabs(v) < threshold) absmax = std::fmax(absmax, std::fabs(v));
                std::vector<uint8_t> skipped(n);
                for (size_t i = 0; i < n; ++i) skipped[i] = i % 5 == 2;
                const guarded<float> x(values);
                const guarded<uint8_t> skip(skipped);
                const guarded<int8_t> codes(n);
                kernel().int8_quantize_row(x.data(), n, absmax, threshold, with_skip ? skip.data() : nullptr, codes.data());
                const float scale = 127.0f / absmax;
                for (size_t i = 0; i < n; ++i) {
                    const bool zero = absmax == 0 || std::isnan(values[i] * scale) || (with_skip && skipped[i] != 0) ||
                                      (threshold > 0 && !(std::fabs(values[i]) < threshold));
                    const float bounded = std::fmin(std::fmax(values[i] * scale, -127.0f), 127.0f);
                    ASSERT_EQ(codes[i], zero ? 0 : static_cast<int>(std::nearbyint(bounded))) << values[i] << " of " << absmax;
                }
            }
        }
    }
    // Halves are ties: to even.
    const std::vector<float> ties = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f, 127.0f};
    std::vector<int8_t> codes(ties.size());
    kernel().int8_quantize_row(ties.data(), ties.size(), 127.0f, 0.0f, nullptr, codes.data());
    EXPECT_EQ(codes, (std::vector<int8_t>{0, 2, 2, 0, -2, -2, 126, 127}));
    kernel().int8_quantize_row(ties.data(), ties.size(), nan_value, 0.0f, nullptr, codes.data());
    EXPECT_EQ(codes, std::vector<int8_t>(ties.size(), 0));
}

}  // namespace
}  // namespace nq::cpu::testing
