// ldmatrix, movmatrix and mma.sync: fragments built by the documented maps, products compared with plain ones.
#include <cmath>
#include <random>

#include "kernel_text.h"

namespace ptx::testing {
namespace {

constexpr unsigned lanes = 32;

// Registers of all lanes: [register][lane].
using fragment = std::vector<std::array<uint32_t, lanes>>;

// Runs an mma on fragments of A, B and C.
fragment multiply(const std::string& instruction, const fragment& a, const fragment& b, const fragment& c) {
    memory global;
    const size_t in = a.size() + b.size() + c.size();
    auto* const words = reinterpret_cast<uint32_t*>(global.allocate((in + c.size()) * lanes * 4));
    std::string text =
        ".visible .entry k(.param .align 8 .b8 p[8])\n{\n.reg .b64 %rd<4>;\n.reg .b32 %r<40>;\n"
        "ld.param.u64 %rd1, [p];\nmov.u32 %r0, %tid.x;\nmul.wide.u32 %rd2, %r0, 4;\nadd.s64 %rd3, %rd1, %rd2;\n";
    size_t next = 0;
    const auto load = [&](const fragment& f) {
        std::string list = "{";
        for (const auto& r : f) {
            std::copy(r.begin(), r.end(), words + next * lanes);
            const std::string name = "%r" + std::to_string(1 + next);
            text += "ld.global.u32 " + name + ", [%rd3+" + std::to_string(next * lanes * 4) + "];\n";
            list += (list.size() > 1 ? ", " : "") + name;
            ++next;
        }
        return list + "}";
    };
    const std::string la = load(a), lb = load(b), lc = load(c);
    text += instruction + " " + lc + ", " + la + ", " + lb + ", " + lc + ";\n";
    for (size_t k = 0; k < c.size(); ++k) {
        text +=
            "st.global.u32 [%rd3+" + std::to_string((in + k) * lanes * 4) + "], %r" + std::to_string(1 + a.size() + b.size() + k) + ";\n";
    }
    image i(module_head + text + "ret;\n}\n", global);
    const uint64_t parameters[] = {reinterpret_cast<uintptr_t>(words)};
    launch(i.load("k"), global, {1}, {lanes}, 0, std::as_bytes(std::span(parameters)));
    fragment d(c.size());
    for (size_t k = 0; k < c.size(); ++k) {
        std::copy_n(words + (in + k) * lanes, lanes, d[k].begin());
    }
    return d;
}

// Where the documents of PTX put an element of a 16-bit or 8-bit operand: its lane, register and place within the register.
struct place {
    unsigned lane, reg, part;
};
place of_a(unsigned row, unsigned k, unsigned each, unsigned row_groups) {
    return {row % 8 * 4 + k / each % 4, row / 8 + k / (4 * each) * row_groups, k % each};
}
place of_b(unsigned k, unsigned column, unsigned each) { return {column * 4 + k / each % 4, k / (4 * each), k % each}; }
place of_c(unsigned row, unsigned column) { return {row % 8 * 4 + column / 2, row / 8 * 2 + column % 2, 0}; }

void put(fragment& f, place p, unsigned bits_each, uint32_t value) {
    f[p.reg][p.lane] |= (value & (bits_each == 32 ? ~0u : (1u << bits_each) - 1)) << p.part * bits_each;
}

struct float_case {
    const char* types;
    unsigned k;
    bool is_bf16;
    bool f16_result;
};

class FloatMatrices : public ::testing::TestWithParam<float_case> {};

// Small integers: every product and sum is exact, so any wrong place shows.
TEST_P(FloatMatrices, products_are_those_of_the_matrices) {
    const auto& [types, k, is_bf16, f16_result] = GetParam();
    std::mt19937 random(3);
    std::vector<float> a(16 * k), b(k * 8), c(16 * 8);
    fragment fa(k / 4), fb(k / 8), fc(f16_result ? 2 : 4);
    const auto narrow = [&](float f) { return is_bf16 ? float_to_bf16(f) : float_to_f16(f); };
    const auto small = [&] { return static_cast<float>(static_cast<int>(random() % 17) - 8); };
    for (unsigned r = 0; r < 16; ++r) {
        for (unsigned i = 0; i < k; ++i) {
            put(fa, of_a(r, i, 2, 2), 16, narrow(a[r * k + i] = small()));
        }
    }
    for (unsigned i = 0; i < k; ++i) {
        for (unsigned n = 0; n < 8; ++n) {
            put(fb, of_b(i, n, 2), 16, narrow(b[i * 8 + n] = small()));
        }
    }
    const auto c_place = [&](unsigned r, unsigned n) {
        const place p = of_c(r, n);
        return f16_result ? place{p.lane, p.reg / 2, p.reg % 2} : p;
    };
    for (unsigned r = 0; r < 16; ++r) {
        for (unsigned n = 0; n < 8; ++n) {
            c[r * 8 + n] = small();
            put(fc, c_place(r, n), f16_result ? 16 : 32, f16_result ? float_to_f16(c[r * 8 + n]) : bits(c[r * 8 + n]));
        }
    }
    const fragment d = multiply("mma.sync.aligned.m16n8k" + std::to_string(k) + ".row.col." + types, fa, fb, fc);
    for (unsigned r = 0; r < 16; ++r) {
        for (unsigned n = 0; n < 8; ++n) {
            float expected = c[r * 8 + n];
            for (unsigned i = 0; i < k; ++i) {
                expected += a[r * k + i] * b[i * 8 + n];
            }
            const place p = c_place(r, n);
            const uint32_t word = d[p.reg][p.lane];
            EXPECT_EQ(f16_result ? f16_to_float(static_cast<uint16_t>(word >> 16 * p.part)) : std::bit_cast<float>(word), expected)
                << r << " " << n;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, FloatMatrices,
                         ::testing::Values(float_case{"f32.bf16.bf16.f32", 16, true, false},
                                           float_case{"f32.f16.f16.f32", 16, false, false}, float_case{"f32.f16.f16.f32", 8, false, false},
                                           float_case{"f32.bf16.bf16.f32", 8, true, false},
                                           float_case{"f16.f16.f16.f16", 16, false, true}));

struct integer_case {
    const char* shape;
    const char* types;
    unsigned rows, k;
    bool a_signed, b_signed;
};

class IntegerMatrices : public ::testing::TestWithParam<integer_case> {};

TEST_P(IntegerMatrices, products_are_those_of_the_matrices) {
    const auto& [shape, types, rows, k, a_signed, b_signed] = GetParam();
    std::mt19937 random(5);
    std::vector<int> a(rows * k), b(k * 8);
    fragment fa(rows / 8 * k / 16), fb(k / 16), fc(rows / 4);
    const auto byte = [&](bool is_signed) { return static_cast<int>(random() % 256) - (is_signed ? 128 : 0); };
    for (unsigned r = 0; r < rows; ++r) {
        for (unsigned i = 0; i < k; ++i) {
            put(fa, of_a(r, i, 4, rows / 8), 8, static_cast<uint32_t>(a[r * k + i] = byte(a_signed)));
        }
    }
    for (unsigned i = 0; i < k; ++i) {
        for (unsigned n = 0; n < 8; ++n) {
            put(fb, of_b(i, n, 4), 8, static_cast<uint32_t>(b[i * 8 + n] = byte(b_signed)));
        }
    }
    for (unsigned r = 0; r < rows; ++r) {
        for (unsigned n = 0; n < 8; ++n) {
            put(fc, of_c(r, n), 32, static_cast<uint32_t>(1000 * static_cast<int>(r) - 77 * static_cast<int>(n)));
        }
    }
    const fragment d = multiply(std::string("mma.sync.aligned.") + shape + ".row.col." + types, fa, fb, fc);
    for (unsigned r = 0; r < rows; ++r) {
        for (unsigned n = 0; n < 8; ++n) {
            int expected = 1000 * static_cast<int>(r) - 77 * static_cast<int>(n);
            for (unsigned i = 0; i < k; ++i) {
                expected += a[r * k + i] * b[i * 8 + n];
            }
            const place p = of_c(r, n);
            EXPECT_EQ(static_cast<int>(d[p.reg][p.lane]), expected) << r << " " << n;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, IntegerMatrices,
                         ::testing::Values(integer_case{"m16n8k32", "s32.s8.s8.s32", 16, 32, true, true},
                                           integer_case{"m16n8k32", "s32.u8.s8.s32", 16, 32, false, true},
                                           integer_case{"m16n8k16", "s32.s8.s8.s32", 16, 16, true, true},
                                           integer_case{"m8n8k16", "s32.s8.s8.s32", 8, 16, true, true}));

// Four 8x8 matrices whose element (i, r, c) is 100 i + 10 r + c, rows of 16 bytes.
const std::string fill =
    "mov.u32 %r5, s; shl.b32 %r6, %r0, 4; add.u32 %r6, %r6, %r5; shr.u32 %r7, %r0, 3; and.b32 %r8, %r0, 7; mul.lo.u32 %r9, %r7, 100;"
    "mad.lo.u32 %r9, %r8, 10, %r9; mul.lo.u32 %r10, %r9, 0x10001; add.u32 %r11, %r10, 0x10000; add.u32 %r12, %r10, 0x30002;"
    "add.u32 %r13, %r10, 0x50004; add.u32 %r14, %r10, 0x70006; st.shared.v4.u32 [%r6], {%r11, %r12, %r13, %r14}; bar.warp.sync 0xffffffff;";
const std::string shared = ".shared .align 16 .b8 s[512];\n";

TEST(MatrixLoads, give_each_lane_two_neighbours_of_a_row_or_of_a_column) {
    for (unsigned matrix = 0; matrix < 4; ++matrix) {
        const std::string result_register = "%r" + std::to_string(20 + matrix);
        for (const bool transposed : {false, true}) {
            const auto out = run(kernel(fill + "ldmatrix.sync.aligned.m8n8.x4" + (transposed ? ".trans" : "") +
                                            ".shared.b16 {%r20, %r21, %r22, %r23}, [%r6]; st.global.u32 [%rd4], " + result_register + ";",
                                        shared));
            for (unsigned l = 0; l < lanes; ++l) {
                const unsigned g = l / 4, q = 2 * (l % 4), base = 100 * matrix;
                const unsigned low = base + (transposed ? 10 * q + g : 10 * g + q), high = low + (transposed ? 10 : 1);
                EXPECT_EQ(out[l], low | high << 16) << matrix << " " << l;
            }
        }
    }
    const auto two =
        run(kernel(fill + "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r20, %r21}, [%r6]; st.global.u32 [%rd4], %r21;", shared));
    EXPECT_EQ(two[5], 112u | 113u << 16);
}

TEST(MatrixLoads, transpose_in_registers) {
    const auto out = run(kernel(fill + "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r20}, [%r6];"
                                       "movmatrix.sync.aligned.m8n8.trans.b16 %r2, %r20; st.global.u32 [%rd4], %r2;",
                                shared));
    for (unsigned l = 0; l < lanes; ++l) {
        const unsigned g = l / 4, q = 2 * (l % 4);
        EXPECT_EQ(out[l], (10 * q + g) | (10 * q + 10 + g) << 16);
    }
}

TEST(MatrixLoads, of_misaligned_rows_or_by_part_of_a_warp_are_refused) {
    fault_of(fault_kind::misaligned_address,
             [] { run(kernel("mov.u32 %r5, s; add.u32 %r5, %r5, 8; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r2}, [%r5];", shared)); });
    fault_of(fault_kind::failed, [] {
        run(kernel("mov.u32 %r5, s; setp.lt.u32 %p1, %r0, 16; @%p1 exit; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r2}, [%r5];", shared));
    });
}

}  // namespace
}  // namespace ptx::testing
