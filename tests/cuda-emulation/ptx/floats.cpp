// Arithmetic of f32 and f64. Approximate functions are computed as exactly as the host can.
#include <cmath>
#include <limits>

#include "lanes.h"

namespace ptx {
namespace {

constexpr auto add = []<class T>(T a, T b) { return a + b; };
constexpr auto subtract = []<class T>(T a, T b) { return a - b; };
constexpr auto multiply = []<class T>(T a, T b) { return a * b; };
constexpr auto divide = []<class T>(T a, T b) { return a / b; };
constexpr auto fused_multiply_add = []<class T>(T a, T b, T c) { return std::fma(a, b, c); };
// The number where one is NaN; -0 is less than +0.
constexpr auto minimum = []<class T>(T a, T b) {
    return std::isnan(a) ? b : std::isnan(b) ? a : a < b || (a == b && std::signbit(a)) ? a : b;
};
constexpr auto maximum = []<class T>(T a, T b) {
    return std::isnan(a) ? b : std::isnan(b) ? a : a > b || (a == b && std::signbit(b)) ? a : b;
};
constexpr auto minimum_or_nan = []<class T>(T a, T b) {
    return std::isnan(a) || std::isnan(b) ? std::numeric_limits<T>::quiet_NaN() : minimum(a, b);
};
constexpr auto maximum_or_nan = []<class T>(T a, T b) {
    return std::isnan(a) || std::isnan(b) ? std::numeric_limits<T>::quiet_NaN() : maximum(a, b);
};
constexpr auto negate = []<class T>(T a) { return -a; };
constexpr auto absolute = []<class T>(T a) { return std::fabs(a); };
constexpr auto reciprocal = []<class T>(T a) { return T{1} / a; };
constexpr auto square_root = []<class T>(T a) { return std::sqrt(a); };
constexpr auto reciprocal_square_root = []<class T>(T a) { return T{1} / std::sqrt(a); };
constexpr auto power_of_2 = []<class T>(T a) { return std::exp2(a); };
constexpr auto logarithm_2 = []<class T>(T a) { return std::log2(a); };
constexpr auto sine = []<class T>(T a) { return std::sin(a); };
constexpr auto cosine = []<class T>(T a) { return std::cos(a); };
constexpr auto hyperbolic_tangent = []<class T>(T a) { return std::tanh(a); };
constexpr auto with_sign_of_first = []<class T>(T sign, T magnitude) { return std::copysign(magnitude, sign); };

template <auto Operation>
void unary(decoding& d) {
    d.use_destination_and_sources(2);
    d.take_flush();
    d.take_one({"approx", "rn"});
    d.execute(with_float(d, d.take_type(), []<class T>() -> executor { return execute_unary<T, Operation>; }));
}

template <auto Operation>
void binary(decoding& d) {
    d.use_destination_and_sources(3);
    d.take_flush();
    d.take_one({"approx", "full", "rn"});
    d.execute(with_float(d, d.take_type(), []<class T>() -> executor { return execute_binary<T, Operation>; }));
}

// Signs of NaN and subnormals are not touched by these two.
template <auto Operation, auto OrNan>
void extremum(decoding& d) {
    if (!d.take("NaN")) {
        return binary<Operation>(d);
    }
    binary<OrNan>(d);
}

void multiply_add(decoding& d) {
    d.use_destination_and_sources(4);
    d.take_flush();
    d.take_nearest();
    d.execute(with_float(d, d.take_type(), []<class T>() -> executor { return execute_ternary<T, fused_multiply_add>; }));
}

enum class tested : uint16_t { finite, infinite, number, not_a_number, normal, subnormal };

template <class T>
void execute_test(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    for_each_lane(mask, [&](unsigned l) {
        const T value = read<T>(a[l]);
        const int c = std::fpclassify(value);
        switch (static_cast<tested>(i.option)) {
            case tested::finite:
                d[l] = std::isfinite(value);
                break;
            case tested::infinite:
                d[l] = c == FP_INFINITE;
                break;
            case tested::number:
                d[l] = c != FP_NAN;
                break;
            case tested::not_a_number:
                d[l] = c == FP_NAN;
                break;
            case tested::normal:
                d[l] = c == FP_NORMAL || c == FP_ZERO;
                break;
            case tested::subnormal:
                d[l] = c == FP_SUBNORMAL;
                break;
        }
    });
}

void test_property(decoding& d) {
    d.use_destination_and_sources(2);
    const std::string_view property = d.take_one({"finite", "infinite", "number", "notanumber", "normal", "subnormal"});
    d.result.option = static_cast<uint16_t>(property == "finite"       ? tested::finite
                                            : property == "infinite"   ? tested::infinite
                                            : property == "number"     ? tested::number
                                            : property == "notanumber" ? tested::not_a_number
                                            : property == "normal"     ? tested::normal
                                                                       : tested::subnormal);
    d.execute(with_float(d, d.take_type(), []<class T>() -> executor { return execute_test<T>; }));
}

}  // namespace

void add_float_instructions(instruction_table& table) {
    constexpr type_class floating = type_class::floating;
    table.add("add", floating, binary<add>);
    table.add("sub", floating, binary<subtract>);
    table.add("mul", floating, binary<multiply>);
    table.add("div", floating, binary<divide>);
    table.add("min", floating, extremum<minimum, minimum_or_nan>);
    table.add("max", floating, extremum<maximum, maximum_or_nan>);
    table.add("copysign", floating, binary<with_sign_of_first>);
    table.add("fma", floating, multiply_add);
    table.add("mad", floating, multiply_add);
    table.add("neg", floating, unary<negate>);
    table.add("abs", floating, unary<absolute>);
    table.add("rcp", floating, unary<reciprocal>);
    table.add("sqrt", floating, unary<square_root>);
    table.add("rsqrt", floating, unary<reciprocal_square_root>);
    table.add("ex2", floating, unary<power_of_2>);
    table.add("lg2", floating, unary<logarithm_2>);
    table.add("sin", floating, unary<sine>);
    table.add("cos", floating, unary<cosine>);
    table.add("tanh", floating, unary<hyperbolic_tangent>);
    table.add("testp", floating, test_property);
}

}  // namespace ptx
