// Sixteen rows quantized into a panel, at once where an implementation does that, else row by row: the codes and absmax of the definition
// in the order of a panel, nothing read or written past the ends.
#include "formats/half.h"
#include "kernel_testing.h"

namespace nq::cpu::testing {
namespace {

class QuantizePanelKernel : public KernelTest {};
NQ_FOR_EVERY_IMPLEMENTATION(QuantizePanelKernel);

struct source_rows {
    source_rows(const std::vector<float>& values, nq_dtype type, size_t gap)
        : dtype(type), size(type == NQ_DTYPE_F32 ? 4 : 2), n(values.size() / 16), stride(n + gap), bytes(((15 * stride) + n) * size) {
        for (size_t r = 0; r < 16; ++r) scalar_kernels.convert_from_f32(&values[r * n], bytes.data() + r * stride * size, dtype, n);
    }
    nq_dtype dtype;
    size_t size, n, stride;
    guarded<char> bytes;
};

struct panel {
    panel(size_t n, uint32_t blocksize) : absmax_stride(n / blocksize + 1), nibbles(n / 8 * 16, 64), absmax(16 * absmax_stride - 1) {}
    size_t absmax_stride;
    guarded<uint32_t> nibbles;
    guarded<float> absmax;
    bool finite = true;
};

void take_rows(const kernels& k, const source_rows& x, uint32_t blocksize, nq_quant_type type, panel& to) {
    std::vector<uint8_t> packed(16 * x.n / 2);
    for (size_t r = 0; r < 16; ++r)
        to.finite &= k.quantize_4bit(x.bytes.data() + r * x.stride * x.size, x.dtype, x.n, blocksize, type, packed.data() + r * x.n / 2,
                                     to.absmax.data() + r * to.absmax_stride);
    k.interleave_codes_4bit(packed.data(), x.n / 2, 16, x.n / 8, to.nibbles.data());
}

void take_panel(const kernels& k, const source_rows& x, uint32_t blocksize, nq_quant_type type, panel& to) {
    if (k.quantize_panel_4bit == nullptr) return take_rows(k, x, blocksize, type, to);
    to.finite = k.quantize_panel_4bit(x.bytes.data(), x.stride, x.dtype, x.n, blocksize, type, to.nibbles.data(), to.absmax.data(),
                                      to.absmax_stride);
}

void expect_the_same(const kernels& k, const source_rows& x, uint32_t blocksize, nq_quant_type type) {
    panel result(x.n, blocksize), reference(x.n, blocksize);
    take_panel(k, x, blocksize, type, result);
    take_rows(scalar_kernels, x, blocksize, type, reference);
    ASSERT_TRUE(result.finite);
    ASSERT_TRUE(result.nibbles.values() == reference.nibbles.values()) << x.n << " columns in blocks of " << blocksize;
    ASSERT_TRUE(result.absmax.values() == reference.absmax.values()) << x.n << " columns in blocks of " << blocksize;
}

constexpr nq_dtype dtypes[] = {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16};
constexpr nq_quant_type types[] = {NQ_QUANT_TYPE_NF4, NQ_QUANT_TYPE_FP4};

TEST_P(QuantizePanelKernel, RowsAreThoseOfTheDefinitionInTheOrderOfAPanel) {
    for (const uint32_t blocksize : {32u, 64u, 128u, 256u, 1024u, 4096u}) {
        for (const size_t blocks : {1, 3, 16, 17, 40}) {
            const size_t n = blocks * blocksize;
            if (n > 20000) continue;
            for (const nq_dtype dtype : dtypes)
                for (const nq_quant_type type : types)
                    expect_the_same(kernel(), source_rows(normal_values(16 * n, static_cast<uint32_t>(n)), dtype, n % 3 * 7), blocksize,
                                    type);
        }
    }
}

TEST_P(QuantizePanelKernel, ZerosSubnormalsAndLargeNumbersAreThoseOfTheDefinition) {
    constexpr size_t n = 2240;
    for (const uint32_t odd_rows : {0x0000u, 0x0010u, 0x8001u, 0xffffu}) {  // the rows with a block that has no reciprocal
        std::vector<float> values = normal_values(16 * n, 5);
        for (size_t i = 0; i < values.size(); ++i) {
            const size_t kind = i % n / 64 % 5;
            const bool odd = (odd_rows >> (i / n) & 1) != 0;
            values[i] *= kind == 1 ? 0.0f : kind == 2 && odd ? 1e-39f : kind == 3 ? 3e3f : kind == 4 ? -1e-3f : 1.0f;
        }
        for (const nq_dtype dtype : dtypes)
            for (const nq_quant_type type : types) expect_the_same(kernel(), source_rows(values, dtype, 1), 64, type);
    }
}

TEST_P(QuantizePanelKernel, AValueThatIsNotFiniteIsReportedWhereverItIsAndSpoilsItsBlockOnly) {
    constexpr size_t n = 1152;
    const std::vector<float> values = normal_values(16 * n, 6);
    for (const nq_dtype dtype : dtypes) {
        for (const size_t at : {size_t{0}, 5 * n + 700, 16 * n - 1}) {
            for (const float bad : {INFINITY, -INFINITY, NAN}) {
                std::vector<float> spoilt = values;
                spoilt[at] = bad;
                panel result(n, 64), reference(n, 64);
                take_panel(kernel(), source_rows(spoilt, dtype, 0), 64, NQ_QUANT_TYPE_NF4, result);
                take_rows(scalar_kernels, source_rows(values, dtype, 0), 64, NQ_QUANT_TYPE_NF4, reference);
                EXPECT_FALSE(result.finite);
                const size_t row = at / n, block = at % n / 64;
                for (size_t r = 0; r < 16; ++r) {
                    for (size_t b = 0; b < n / 64; ++b) {
                        const size_t index = r * result.absmax_stride + b;
                        if (r == row && b == block) {
                            EXPECT_FALSE(std::isfinite(result.absmax[index]));
                            continue;
                        }
                        ASSERT_EQ(result.absmax[index], reference.absmax[index]);
                        for (size_t i = b * 8; i < (b + 1) * 8; ++i)
                            ASSERT_EQ(result.nibbles[i * 16 + r], reference.nibbles[i * 16 + r]) << "row " << r << ", block " << b;
                    }
                }
            }
        }
    }
}

}  // namespace
}  // namespace nq::cpu::testing
