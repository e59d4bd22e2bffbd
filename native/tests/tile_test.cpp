// The tile operations: the emulation against the architecture's definition written out once more, with every flush to zero made by hand;
// and where the processor has tiles, those against the emulation, bit for bit.
#include "cpu/amx/tile.h"

#include "cpu/amx/tile_emulation.h"
#include "cpu/processors.h"
#include "kernel_testing.h"

namespace nq::cpu::testing {
namespace {

namespace emulated = amx::emulated_tiles;

constexpr uint32_t values_of_interest[] = {0x0000, 0x8000, 0x0001, 0x007f, 0x0080, 0x3f80, 0xbf80, 0x3f81, 0x7f7f, 0xff7f, 0x0100, 0x1f80};

struct tile_data {
    alignas(64) uint8_t rows[16][64] = {};

    template <class T>
    T get(size_t row, size_t i) const {
        T value;
        std::memcpy(&value, rows[row] + i * sizeof value, sizeof value);
        return value;
    }
    template <class T>
    void set(size_t row, size_t i, T value) {
        std::memcpy(rows[row] + i * sizeof value, &value, sizeof value);
    }
};

amx::tile_configuration product_shapes(size_t m, size_t n, size_t k) {
    amx::tile_configuration c;
    const auto set = [&](int tile, size_t rows, size_t bytes) {
        c.rows[tile] = static_cast<uint8_t>(rows);
        c.row_bytes[tile] = static_cast<uint16_t>(bytes);
    };
    set(0, m, 4 * n);
    set(1, m, 4 * k);
    set(2, k, 4 * n);
    return c;
}

// The whole 1 KiB of the result, so that writes outside of the shape would show.
#define NQ_TILE_PRODUCT(operations, multiply)                                                                   \
    [](const amx::tile_configuration& shapes, const tile_data& a, const tile_data& b, const tile_data& start) { \
        tile_data c = start;                                                                                    \
        operations::configure(shapes);                                                                          \
        operations::load<0>(c.rows, 64);                                                                        \
        operations::load<1>(a.rows, 64);                                                                        \
        operations::load<2>(b.rows, 64);                                                                        \
        operations::multiply<0, 1, 2>();                                                                        \
        operations::store<0>(c.rows, 64);                                                                       \
        operations::release();                                                                                  \
        return c;                                                                                               \
    }
using product = tile_data (*)(const amx::tile_configuration&, const tile_data&, const tile_data&, const tile_data&);
constexpr product emulated_bf16 = NQ_TILE_PRODUCT(emulated, multiply_bf16), emulated_int8 = NQ_TILE_PRODUCT(emulated, multiply_u8s8);
constexpr product native_bf16 = NQ_TILE_PRODUCT(amx::tiles, multiply_bf16), native_int8 = NQ_TILE_PRODUCT(amx::tiles, multiply_u8s8);

float flushed(float x) { return std::fabs(x) < std::numeric_limits<float>::min() ? std::copysign(0.0f, x) : x; }

tile_data defined_bf16(size_t m, size_t n, size_t k, const tile_data& a, const tile_data& b, const tile_data& start) {
    tile_data c = start;
    for (size_t row = 0; row < m; ++row) {
        for (size_t column = 0; column < n; ++column) {
            float sum[2] = {0, 0};
            for (size_t pair = 0; pair < k; ++pair) {
                for (size_t i = 0; i < 2; ++i) {
                    const float x = flushed(formats::f32_from_bf16(a.get<uint16_t>(row, 2 * pair + i)));
                    const float w = flushed(formats::f32_from_bf16(b.get<uint16_t>(pair, 2 * column + i)));
                    sum[i] = flushed(std::fma(x, w, sum[i]));
                }
            }
            c.set(row, column, flushed(flushed(c.get<float>(row, column)) + flushed(sum[0] + sum[1])));
        }
    }
    return c;
}

void fill_bf16(tile_data& t, std::mt19937& generator, bool hard) {
    for (size_t row = 0; row < 16; ++row)
        for (size_t i = 0; i < 32; ++i) {
            const uint32_t random = static_cast<uint32_t>(generator());
            const uint32_t plain = (random & 0x807f) | (120 + random / 65536 % 12) << 7;
            t.set(row, i,
                  static_cast<uint16_t>(hard && random % 4 == 0 ? values_of_interest[random / 4 % std::size(values_of_interest)] : plain));
        }
}

void fill_singles(tile_data& t, std::mt19937& generator) {
    for (size_t row = 0; row < 16; ++row)
        for (size_t i = 0; i < 16; ++i) t.set(row, i, std::ldexp(static_cast<float>(generator()), -30));
}

void expect_same(const tile_data& actual, const tile_data& expected, size_t m, size_t n) {
    for (size_t row = 0; row < 16; ++row) {
        float a[16], b[16];
        std::memcpy(a, actual.rows[row], 64);
        std::memcpy(b, expected.rows[row], 64);
        ASSERT_TRUE(same_values(a, b, 16)) << "row " << row << " of " << m << " x " << n;
    }
}

class Tile : public ::testing::Test {
protected:
    void SetUp() override {
        if (!has_cpu_features("fma")) GTEST_SKIP() << "the emulation is compiled for processors with fused multiply-add";
    }
};

TEST_F(Tile, Bf16ProductIsTheArchitecturesInEveryShape) {
    std::mt19937 generator(1);
    for (size_t m = 1; m <= 16; ++m) {
        for (const size_t n : {1, 2, 7, 15, 16}) {
            for (const size_t k : {1, 3, 8, 16}) {
                tile_data a, b, c;
                fill_bf16(a, generator, false);
                fill_bf16(b, generator, false);
                fill_singles(c, generator);
                expect_same(emulated_bf16(product_shapes(m, n, k), a, b, c), defined_bf16(m, n, k, a, b, c), m, n);
            }
        }
    }
}

TEST_F(Tile, Bf16ProductTakesSubnormalNumbersAsZeroAndMakesNone) {
    tile_data a, b, c;
    // Row and column of one product each, the others are zero.
    a.set<uint16_t>(0, 0, 0x0001), b.set<uint16_t>(0, 0, 0x7f00);  // a subnormal number times a large one
    a.set<uint16_t>(1, 2, 0x1000), b.set<uint16_t>(1, 2, 0x1000);  // a product below 2^-126
    c.set(2, 0, 1e-40f);                                           // a subnormal sum so far
    const tile_data y = emulated_bf16(product_shapes(3, 2, 2), a, b, c);
    for (size_t row = 0; row < 3; ++row)
        for (size_t column = 0; column < 2; ++column) EXPECT_EQ(bits(y.get<float>(row, column)), 0u) << row << ' ' << column;
}

TEST_F(Tile, Bf16ProductRoundsEachSumToNearestEven) {
    tile_data a, b, c;
    // Even elements: 1 + 2^-24 (a tie, down to 1), then + 2^-24 again (down again); the odd sum is 2^-23. 1 + 2^-23 + 1 is a tie, to 2.
    const uint16_t one = 0x3f80, two_to_minus_12 = 0x3980, two_to_minus_11 = 0x3a00;
    a.set(0, 0, one), b.set(0, 0, one);
    for (size_t pair = 1; pair <= 2; ++pair) a.set(0, 2 * pair, two_to_minus_12), b.set(pair, 0, two_to_minus_12);
    a.set(0, 1, two_to_minus_12), b.set(0, 1, two_to_minus_11);
    EXPECT_EQ(emulated_bf16(product_shapes(1, 1, 3), a, b, c).get<float>(0, 0), 1 + 0x1p-23f);
    c.set(0, 0, 1.0f);
    EXPECT_EQ(emulated_bf16(product_shapes(1, 1, 3), a, b, c).get<float>(0, 0), 2.0f);
}

TEST_F(Tile, Bf16ProductKeepsNanAndInfinityInTheirRowAndColumn) {
    for (const uint16_t bad : {uint16_t{0x7f80}, uint16_t{0x7fc0}}) {
        tile_data a, b, c;
        for (size_t row = 0; row < 16; ++row)
            for (size_t i = 0; i < 32; ++i) a.set<uint16_t>(row, i, 0x3f80), b.set<uint16_t>(row, i, 0x3f80);
        a.set(3, 5, bad);
        const tile_data y = emulated_bf16(product_shapes(16, 16, 16), a, b, c);
        for (size_t row = 0; row < 16; ++row)
            for (size_t column = 0; column < 16; ++column) {
                const float value = y.get<float>(row, column);
                if (row == 3)
                    EXPECT_TRUE(bad == 0x7f80 ? value == INFINITY : std::isnan(value));
                else
                    EXPECT_EQ(value, 32.0f);
            }
    }
}

TEST_F(Tile, RoundingModeOfTheThreadDoesNotMatter) {
    std::mt19937 generator(2);
    tile_data a, b, c;
    fill_bf16(a, generator, true);
    fill_bf16(b, generator, true);
    const tile_data expected = emulated_bf16(product_shapes(16, 16, 16), a, b, c);
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x6000);  // towards zero
    const tile_data y = emulated_bf16(product_shapes(16, 16, 16), a, b, c);
    EXPECT_EQ(_mm_getcsr() & 0xffc0, (before | 0x6000) & 0xffc0);
    _mm_setcsr(before);
    expect_same(y, expected, 16, 16);
}

TEST_F(Tile, Int8ProductIsExactModulo2To32InEveryShape) {
    std::mt19937 generator(3);
    for (const size_t m : {1, 5, 16}) {
        for (const size_t n : {1, 9, 16}) {
            for (const size_t k : {1, 7, 16}) {
                tile_data a, b, c;
                for (size_t row = 0; row < 16; ++row) {
                    for (size_t i = 0; i < 64; ++i) {
                        a.rows[row][i] = generator() % 3 == 0 ? 255 : static_cast<uint8_t>(generator());
                        b.rows[row][i] = generator() % 3 == 0 ? 128 : static_cast<uint8_t>(generator());
                    }
                    for (size_t i = 0; i < 16; ++i) c.set(row, i, static_cast<int32_t>(generator()));
                }
                const tile_data y = emulated_int8(product_shapes(m, n, k), a, b, c);
                for (size_t row = 0; row < 16; ++row) {
                    for (size_t column = 0; column < 16; ++column) {
                        int64_t sum = c.get<int32_t>(row, column);
                        for (size_t i = 0; row < m && column < n && i < 4 * k; ++i)
                            sum += a.rows[row][i] * static_cast<int8_t>(b.rows[i / 4][4 * column + i % 4]);
                        ASSERT_EQ(y.get<int32_t>(row, column), static_cast<int32_t>(sum)) << row << ' ' << column;
                    }
                }
            }
        }
    }
}

TEST_F(Tile, LoadsAndStoresRowsOfAnyDistance) {
    amx::tile_configuration shapes;
    shapes.rows[3] = 5;
    shapes.row_bytes[3] = 12;
    const guarded<uint8_t> source(4 * 100 + 12), target(4 * 77 + 12);
    for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<uint8_t>(i * 7 + i / 100);
    for (size_t i = 0; i < target.size(); ++i) target[i] = 0xee;
    emulated::configure(shapes);
    emulated::load<3>(source.data(), 100);
    emulated::store<3>(target.data(), 77);
    for (size_t i = 0; i < target.size(); ++i) EXPECT_EQ(target[i], i % 77 < 12 ? source[i / 77 * 100 + i % 77] : 0xee) << i;
    emulated::load<3>(source.data(), 0);
    emulated::store<3>(target.data(), 12);
    for (size_t i = 0; i < 60; ++i) EXPECT_EQ(target[i], source[i % 12]) << i;
    emulated::zero<3>();
    emulated::store<3>(target.data(), 12);
    for (size_t i = 0; i < 60; ++i) EXPECT_EQ(target[i], 0) << i;
    emulated::release();
}

TEST_F(Tile, EmulationStopsWhereTheProcessorWouldFault) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    tile_data data;
    EXPECT_DEATH(emulated::load<0>(data.rows, 64), "") << "no configuration";
    EXPECT_DEATH(emulated_bf16(product_shapes(17, 16, 16), data, data, data), "") << "too many rows";
    amx::tile_configuration shapes = product_shapes(16, 16, 16);
    shapes.rows[2] = 15;
    EXPECT_DEATH(emulated_bf16(shapes, data, data, data), "") << "shapes that do not fit";
}

TEST_F(Tile, ProcessorAndEmulationGiveTheSameBits) {
    if (!has_cpu_features("amx-tile amx-bf16 amx-int8")) GTEST_SKIP() << "this processor has no tiles";
    std::mt19937 generator(4);
    for (int round = 0; round < 1000; ++round) {
        const size_t m = generator() % 16 + 1, n = generator() % 16 + 1, k = generator() % 16 + 1;
        const amx::tile_configuration shapes = product_shapes(m, n, k);
        tile_data a, b, c;
        fill_bf16(a, generator, true);
        fill_bf16(b, generator, true);
        fill_singles(c, generator);
        expect_same(native_bf16(shapes, a, b, c), emulated_bf16(shapes, a, b, c), m, n);
        const tile_data processor = native_int8(shapes, a, b, c), plain = emulated_int8(shapes, a, b, c);
        ASSERT_EQ(std::memcmp(processor.rows, plain.rows, sizeof plain.rows), 0);
    }
}

}  // namespace
}  // namespace nq::cpu::testing
