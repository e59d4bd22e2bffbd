// Logic, shifts, bit fields, permutations of bytes.
#include "lanes.h"

namespace ptx {
namespace {

constexpr auto both = [](cell a, cell b) { return a & b; };
constexpr auto either = [](cell a, cell b) { return a | b; };
constexpr auto different = [](cell a, cell b) { return a ^ b; };

// All widths at once: bits above a register's own do not matter.
template <auto Operation>
void logic(decoding& d) {
    d.use_destination_and_sources(3);
    d.take_type();
    d.execute(execute_binary<cell, Operation>);
}

constexpr auto complement = [](cell a) { return ~a; };
constexpr auto is_zero = []<class T>(T a) { return static_cast<T>(a == 0); };

void complement_bits(decoding& d) {
    d.use_destination_and_sources(2);
    d.take_type();
    d.execute(execute_unary<cell, complement>);  // of a predicate too: its lowest bit is all that is read
}

void logical_not(decoding& d) {
    d.use_destination_and_sources(2);
    d.execute(with_integer(d, d.take_type(), []<class T>() -> executor { return execute_unary<T, is_zero>; }));
}

constexpr auto shifted_left = []<class T>(T a, uint32_t by) {
    return by >= 8 * sizeof(T) ? T{0} : static_cast<T>(static_cast<uint64_t>(a) << by);
};
constexpr auto shifted_right = []<class T>(T a, uint32_t by) {
    return by >= 8 * sizeof(T) ? static_cast<T>(a < 0 ? -1 : 0) : static_cast<T>(a >> by);
};

template <class T, auto Operation>
void execute_shift(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const by = w.source(i.operands[2]);
    for_each_lane(mask, [=](unsigned l) { d[l] = written(Operation(read<T>(a[l]), read<uint32_t>(by[l]))); });
}

template <auto Operation>
void shift(decoding& d) {
    d.use_destination_and_sources(3);
    d.execute(with_integer(d, d.take_type(), []<class T>() -> executor { return execute_shift<T, Operation>; }));
}

// Two registers as one of 64 bits, shifted; a shift of more than 32 counts as 32 (clamp) or by its lowest five bits (wrap).
template <bool Left, bool Wrap>
constexpr auto funnel = [](uint32_t low, uint32_t high, uint32_t by) {
    const uint64_t both_words = low | static_cast<uint64_t>(high) << 32;
    const uint32_t shift = Wrap ? by & 31 : std::min(by, 32u);
    return static_cast<uint32_t>(Left ? both_words << shift >> 32 : both_words >> shift);
};

void funnel_shift(decoding& d) {
    d.use_destination_and_sources(4);
    const bool left = d.take_one({"l", "r"}) == "l", wrap = d.take_one({"wrap", "clamp"}) == "wrap";
    d.take_type();
    d.execute(left ? (wrap ? execute_ternary<uint32_t, funnel<true, true>> : execute_ternary<uint32_t, funnel<true, false>>)
                   : (wrap ? execute_ternary<uint32_t, funnel<false, true>> : execute_ternary<uint32_t, funnel<false, false>>));
}

constexpr auto set_bits = []<class T>(T a) { return static_cast<T>(std::popcount(a)); };
constexpr auto leading_zeros = []<class T>(T a) { return static_cast<T>(std::countl_zero(a)); };
constexpr auto reversed_bits = []<class T>(T a) {
    T reversed = 0;
    for (size_t k = 0; k < 8 * sizeof(T); ++k) {
        reversed = static_cast<T>(reversed << 1 | (a >> k & 1));
    }
    return reversed;
};
// Signed values: the highest bit that differs from the sign.
template <bool FromTop>
constexpr auto highest_bit = []<class T>(T a) {
    using bits = std::make_unsigned_t<T>;
    const auto u = static_cast<bits>(a < 0 ? ~a : a);
    const int zeros = std::countl_zero(u);
    return static_cast<uint32_t>(u == 0 ? -1 : FromTop ? zeros : 8 * static_cast<int>(sizeof(T)) - 1 - zeros);
};

template <auto Operation>
void count(decoding& d) {
    d.use_destination_and_sources(2);
    const size_t bytes = type_bytes(d.take_type());
    if (bytes != 4 && bytes != 8) {
        d.refuse("type");
    }
    d.execute(bytes == 8 ? execute_unary<uint64_t, Operation> : execute_unary<uint32_t, Operation>);
}

template <class T, bool FromTop>
void execute_find(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    for_each_lane(mask, [=](unsigned l) { d[l] = highest_bit<FromTop>(read<T>(a[l])); });
}

void find_highest(decoding& d) {
    d.use_destination_and_sources(2);
    const bool from_top = d.take("shiftamt");
    d.execute(
        with_integer(d, d.take_type(), [&]<class T>() -> executor { return from_top ? execute_find<T, true> : execute_find<T, false>; }));
}

// A field that begins or ends beyond the top is filled with the sign (signed) or zeros.
template <class T>
void execute_extract(warp& w, const instruction& i, lane_mask mask) {
    constexpr uint32_t bits = 8 * sizeof(T);
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const starts = w.source(i.operands[2]);
    const cell* const lengths = w.source(i.operands[3]);
    for_each_lane(mask, [=](unsigned l) {
        const T value = read<T>(a[l]);
        const uint32_t start = starts[l] & 255, length = lengths[l] & 255;
        if (length == 0) {
            d[l] = 0;
            return;
        }
        const T field = shifted_right(value, start);
        const uint32_t above = bits - std::min(length, bits);
        d[l] = written(static_cast<T>(static_cast<T>(static_cast<uint64_t>(field) << above) >> above));
    });
}

void extract_field(decoding& d) {
    d.use_destination_and_sources(4);
    d.execute(with_integer(d, d.take_type(), [&]<class T>() -> executor {
        if constexpr (sizeof(T) >= 4) {
            return execute_extract<T>;
        } else {
            d.refuse("type");
        }
    }));
}

template <class T>
void execute_insert(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const field = w.source(i.operands[1]);
    const cell* const into = w.source(i.operands[2]);
    const cell* const starts = w.source(i.operands[3]);
    const cell* const lengths = w.source(i.operands[4]);
    for_each_lane(mask, [=](unsigned l) {
        const uint32_t start = starts[l] & 255, length = lengths[l] & 255;
        const T ones = length >= 8 * sizeof(T) ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << length) - 1);
        const T where = shifted_left(ones, start);
        d[l] = static_cast<T>((read<T>(into[l]) & ~where) | (shifted_left(read<T>(field[l]), start) & where));
    });
}

