// cvt between integers of 8 to 64 bits, f16, bf16, f32 and f64 with every rounding; cvt.pack.
#include <algorithm>
#include <cmath>
#include <limits>

#include "lanes.h"

namespace ptx {
namespace {

template <class To, class From, bool Saturate>
void execute_integers(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    for_each_lane(mask, [=](unsigned l) {
        const From value = read<From>(a[l]);
        if constexpr (Saturate) {
            constexpr __int128 least = std::numeric_limits<To>::min(), greatest = std::numeric_limits<To>::max();
            const __int128 wide = value;
            d[l] = written(static_cast<To>(wide < least ? least : wide > greatest ? greatest : wide));
        } else {
            d[l] = written(static_cast<To>(value));
        }
    });
}

enum class number_type : uint16_t { integer_signed, integer_unsigned, f16, bf16, f32, f64 };

number_type number_type_of(const decoding& d, std::string_view name) {
    if (name == "f16") return number_type::f16;
    if (name == "bf16") return number_type::bf16;
    if (name == "f32") return number_type::f32;
    if (name == "f64") return number_type::f64;
    if (class_of(name) != type_class::integer || name[0] == 'b') {
        d.refuse("type");
    }
    return name[0] == 's' ? number_type::integer_signed : number_type::integer_unsigned;
}

// The general conversion with at least one side in floating point: through a long double, which holds every value of every type.
struct conversion {
    number_type to, from;
    uint8_t to_bits, from_bits;
    rounding mode;
    bool to_integral;  // f32 -> f32 and the like with an integer rounding
    bool saturate;
};
static_assert(std::numeric_limits<long double>::digits >= 64);

long double widened(const conversion& c, cell value) {
    switch (c.from) {
        case number_type::integer_signed:
            return static_cast<int64_t>(value << (64 - c.from_bits)) >> (64 - c.from_bits);
        case number_type::integer_unsigned:
            return value << (64 - c.from_bits) >> (64 - c.from_bits);
        case number_type::f16:
            return f16_to_float(static_cast<uint16_t>(value));
        case number_type::bf16:
            return bf16_to_float(static_cast<uint16_t>(value));
        case number_type::f32:
            return read<float>(value);
        case number_type::f64:
            return read<double>(value);
    }
    return 0;
}

long double to_integral(long double value, rounding mode) {
    switch (mode) {
        case rounding::nearest_even:
            return std::nearbyint(value);
        case rounding::towards_zero:
            return std::trunc(value);
        case rounding::down:
            return std::floor(value);
        case rounding::up:
            return std::ceil(value);
    }
    return value;
}

// Out of range: the nearest integer of the type; NaN: 0.
cell integer_from(const conversion& c, long double value) {
    const bool is_signed = c.to == number_type::integer_signed;
    const long double greatest = std::ldexp(1.0L, c.to_bits - (is_signed ? 1 : 0)) - 1;
    const long double least = is_signed ? -greatest - 1 : 0;
    if (std::isnan(value)) {
        return 0;
    }
    const long double bounded = std::fmin(std::fmax(to_integral(value, c.mode), least), greatest);
    return bounded < 0 ? static_cast<cell>(static_cast<int64_t>(bounded)) : static_cast<cell>(bounded);
}

cell converted(const conversion& c, cell from) {
    long double value = widened(c, from);
    if (c.to == number_type::integer_signed || c.to == number_type::integer_unsigned) {
        return integer_from(c, value);
    }
    if (c.to_integral) {
        value = to_integral(value, c.mode);
    }
    if (c.saturate) {
        value = value > 0 ? std::fmin(value, 1.0L) : 0.0L;  // NaN becomes 0
    }
    const rounding mode = c.to_integral ? rounding::nearest_even : c.mode;
    switch (c.to) {
        case number_type::f16:
            return narrow_once<f16>(value, mode);
        case number_type::bf16:
            return narrow_once<bf16>(value, mode);
        case number_type::f32:
            return written(static_cast<float>(round_to_format(value, format_f32, mode)));
        default:
            return written(static_cast<double>(round_to_format(value, format_f64, mode)));
    }
}

cell packed(const conversion& c) {
    return static_cast<cell>(c.to) | static_cast<cell>(c.from) << 8 | cell{c.to_bits} << 16 | cell{c.from_bits} << 24 |
           static_cast<cell>(c.mode) << 32 | cell{c.to_integral} << 40 | cell{c.saturate} << 48;
}

conversion unpacked(int64_t bits) {
    const auto byte = [=](int k) { return static_cast<uint8_t>(bits >> 8 * k); };
    return {static_cast<number_type>(byte(0)),
            static_cast<number_type>(byte(1)),
            byte(2),
            byte(3),
            static_cast<rounding>(byte(4)),
            byte(5) != 0,
            byte(6) != 0};
}

// displacement: the packed conversion; count 2: two sources into a pair, the first above
void execute_general(warp& w, const instruction& i, lane_mask mask) {
    const conversion c = unpacked(i.displacement);
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const b = w.source(i.operands[2]);
    const auto one = [&](cell value) {
        if (c.from == number_type::f32) {
            value = written(flushed(i.flush, read<float>(value)));
        }
        const cell result = converted(c, value);
        return c.to == number_type::f32 ? written(flushed(i.flush, read<float>(result))) : result;
    };
    for_each_lane(mask, [&](unsigned l) { d[l] = i.count == 2 ? one(a[l]) << 16 | one(b[l]) : one(a[l]); });
}

// What kernels are full of, without the long way round. Each is tested against the general conversion.
constexpr auto f16_from_float = [](cell a) -> cell { return float_to_f16(read<float>(a)); };
constexpr auto bf16_from_float = [](cell a) -> cell { return float_to_bf16(read<float>(a)); };
constexpr auto float_from_f16 = [](cell a) { return written(f16_to_float(static_cast<uint16_t>(a))); };
constexpr auto float_from_bf16 = [](cell a) { return written(bf16_to_float(static_cast<uint16_t>(a))); };
constexpr auto float_from_signed = [](cell a) { return written(static_cast<float>(read<int32_t>(a))); };
constexpr auto float_from_unsigned = [](cell a) { return written(static_cast<float>(read<uint32_t>(a))); };
constexpr auto double_from_float = [](cell a) { return written(static_cast<double>(read<float>(a))); };
constexpr auto float_from_double = [](cell a) { return written(static_cast<float>(read<double>(a))); };

template <auto Operation>
void execute_pair(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const b = w.source(i.operands[2]);
    for_each_lane(mask, [=](unsigned l) { d[l] = Operation(a[l]) << 16 | Operation(b[l]); });
}

executor quick(const conversion& c, bool pair) {
    if (c.mode != rounding::nearest_even || c.to_integral || c.saturate) {
        return nullptr;
    }
    const auto is = [&](number_type to, number_type from) { return c.to == to && c.from == from; };
    using enum number_type;
    if (is(f16, f32)) return pair ? execute_pair<f16_from_float> : execute_unary<cell, f16_from_float>;
    if (is(bf16, f32)) return pair ? execute_pair<bf16_from_float> : execute_unary<cell, bf16_from_float>;
    if (is(f32, f16)) return execute_unary<cell, float_from_f16>;
    if (is(f32, bf16)) return execute_unary<cell, float_from_bf16>;
    if (is(f32, integer_signed) && c.from_bits == 32) return execute_unary<cell, float_from_signed>;
    if (is(f32, integer_unsigned) && c.from_bits == 32) return execute_unary<cell, float_from_unsigned>;
    if (is(f64, f32)) return execute_unary<cell, double_from_float>;
    if (is(f32, f64)) return execute_unary<cell, float_from_double>;
    return nullptr;
}

void convert_integers(decoding& d, std::string_view to, std::string_view from) {
    const bool saturate = d.take("sat");
    d.execute(with_integer(d, to, [&]<class To>() {
        return with_integer(d, from, [&]<class From>() -> executor {
            return saturate ? execute_integers<To, From, true> : execute_integers<To, From, false>;
        });
    }));
}

rounding take_rounding(decoding& d, bool& integral) {
    const std::string_view r = d.take_one({"rni", "rzi", "rmi", "rpi", "rn", "rz", "rm", "rp"});
    integral = r.size() == 3;
    switch (r.size() < 2 ? 'n' : r[1]) {
        case 'z':
            return rounding::towards_zero;
        case 'm':
            return rounding::down;
        case 'p':
            return rounding::up;
        default:
            return rounding::nearest_even;
    }
}

void convert(decoding& d) {
    if (d.parts() < 3) {
        d.refuse("types");
    }
    std::string_view to = d.part(d.parts() - 2);
    const std::string_view from = d.type();
    d.take_part(d.parts() - 2);
    d.take_type();
    const bool pair = to.ends_with("x2");
    if (pair && from != "f32") {
        d.refuse("type");
    }
    d.use_destination_and_sources(pair ? 3 : 2);
    d.take_flush();
    if (class_of(to) == type_class::integer && class_of(from) == type_class::integer) {
        return convert_integers(d, to, from);
    }
    if (pair) {
        to.remove_suffix(2);
        d.result.count = 2;
    }
    conversion c{};
    c.to = number_type_of(d, to);
    c.from = number_type_of(d, from);
    c.to_bits = static_cast<uint8_t>(8 * type_bytes(to));
    c.from_bits = static_cast<uint8_t>(8 * type_bytes(from));
    c.mode = take_rounding(d, c.to_integral);
    c.saturate = d.take("sat");
    d.result.displacement = static_cast<int64_t>(packed(c));
    const executor fast = d.result.flush ? nullptr : quick(c, pair);
    d.execute(fast != nullptr ? fast : execute_general);
}

// cvt.pack.sat.TO.s32 {.b32}: a and b saturated and side by side, b lowest; with a third operand above them.
template <class To, bool Above>
void execute_pack(warp& w, const instruction& i, lane_mask mask) {
    constexpr unsigned bits = 8 * sizeof(To);
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const b = w.source(i.operands[2]);
    const cell* const c = w.source(i.operands[Above ? 3 : 2]);
    for_each_lane(mask, [=](unsigned l) {
        const auto narrow = [](cell value) {
            const int64_t wide = read<int32_t>(value), least = std::numeric_limits<To>::min(), greatest = std::numeric_limits<To>::max();
            return static_cast<uint32_t>(static_cast<std::make_unsigned_t<To>>(std::clamp(wide, least, greatest)));
        };
        uint32_t result = narrow(a[l]) << bits | narrow(b[l]);
        if constexpr (Above) {
            result |= read<uint32_t>(c[l]) << 2 * bits;
        }
        d[l] = result;
    });
}

void pack(decoding& d) {
    d.take("sat");
    const bool above = d.take("b32");
    d.use_destination_and_sources(above ? 4 : 3);
    d.take("s32");
    const std::string_view to = d.take_one({"s8", "u8", "s16", "u16"});
    d.execute(to == "s8" && above     ? execute_pack<int8_t, true>
              : to == "u8" && above   ? execute_pack<uint8_t, true>
              : to == "s16" && !above ? execute_pack<int16_t, false>
              : to == "u16" && !above ? execute_pack<uint16_t, false>
                                      : (d.refuse("type"), nullptr));
}

void convert_or_pack(decoding& d) { d.take("pack") ? pack(d) : convert(d); }

}  // namespace

void add_conversion_instructions(instruction_table& table) { table.add("cvt", type_class::any, convert_or_pack); }

}  // namespace ptx
