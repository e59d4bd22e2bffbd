// Arithmetic of f16 and bf16, alone or in pairs, each result rounded once.
#include <cmath>

#include "lanes.h"

namespace ptx {
namespace {

// a * b + c rounded to odd, so that the rounding to 16 bits that follows is the only one that shows. The product of 16-bit values is exact.
double multiply_add_to_odd(double a, double b, double c) {
    const double product = a * b, sum = product + c;
    if (!std::isfinite(sum)) {
        return sum;
    }
    const double from_c = sum - product, error = (product - (sum - from_c)) + (c - from_c);
    auto bits = std::bit_cast<uint64_t>(sum);
    if (error != 0 && (bits & 1) == 0) {
        bits += (error > 0) == (sum > 0) ? 1 : ~uint64_t{0};
    }
    return std::bit_cast<double>(bits);
}

constexpr auto add = [](double a, double b) { return multiply_add_to_odd(a, 1, b); };
constexpr auto subtract = [](double a, double b) { return multiply_add_to_odd(b, -1, a); };
constexpr auto multiply = [](double a, double b) { return a * b; };

template <class Half, auto Operation, size_t Sources>
void execute_rounded(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const b = w.source(i.operands[2]);
    const cell* const c = w.source(i.operands[Sources]);
    const unsigned parts = i.count;
    for_each_lane(mask, [=](unsigned l) {
        uint32_t result = 0;
        for (unsigned shift = 0; shift < 16 * parts; shift += 16) {
            const auto part = [=](cell x) { return static_cast<double>(Half::widen(static_cast<uint16_t>(x >> shift))); };
            double value;
            if constexpr (Sources == 3) {
                value = Operation(part(a[l]), part(b[l]), part(c[l]));
            } else {
                value = Operation(part(a[l]), part(b[l]));
            }
            result |= uint32_t{narrow_once<Half>(value)} << shift;
        }
        d[l] = result;
    });
}

// Results that are one of the operands' bits.
template <class Half, auto Operation>
void execute_chosen(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const b = w.source(i.operands[2]);
    const unsigned parts = i.count;
    for_each_lane(mask, [=](unsigned l) {
        uint32_t result = 0;
        for (unsigned shift = 0; shift < 16 * parts; shift += 16) {
            const auto x = static_cast<uint16_t>(a[l] >> shift), y = static_cast<uint16_t>(b[l] >> shift);
            result |= uint32_t{Operation.template operator()<Half>(x, y)} << shift;
        }
        d[l] = result;
    });
}

template <class Half>
bool first_is_less(uint16_t a, uint16_t b) {
    const float x = Half::widen(a), y = Half::widen(b);
    return x < y || (x == y && std::signbit(x));
}

template <class Half>
bool is_nan(uint16_t a) {
    return std::isnan(Half::widen(a));
}

constexpr auto negate = []<class Half>(uint16_t a, uint16_t) { return static_cast<uint16_t>(a ^ 0x8000); };
constexpr auto absolute = []<class Half>(uint16_t a, uint16_t) { return static_cast<uint16_t>(a & 0x7fff); };
constexpr auto minimum = []<class Half>(uint16_t a, uint16_t b) {
    return is_nan<Half>(a) ? (is_nan<Half>(b) ? nan_16 : b) : is_nan<Half>(b) || first_is_less<Half>(a, b) ? a : b;
};
constexpr auto maximum = []<class Half>(uint16_t a, uint16_t b) {
    return is_nan<Half>(a) ? (is_nan<Half>(b) ? nan_16 : b) : is_nan<Half>(b) || first_is_less<Half>(b, a) ? a : b;
};

// The last modifier as a type; whether it is bf16.
bool take_half(decoding& d) {
    const std::string_view type = d.take_type();
    d.result.count = type.ends_with("x2") ? 2 : 1;
    return type[0] == 'b';
}

template <auto Operation, size_t Sources>
void rounded(decoding& d) {
    d.use_destination_and_sources(Sources + 1);
    d.take_nearest();
    d.execute(take_half(d) ? execute_rounded<bf16, Operation, Sources> : execute_rounded<f16, Operation, Sources>);
}

template <auto Operation, size_t Sources>
void chosen(decoding& d) {
    d.use_destination_and_sources(Sources + 1);
    d.execute(take_half(d) ? execute_chosen<bf16, Operation> : execute_chosen<f16, Operation>);
}

}  // namespace

void add_half_instructions(instruction_table& table) {
    constexpr type_class half = type_class::half;
    table.add("add", half, rounded<add, 2>);
    table.add("sub", half, rounded<subtract, 2>);
    table.add("mul", half, rounded<multiply, 2>);
    table.add("fma", half, rounded<multiply_add_to_odd, 3>);
    table.add("neg", half, chosen<negate, 1>);
    table.add("abs", half, chosen<absolute, 1>);
    table.add("min", half, chosen<minimum, 2>);
    table.add("max", half, chosen<maximum, 2>);
}

}  // namespace ptx
