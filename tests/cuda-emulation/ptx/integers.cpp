// Integer arithmetic of 16, 32 and 64 bits. Everything wraps; divisions by zero give all ones.
#include <limits>

#include "lanes.h"

namespace ptx {
namespace {

template <class T>
using unsigned_of = std::make_unsigned_t<T>;
// Wide enough that no product of 16-bit values is a signed overflow.
template <class T>
using wrapping = std::conditional_t<(sizeof(T) < 4), uint32_t, unsigned_of<T>>;

constexpr auto add = []<class T>(T a, T b) { return static_cast<T>(static_cast<wrapping<T>>(a) + static_cast<wrapping<T>>(b)); };
constexpr auto subtract = []<class T>(T a, T b) { return static_cast<T>(static_cast<wrapping<T>>(a) - static_cast<wrapping<T>>(b)); };
constexpr auto multiply_low = []<class T>(T a, T b) { return static_cast<T>(static_cast<wrapping<T>>(a) * static_cast<wrapping<T>>(b)); };
constexpr auto multiply_high = []<class T>(T a, T b) {
    using wide = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;
    return static_cast<T>(static_cast<wide>(a) * static_cast<wide>(b) >> 8 * sizeof(T));
};
constexpr auto divide = []<class T>(T a, T b) {
    if (b == 0) {
        return static_cast<T>(-1);
    }
    if constexpr (std::is_signed_v<T>) {
        if (b == -1) {
            return subtract(T{0}, a);
        }
    }
    return static_cast<T>(a / b);
};
constexpr auto remainder = []<class T>(T a, T b) {
    if (b == 0) {
        return static_cast<T>(-1);
    }
    if constexpr (std::is_signed_v<T>) {
        if (b == -1) {
            return T{0};
        }
    }
    return static_cast<T>(a % b);
};
constexpr auto minimum = []<class T>(T a, T b) { return a < b ? a : b; };
constexpr auto maximum = []<class T>(T a, T b) { return a > b ? a : b; };
constexpr auto negate = []<class T>(T a) { return subtract(T{0}, a); };
constexpr auto absolute = []<class T>(T a) { return a < 0 ? subtract(T{0}, a) : a; };
constexpr auto multiply_add_low = []<class T>(T a, T b, T c) { return add(multiply_low(a, b), c); };
constexpr auto multiply_add_high = []<class T>(T a, T b, T c) { return add(multiply_high(a, b), c); };
constexpr auto absolute_difference_add = []<class T>(T a, T b, T c) { return add(c, a < b ? subtract(b, a) : subtract(a, b)); };

template <auto Operation>
void binary(decoding& d) {
    d.use_destination_and_sources(3);
    d.execute(with_integer(d, d.take_type(), []<class T>() -> executor { return execute_binary<T, Operation>; }));
}

template <auto Operation>
void unary(decoding& d) {
    d.use_destination_and_sources(2);
    d.execute(with_integer(d, d.take_type(), []<class T>() -> executor { return execute_unary<T, Operation>; }));
}

// Factors of half the width of product and summand.
template <class T, bool Add>
void execute_wide(warp& w, const instruction& i, lane_mask mask) {
    using wide = std::conditional_t<sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
                                    std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const b = w.source(i.operands[2]);
    const cell* const c = Add ? w.source(i.operands[3]) : b;
    for_each_lane(mask, [=](unsigned l) {
        const auto product = static_cast<wide>(static_cast<wide>(read<T>(a[l])) * static_cast<wide>(read<T>(b[l])));
        d[l] = written(Add ? add(product, read<wide>(c[l])) : product);
    });
}

template <bool Add>
void multiply(decoding& d) {
    d.use_destination_and_sources(Add ? 4 : 3);
    const std::string_view half = d.take_one({"lo", "hi", "wide"});
    d.execute(with_integer(d, d.take_type(), [&]<class T>() -> executor {
        if (half == "wide") {
            if constexpr (sizeof(T) == 2 || sizeof(T) == 4) {
                return execute_wide<T, Add>;
            } else {
                d.refuse("type");
            }
        }
        if (half == "hi") {
            if constexpr (Add) {
                return execute_ternary<T, multiply_add_high>;
            } else {
                return execute_binary<T, multiply_high>;
            }
        }
        if (half.empty()) {
            d.refuse("neither lo, hi nor wide");
        }
        if constexpr (Add) {
            return execute_ternary<T, multiply_add_low>;
        } else {
            return execute_binary<T, multiply_low>;
        }
    }));
}

void sum_of_absolute_differences(decoding& d) {
    d.use_destination_and_sources(4);
    d.execute(with_integer(d, d.take_type(), []<class T>() -> executor { return execute_ternary<T, absolute_difference_add>; }));
}

// Saturated sums and differences exist for s32 alone.
constexpr auto clamp_32 = [](int64_t v) {
    using limits = std::numeric_limits<int32_t>;
    return static_cast<int32_t>(v < limits::min() ? limits::min() : v > limits::max() ? limits::max() : v);
};
constexpr auto add_saturated = [](int32_t a, int32_t b) { return clamp_32(int64_t{a} + b); };
constexpr auto subtract_saturated = [](int32_t a, int32_t b) { return clamp_32(int64_t{a} - b); };

template <auto Wrapping, auto Saturated>
void add_or_subtract(decoding& d) {
    if (!d.take("sat")) {
        return binary<Wrapping>(d);
    }
    d.use_destination_and_sources(3);
    if (d.take_type() != "s32") {
        d.refuse("type");
    }
    d.execute(execute_binary<int32_t, Saturated>);
}

// Sums of products of four bytes, or of two 16-bit values and two bytes.
template <class A, class B>
void execute_dot_4(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const b = w.source(i.operands[2]);
    const cell* const c = w.source(i.operands[3]);
    for_each_lane(mask, [=](unsigned l) {
        auto sum = read<uint32_t>(c[l]);
        for (unsigned shift = 0; shift < 32; shift += 8) {
            sum += static_cast<uint32_t>(int32_t{static_cast<A>(a[l] >> shift)} * int32_t{static_cast<B>(b[l] >> shift)});
        }
        d[l] = sum;
    });
}

template <class A, class B, unsigned FirstByte>
void execute_dot_2(warp& w, const instruction& i, lane_mask mask) {
    using a16 = std::conditional_t<std::is_signed_v<A>, int16_t, uint16_t>;
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const b = w.source(i.operands[2]);
    const cell* const c = w.source(i.operands[3]);
    for_each_lane(mask, [=](unsigned l) {
        auto sum = read<uint32_t>(c[l]);
        for (unsigned k = 0; k < 2; ++k) {
            sum += static_cast<uint32_t>(int32_t{static_cast<a16>(a[l] >> 16 * k)} * int32_t{static_cast<B>(b[l] >> 8 * (FirstByte + k))});
        }
        d[l] = sum;
    });
}

template <bool Four>
void dot_product(decoding& d) {
    d.use_destination_and_sources(4);
    bool low = false;
    if (!Four) {
        low = d.take("lo");
        if (!low && !d.take("hi")) {
            d.refuse("neither lo nor hi");
        }
    }
    const bool a_signed = d.part(d.parts() - 2) == "s32", b_signed = d.type() == "s32";
    d.take_all({"s32", "u32"});
    const auto choose = [&]<class A, class B>() -> executor {
        if constexpr (Four) {
            return execute_dot_4<A, B>;
        } else {
            return low ? execute_dot_2<A, B, 0> : execute_dot_2<A, B, 2>;
        }
    };
    d.execute(a_signed ? (b_signed ? choose.template operator()<int8_t, int8_t>() : choose.template operator()<int8_t, uint8_t>())
                       : (b_signed ? choose.template operator()<uint8_t, int8_t>() : choose.template operator()<uint8_t, uint8_t>()));
}

}  // namespace

void add_integer_instructions(instruction_table& table) {
    constexpr type_class integer = type_class::integer;
    table.add("add", integer, add_or_subtract<add, add_saturated>);
    table.add("sub", integer, add_or_subtract<subtract, subtract_saturated>);
    table.add("mul", integer, multiply<false>);
    table.add("mad", integer, multiply<true>);
    table.add("div", integer, binary<divide>);
    table.add("rem", integer, binary<remainder>);
    table.add("min", integer, binary<minimum>);
    table.add("max", integer, binary<maximum>);
    table.add("neg", integer, unary<negate>);
    table.add("abs", integer, unary<absolute>);
    table.add("sad", integer, sum_of_absolute_differences);
    table.add("dp4a", integer, dot_product<true>);
    table.add("dp2a", integer, dot_product<false>);
}

}  // namespace ptx
