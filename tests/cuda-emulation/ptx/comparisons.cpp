// setp, set, selp, slct.
#include <cmath>

#include "lanes.h"

namespace ptx {
namespace {

enum class relation : uint8_t { eq, ne, lt, le, gt, ge, num, nan };

struct equal {
    template <class T>
    static bool holds(T a, T b) {
        return a == b;
    }
};
struct unequal {
    template <class T>
    static bool holds(T a, T b) {
        return a < b || a > b;
    }
};
struct less {
    template <class T>
    static bool holds(T a, T b) {
        return a < b;
    }
};
struct less_or_equal {
    template <class T>
    static bool holds(T a, T b) {
        return a <= b;
    }
};
struct greater {
    template <class T>
    static bool holds(T a, T b) {
        return a > b;
    }
};
struct greater_or_equal {
    template <class T>
    static bool holds(T a, T b) {
        return a >= b;
    }
};
struct ordered {
    template <class T>
    static bool holds(T, T) {
        return true;
    }
};
struct never {
    template <class T>
    static bool holds(T, T) {
        return false;
    }
};

struct f16_value {};
struct bf16_value {};

template <class T>
auto value_of(cell c) {
    if constexpr (std::is_same_v<T, f16_value>) {
        return f16_to_float(static_cast<uint16_t>(c));
    } else if constexpr (std::is_same_v<T, bf16_value>) {
        return bf16_to_float(static_cast<uint16_t>(c));
    } else {
        return read<T>(c);
    }
}

// Whether the relation holds; of NaN it holds in the unordered forms (equ, neu...) alone.
template <class T, class Relation, bool Unordered>
bool compare(cell x, cell y, bool flush) {
    const auto a = flushed(flush, value_of<T>(x)), b = flushed(flush, value_of<T>(y));
    if constexpr (std::is_floating_point_v<decltype(a)> || std::is_same_v<std::remove_const_t<decltype(a)>, float>) {
        if (std::isnan(a) || std::isnan(b)) {
            return Unordered;
        }
    }
    return Relation::holds(a, b);
}

enum class combination : uint16_t { none, with_and, with_or, with_xor };

bool combined(combination c, bool value, bool with) {
    switch (c) {
        case combination::none:
            return value;
        case combination::with_and:
            return value && with;
        case combination::with_or:
            return value || with;
        case combination::with_xor:
            return value != with;
    }
    return value;
}

// operands: result, result of the opposite relation, a, b, predicate to combine with
template <class T, class Relation, bool Unordered>
void execute_setp(warp& w, const instruction& i, lane_mask mask) {
    cell* const p = w.destination(i.operands[0]);
    cell* const q = w.destination(i.operands[1]);
    const cell* const a = w.source(i.operands[2]);
    const cell* const b = w.source(i.operands[3]);
    const bool flush = i.flush;
    if (i.option == 0 && i.operands[1] == discard) {
        for_each_lane(mask, [=](unsigned l) { p[l] = compare<T, Relation, Unordered>(a[l], b[l], flush); });
        return;
    }
    const cell* const c = w.source(i.operands[4]);
    const auto combine = static_cast<combination>(i.option);
    for_each_lane(mask, [=](unsigned l) {
        const bool holds = compare<T, Relation, Unordered>(a[l], b[l], flush), with = read<bool>(c[l]);
        p[l] = combined(combine, holds, with);
        q[l] = combined(combine, !holds, with);
    });
}

// count: 0 for all ones (integer result), 1 for 1.0f
template <class T, class Relation, bool Unordered>
void execute_set(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[2]);
    const cell* const b = w.source(i.operands[3]);
    const cell yes = i.count == 1 ? written(1.0f) : ~cell{0};
    for_each_lane(mask, [&](unsigned l) { d[l] = compare<T, Relation, Unordered>(a[l], b[l], i.flush) ? yes : 0; });
}

template <class T, class Relation>
executor choose(bool set, bool unordered) {
    return set ? (unordered ? execute_set<T, Relation, true> : execute_set<T, Relation, false>)
               : (unordered ? execute_setp<T, Relation, true> : execute_setp<T, Relation, false>);
}

template <class T>
executor choose(const decoding& d, std::string_view name, bool set) {
    if (name == "num") return choose<T, ordered>(set, false);
    if (name == "nan") return choose<T, never>(set, true);
    const bool unordered = name.size() == 3 && name[2] == 'u';
    const std::string_view r = name.substr(0, 2);
    if (r == "eq") return choose<T, equal>(set, unordered);
    if (r == "ne") return choose<T, unequal>(set, unordered);
    if (r == "lt" || r == "lo") return choose<T, less>(set, unordered);
    if (r == "le" || r == "ls") return choose<T, less_or_equal>(set, unordered);
    if (r == "gt" || r == "hi") return choose<T, greater>(set, unordered);
    if (r == "ge" || r == "hs") return choose<T, greater_or_equal>(set, unordered);
    d.refuse("relation");
}

executor choose(decoding& d, std::string_view name, bool set) {
    const std::string_view type = d.take_type();
    switch (class_of(type)) {
        case type_class::integer:
            return with_integer(d, type, [&]<class T>() { return choose<T>(d, name, set); });
        case type_class::floating:
            return with_float(d, type, [&]<class T>() { return choose<T>(d, name, set); });
        default:
            break;
    }
    if (type == "f16") return choose<f16_value>(d, name, set);
    if (type == "bf16") return choose<bf16_value>(d, name, set);
    d.refuse("type");
}

void set_predicate(decoding& d) {
    d.take_part(1);
    const std::string_view combine = d.take_one({"and", "or", "xor"});
    d.expect_operands(combine.empty() ? 3 : 4);
    operand first = d.at(0);
    first.second = {};
    d.result.operands = {d.destination_of(first), d.second_destination(0), d.source(1), d.source(2), discard};
    if (!combine.empty()) {
        d.result.operands[4] = d.source(3);
        d.result.option = static_cast<uint16_t>(combine == "and"  ? combination::with_and
                                                : combine == "or" ? combination::with_or
                                                                  : combination::with_xor);
    }
    d.take_flush();
    d.execute(choose(d, d.part(1), false));
}

void set_value(decoding& d) {
    d.expect_operands(3);
    d.take_part(1);
    d.result.operands = {d.destination(0), discard, d.source(1), d.source(2)};
    d.take_flush();
    const std::string_view to = d.part(d.parts() - 2);
    d.take_part(d.parts() - 2);
    if (to != "f32" && to != "u32" && to != "s32") {
        d.refuse("type");
    }
    d.result.count = to == "f32" ? 1 : 0;
    d.execute(choose(d, d.part(1), true));
}

void execute_select(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const b = w.source(i.operands[2]);
    const cell* const p = w.source(i.operands[3]);
    for_each_lane(mask, [=](unsigned l) { d[l] = read<bool>(p[l]) ? a[l] : b[l]; });
}

void select(decoding& d) {
    d.use_destination_and_sources(4);
    if (!d.is_predicate(3)) {
        d.refuse("the last operand must be a predicate");
    }
    d.take_type();
    d.execute(execute_select);
}

template <class T>
void execute_select_by_sign(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const b = w.source(i.operands[2]);
    const cell* const c = w.source(i.operands[3]);
    const bool flush = i.flush;
    for_each_lane(mask, [=](unsigned l) { d[l] = flushed(flush, read<T>(c[l])) >= 0 ? a[l] : b[l]; });
}

void select_by_sign(decoding& d) {
    d.use_destination_and_sources(4);
    d.take_flush();
    const std::string_view type = d.take_type();
    d.take_part(d.parts() - 2);
    if (type != "s32" && type != "f32") {
        d.refuse("type");
    }
    d.execute(type == "s32" ? execute_select_by_sign<int32_t> : execute_select_by_sign<float>);
}

}  // namespace

void add_comparison_instructions(instruction_table& table) {
    for (const type_class types : {type_class::integer, type_class::floating, type_class::half}) {
        table.add("setp", types, set_predicate);
        table.add("set", types, set_value);
        table.add("selp", types, select);
        table.add("slct", types, select_by_sign);
    }
}

}  // namespace ptx