void insert_field(decoding& d) {
    d.use_destination_and_sources(5);
    d.execute(type_bytes(d.take_type()) == 8 ? execute_insert<uint64_t> : execute_insert<uint32_t>);
}

constexpr auto permuted_bytes = [](uint32_t a, uint32_t b, uint32_t selectors) {
    const uint64_t bytes = a | static_cast<uint64_t>(b) << 32;
    uint32_t result = 0;
    for (unsigned k = 0; k < 4; ++k) {
        const uint32_t selector = selectors >> 4 * k & 15;
        auto byte = static_cast<uint32_t>(bytes >> 8 * (selector & 7) & 255);
        if ((selector & 8) != 0) {  // the byte's sign, eight times
            byte = (byte & 128) != 0 ? 255 : 0;
        }
        result |= byte << 8 * k;
    }
    return result;
};

void permute_bytes(decoding& d) {
    d.use_destination_and_sources(4);
    if (d.take_type() != "b32") {
        d.refuse("mode");
    }
    d.execute(execute_ternary<uint32_t, permuted_bytes>);
}

// Any function of three bits, as the table of its eight values.
void execute_table_logic(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const b = w.source(i.operands[2]);
    const cell* const c = w.source(i.operands[3]);
    const uint16_t table = i.option;
    for_each_lane(mask, [=](unsigned l) {
        cell result = 0;
        for (unsigned k = 0; k < 8; ++k) {
            if ((table >> k & 1) != 0) {
                result |= ((k & 4) != 0 ? a[l] : ~a[l]) & ((k & 2) != 0 ? b[l] : ~b[l]) & ((k & 1) != 0 ? c[l] : ~c[l]);
            }
        }
        d[l] = result;
    });
}

void table_logic(decoding& d) {
    d.expect_operands(5);
    d.result.operands = {d.destination(0), d.source(1), d.source(2), d.source(3)};
    d.result.option = static_cast<uint16_t>(d.number(4) & 255);
    d.take_type();
    d.execute(execute_table_logic);
}

}  // namespace

void add_bit_instructions(instruction_table& table) {
    for (const type_class types : {type_class::integer, type_class::predicate}) {
        table.add("and", types, logic<both>);
        table.add("or", types, logic<either>);
        table.add("xor", types, logic<different>);
        table.add("not", types, complement_bits);
    }
    constexpr type_class integer = type_class::integer;
    table.add("cnot", integer, logical_not);
    table.add("shl", integer, shift<shifted_left>);
    table.add("shr", integer, shift<shifted_right>);
    table.add("shf", integer, funnel_shift);
    table.add("popc", integer, count<set_bits>);
    table.add("clz", integer, count<leading_zeros>);
    table.add("brev", integer, count<reversed_bits>);
    table.add("bfind", integer, find_highest);
    table.add("bfe", integer, extract_field);
    table.add("bfi", integer, insert_field);
    table.add("prmt", integer, permute_bytes);
    table.add("lop3", integer, table_logic);
}

}  // namespace ptx
