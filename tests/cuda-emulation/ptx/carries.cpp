// Sums of several words: add.cc, addc, sub.cc, subc, mad.lo.cc, madc.hi... A lane's carry is a row of its own.
#include "lanes.h"

namespace ptx {
namespace {

template <class T>
cell carry_out(unsigned __int128 sum) {
    return (sum >> 8 * sizeof(T)) != 0 ? 1 : 0;
}

enum carry_option : uint16_t { with_carry_in = 1, with_carry_out = 2, high_half = 4 };

template <class T, bool Subtract>
void execute_sum(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const b = w.source(i.operands[2]);
    cell* const carries = w.destination(carry);
    const uint16_t option = i.option;
    for_each_lane(mask, [=](unsigned l) {
        const unsigned __int128 in = (option & with_carry_in) != 0 ? carries[l] & 1 : 0, x = read<T>(a[l]), y = read<T>(b[l]);
        const unsigned __int128 sum = Subtract ? x - y - in : x + y + in;
        d[l] = static_cast<T>(sum);
        if ((option & with_carry_out) != 0) {
            carries[l] = carry_out<T>(sum);
        }
    });
}

template <class T>
void execute_multiply_add(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const a = w.source(i.operands[1]);
    const cell* const b = w.source(i.operands[2]);
    const cell* const c = w.source(i.operands[3]);
    cell* const carries = w.destination(carry);
    const uint16_t option = i.option;
    for_each_lane(mask, [=](unsigned l) {
        const unsigned __int128 product = static_cast<unsigned __int128>(read<T>(a[l])) * read<T>(b[l]);
        const T part = static_cast<T>((option & high_half) != 0 ? product >> 8 * sizeof(T) : product);
        const unsigned __int128 sum =
            static_cast<unsigned __int128>(part) + read<T>(c[l]) + ((option & with_carry_in) != 0 ? carries[l] & 1 : 0);
        d[l] = static_cast<T>(sum);
        if ((option & with_carry_out) != 0) {
            carries[l] = carry_out<T>(sum);
        }
    });
}

template <bool CarryIn>
uint16_t carry_options(decoding& d) {
    return static_cast<uint16_t>((CarryIn ? with_carry_in : 0) | (d.take("cc") ? with_carry_out : 0));
}

// The carry of signed words is that of the same bits without sign.
template <bool Subtract, bool CarryIn>
void sum(decoding& d) {
    d.use_destination_and_sources(3);
    d.result.option = carry_options<CarryIn>(d);
    d.execute(type_bytes(d.take_type()) == 8 ? execute_sum<uint64_t, Subtract> : execute_sum<uint32_t, Subtract>);
}

template <bool CarryIn>
void multiply_add(decoding& d) {
    d.use_destination_and_sources(4);
    const bool high = d.take_one({"lo", "hi"}) == "hi";
    d.result.option = static_cast<uint16_t>(carry_options<CarryIn>(d) | (high ? high_half : 0));
    const std::string_view type = d.take_type();
    if (high && type[0] == 's') {
        d.refuse("type");
    }
    d.execute(type_bytes(type) == 8 ? execute_multiply_add<uint64_t> : execute_multiply_add<uint32_t>);
}

}  // namespace

// "add.cc" is told from "add" by its first modifier: see instruction_table::find.
void add_carry_instructions(instruction_table& table) {
    constexpr type_class integer = type_class::integer;
    table.add("add.cc", integer, sum<false, false>);
    table.add("addc", integer, sum<false, true>);
    table.add("sub.cc", integer, sum<true, false>);
    table.add("subc", integer, sum<true, true>);
    table.add("mad.cc", integer, multiply_add<false>);
    table.add("madc", integer, multiply_add<true>);
}

}  // namespace ptx
