// Matrix fragments: ldmatrix, movmatrix, mma.sync m16n8kK and m8n8kK. A fragment is spread over the warp: lane 4 * g + q holds, in each of
// its 32-bit registers, neighbouring elements of one row g of A (column g of B): two of 16 bits from 2 * q on, or four of 8 bits from 4 * q
// on. Registers of A step first eight rows down, then along k; results are two neighbouring columns, 2 * q, of row g.
#include <cstring>

#include "lanes.h"

namespace ptx {
namespace {

constexpr unsigned matrix_rows = 8;

void need_all_lanes(warp& w, lane_mask mask) {
    if (mask != all_lanes) {
        w.fail(fault_kind::failed, "a matrix instruction in a warp that is not whole");
    }
}

using matrix_8x8 = std::array<std::array<uint16_t, 8>, 8>;

uint32_t pair(uint16_t low, uint16_t high) { return low | uint32_t{high} << 16; }

uint32_t fragment_of(const matrix_8x8& m, unsigned lane, bool by_columns) {
    const unsigned g = lane / 4, q = 2 * (lane % 4);
    return by_columns ? pair(m[q][g], m[q + 1][g]) : pair(m[g][q], m[g][q + 1]);
}

enum load_option : uint16_t { transposed = 1, shared_address = 2 };

// operands: address, results. Lane 8 * i + r gives the address of row r of matrix i.
void execute_load_matrices(warp& w, const instruction& i, lane_mask mask) {
    need_all_lanes(w, mask);
    const cell* const addresses = w.source(i.operands[0]);
    std::array<matrix_8x8, 4> matrices;
    for (unsigned l = 0; l < matrix_rows * i.count; ++l) {
        const uint64_t address = addresses[l] + static_cast<uint64_t>(i.displacement);
        const bool shared = (i.option & shared_address) != 0;
        if (!shared && address < shared_window) {
            w.fail(fault_kind::illegal_address, l, "ldmatrix of memory that is not shared");
        }
        const std::byte* row_data = shared ? w.at_shared(l, static_cast<uint32_t>(address), 16) : w.at_generic(l, address, 16);
        std::memcpy(matrices[l / 8][l % 8].data(), row_data, 16);
    }
    for (unsigned k = 0; k < i.count; ++k) {
        cell* const d = w.destination(i.operands[1 + k]);
        for_each_lane(mask, [&](unsigned l) { d[l] = fragment_of(matrices[k], l, (i.option & transposed) != 0); });
    }
}

void load_matrices(decoding& d) {
    d.take_all({"sync", "aligned", "m8n8"});
    d.expect_operands(2);
    const std::string_view number = d.take_one({"x1", "x2", "x4"});
    const operand& results = d.at(0);
    const size_t count = number.empty() ? 0 : static_cast<size_t>(number[1] - '0');
    if (count == 0 || results.is != operand::form::vector || results.elements.size() != count) {
        d.refuse("number of matrices");
    }
    const auto [base, displacement] = d.address(1);
    d.result.operands[0] = base;
    d.result.displacement = displacement;
    for (size_t k = 0; k < count; ++k) {
        d.result.operands[1 + k] = d.destination_of(results.elements[k]);
    }
    d.result.count = static_cast<uint8_t>(count);
    d.result.option = static_cast<uint16_t>((d.take("trans") ? transposed : 0) | (d.take("shared") ? shared_address : 0));
    d.result.kind = instruction_kind::collective;
    if (d.take_type() != "b16") {
        d.refuse("type");
    }
    d.execute(execute_load_matrices);
}

void execute_transpose(warp& w, const instruction& i, lane_mask mask) {
    need_all_lanes(w, mask);
    const cell* const a = w.source(i.operands[1]);
    matrix_8x8 m;
    for_each_lane(mask, [&](unsigned l) {
        m[l / 4][2 * (l % 4)] = static_cast<uint16_t>(a[l]);
        m[l / 4][2 * (l % 4) + 1] = static_cast<uint16_t>(a[l] >> 16);
    });
    cell* const d = w.destination(i.operands[0]);
    for_each_lane(mask, [&](unsigned l) { d[l] = fragment_of(m, l, true); });
}

void transpose(decoding& d) {
    d.use_destination_and_sources(2);
    d.take_all({"sync", "aligned", "m8n8"});
    d.result.kind = instruction_kind::collective;
    if (!d.take("trans") || d.take_type() != "b16") {
        d.refuse("form");
    }
    d.execute(execute_transpose);
}

// Element types of A and B.
struct f16_elements {
    using value = float;
    static constexpr unsigned each = 2;  // in a register
    static float get(cell c, unsigned k) { return f16_to_float(static_cast<uint16_t>(c >> 16 * k)); }
};
struct bf16_elements {
    using value = float;
    static constexpr unsigned each = 2;
    static float get(cell c, unsigned k) { return bf16_to_float(static_cast<uint16_t>(c >> 16 * k)); }
};
struct s8_elements {
    using value = int32_t;
    static constexpr unsigned each = 4;
    static int32_t get(cell c, unsigned k) { return static_cast<int8_t>(c >> 8 * k); }
};
struct u8_elements {
    using value = int32_t;
    static constexpr unsigned each = 4;
    static int32_t get(cell c, unsigned k) { return static_cast<uint8_t>(c >> 8 * k); }
};

// Types of C and D, and how many of a row's two results a register holds.
struct f32_results {
    static constexpr unsigned each = 1;
    static float get(cell c, unsigned) { return read<float>(c); }
    static cell put(float low, float) { return written(low); }
};
struct f16_results {
    static constexpr unsigned each = 2;
    static float get(cell c, unsigned k) { return f16_to_float(static_cast<uint16_t>(c >> 16 * k)); }
    static cell put(float low, float high) { return pair(float_to_f16(low), float_to_f16(high)); }
};
struct s32_results {
    static constexpr unsigned each = 1;
    static int32_t get(cell c, unsigned) { return read<int32_t>(c); }
    static cell put(int32_t low, int32_t) { return static_cast<uint32_t>(low); }
};

// operands: D, A, B, C, each as many registers as the shape has. Products are exact; sums of one instruction's products are rounded in
// order of k, then added to C. (What a device's tensor cores do between these roundings is their own.)
template <class A, class B, class Results, unsigned Rows, unsigned K>
void execute_multiply(warp& w, const instruction& i, lane_mask mask) {
    using value = typename A::value;
    constexpr unsigned halves = Rows / 8, steps = K / (4 * A::each);
    constexpr unsigned a_registers = halves * steps, b_registers = steps, c_registers = 2 * halves / Results::each;
    static_assert(c_registers * 2 + a_registers + b_registers <= instruction::most_operands);
    need_all_lanes(w, mask);
    const row* const d_rows = i.operands.data();
    const row* const a_rows = d_rows + c_registers;
    const row* const b_rows = a_rows + a_registers;
    const row* const c_rows = b_rows + b_registers;

    value a[Rows][K], b[K][8], c[Rows][8];
    for (unsigned r = 0; r < a_registers; ++r) {
        const cell* const cells = w.source(a_rows[r]);
        for (unsigned l = 0; l < warp_lanes; ++l) {
            for (unsigned e = 0; e < A::each; ++e) {
                a[l / 4 + r % halves * 8][l % 4 * A::each + r / halves * 4 * A::each + e] = A::get(cells[l], e);
            }
        }
    }
    for (unsigned r = 0; r < b_registers; ++r) {
        const cell* const cells = w.source(b_rows[r]);
        for (unsigned l = 0; l < warp_lanes; ++l) {
            for (unsigned e = 0; e < B::each; ++e) {
                b[l % 4 * B::each + r * 4 * B::each + e][l / 4] = B::get(cells[l], e);
            }
        }
    }
    for (unsigned half = 0; half < halves; ++half) {
        for (unsigned k = 0; k < 2; ++k) {
            const unsigned element = 2 * half + k;
            const cell* const cells = w.source(c_rows[element / Results::each]);
            for (unsigned l = 0; l < warp_lanes; ++l) {
                c[l / 4 + 8 * half][2 * (l % 4) + k] = Results::get(cells[l], element % Results::each);
            }
        }
    }
    for (unsigned r = 0; r < Rows; ++r) {
        // Unsigned sums wrap, as the device's do.
        using total = std::conditional_t<std::is_integral_v<value>, uint32_t, float>;
        total sums[8] = {};
        for (unsigned k = 0; k < K; ++k) {
            for (unsigned n = 0; n < 8; ++n) {
                sums[n] += static_cast<total>(a[r][k] * b[k][n]);
            }
        }
        for (unsigned n = 0; n < 8; ++n) {
            c[r][n] = static_cast<value>(static_cast<total>(c[r][n]) + sums[n]);
        }
    }
    for (unsigned r = 0; r < c_registers; ++r) {
        cell* const cells = w.destination(d_rows[r]);
        for (unsigned l = 0; l < warp_lanes; ++l) {
            const unsigned element = r * Results::each, from = l / 4 + element / 2 * 8, column = 2 * (l % 4);
            cells[l] = Results::put(c[from][column + element % 2], c[from][column + 1]);
        }
    }
}

template <class Results>
executor choose_16_bits(std::string_view shape, std::string_view a) {
    if (a == "f16" && shape == "m16n8k16") return execute_multiply<f16_elements, f16_elements, Results, 16, 16>;
    if (a == "f16" && shape == "m16n8k8") return execute_multiply<f16_elements, f16_elements, Results, 16, 8>;
    if constexpr (std::is_same_v<Results, f32_results>) {
        if (a == "bf16" && shape == "m16n8k16") return execute_multiply<bf16_elements, bf16_elements, Results, 16, 16>;
        if (a == "bf16" && shape == "m16n8k8") return execute_multiply<bf16_elements, bf16_elements, Results, 16, 8>;
    }
    return nullptr;
}

template <class A, class B>
executor choose_8_bits(std::string_view shape) {
    if (shape == "m16n8k32") return execute_multiply<A, B, s32_results, 16, 32>;
    if (shape == "m16n8k16") return execute_multiply<A, B, s32_results, 16, 16>;
    if (shape == "m8n8k16") return execute_multiply<A, B, s32_results, 8, 16>;
    return nullptr;
}

executor choose_multiply(std::string_view shape, std::string_view results, std::string_view a, std::string_view b) {
    if (results == "s32") {
        if (a == "s8" && b == "s8") return choose_8_bits<s8_elements, s8_elements>(shape);
        if (a == "u8" && b == "u8") return choose_8_bits<u8_elements, u8_elements>(shape);
        if (a == "u8" && b == "s8") return choose_8_bits<u8_elements, s8_elements>(shape);
        if (a == "s8" && b == "u8") return choose_8_bits<s8_elements, u8_elements>(shape);
    }
    if (a == b && results == "f32") return choose_16_bits<f32_results>(shape, a);
    if (a == b && results == "f16") return choose_16_bits<f16_results>(shape, a);
    return nullptr;
}

// mma.sync.aligned.SHAPE.row.col.D.A.B.C
void multiply(decoding& d) {
    d.take_all({"sync", "aligned", "row", "col"});
    d.expect_operands(4);
    if (d.parts() != 10 || d.part(6) != d.part(9) || d.part(4) != "row" || d.part(5) != "col") {
        d.refuse("form");
    }
    for (const size_t k : {3, 6, 7, 8, 9}) {
        d.take_part(k);
    }
    const executor e = choose_multiply(d.part(3), d.part(6), d.part(7), d.part(8));
    if (e == nullptr) {
        d.refuse("shape and types");
    }
    const bool eight_rows = d.part(3).starts_with("m8");
    const size_t k = number(d.part(3).substr(d.part(3).rfind('k') + 1));
    const size_t b_registers = k / (d.part(7).ends_with("16") ? 8 : 16), a_registers = b_registers * (eight_rows ? 1 : 2);
    const size_t c_registers = (eight_rows ? 2 : 4) / (d.part(6) == "f16" ? 2 : 1);
    const size_t expected[] = {c_registers, a_registers, b_registers, c_registers};
    size_t next = 0;
    for (size_t o = 0; o < 4; ++o) {
        operand single;
        single.elements = {d.at(o)};
        const operand& registers = d.at(o).is == operand::form::vector ? d.at(o) : single;
        if (registers.elements.size() != expected[o]) {
            d.refuse("number of registers");
        }
        for (const operand& r : registers.elements) {
            d.result.operands[next++] = o == 0 ? d.destination_of(r) : d.source_of(r);
        }
    }
    d.result.kind = instruction_kind::collective;
    d.execute(e);
}

}  // namespace

void add_matrix_instructions(instruction_table& table) {
    table.add("ldmatrix", type_class::integer, load_matrices);
    table.add("movmatrix", type_class::integer, transpose);
    table.add("mma", type_class::any, multiply);
}

}  // namespace ptx
