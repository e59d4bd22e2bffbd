// Rows into panels: every element in its lane, zeros in the lanes that have no row, nothing read or written past the ends.
#include "kernel_testing.h"

namespace nq::cpu::testing {
namespace {

class InterleaveKernel : public KernelTest {};
NQ_FOR_EVERY_IMPLEMENTATION(InterleaveKernel);

std::vector<uint8_t> random_bytes(size_t n, uint32_t seed) {
    std::mt19937 generator(seed);
    std::vector<uint8_t> bytes(n);
    for (uint8_t& b : bytes) b = static_cast<uint8_t>(generator());
    return bytes;
}

TEST_P(InterleaveKernel, AnElementLandsInTheLaneOfItsRow) {
    for (const size_t width : {2, 4}) {
        for (const size_t valid : {1, 3, 8, 9, 15, 16}) {
            for (const size_t count : {1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 48, 65, 100}) {
                for (const size_t gap : {size_t{0}, width, size_t{3}}) {  // 3: rows at odd addresses
                    const size_t stride = count * width + gap;
                    const guarded<uint8_t> rows(random_bytes((valid - 1) * stride + count * width, static_cast<uint32_t>(count)));
                    const guarded<uint8_t> panel(count * 16 * width, 32);
                    kernel().interleave_rows(rows.data(), stride, valid, count, width, panel.data());
                    for (size_t i = 0; i < count; ++i) {
                        for (size_t lane = 0; lane < 16; ++lane) {
                            for (size_t b = 0; b < width; ++b) {
                                const uint8_t expected = lane < valid ? rows[lane * stride + i * width + b] : 0;
                                ASSERT_EQ(panel[(i * 16 + lane) * width + b], expected)
                                    << "element " << i << " of " << count << ", lane " << lane << " of " << valid;
                            }
                        }
                    }
                }
            }
        }
    }
}

TEST_P(InterleaveKernel, FourBitCodesGetTheNibbleOrderOfAPanel) {
    for (const size_t valid : {1, 5, 8, 16}) {
        for (const size_t count : {1, 4, 8, 9, 16, 24, 40}) {
            const size_t stride = count * 4 + 1;
            const guarded<uint8_t> rows(random_bytes((valid - 1) * stride + count * 4, static_cast<uint32_t>(valid)));
            const guarded<uint32_t> nibbles(count * 16, 64);
            kernel().interleave_codes_4bit(rows.data(), stride, valid, count, nibbles.data());
            for (size_t k = 0; k < count * 8; ++k) {
                for (size_t lane = 0; lane < 16; ++lane) {
                    const unsigned shift = static_cast<unsigned>(k % 2 * 16 + k % 8 / 2 * 4);  // panels.h
                    const int byte = lane < valid ? rows[lane * stride + k / 2] : 0;
                    ASSERT_EQ(nibbles[k / 8 * 16 + lane] >> shift & 15, static_cast<uint32_t>(k % 2 == 0 ? byte >> 4 : byte & 15)) << k;
                }
            }
        }
    }
}

}  // namespace
}  // namespace nq::cpu::testing
