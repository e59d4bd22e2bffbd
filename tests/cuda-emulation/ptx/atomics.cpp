// atom and red on global, shared and generic addresses. Each lane's is whole; lanes follow one another in an order that a random launch
// does not keep.
#include <cstring>

#include "lanes.h"

namespace ptx {
namespace {

enum class atomic_operation { add, minimum, maximum, bit_and, bit_or, bit_xor, exchange, compare_and_swap, increment, decrement };

template <class T, atomic_operation Operation>
T next_value(T old, T operand, T second) {
    using enum atomic_operation;
    if constexpr (Operation == add) {
        if constexpr (std::is_integral_v<T>) {
            return static_cast<T>(static_cast<uint64_t>(old) + static_cast<uint64_t>(operand));
        } else {
            return old + operand;
        }
    } else if constexpr (Operation == minimum) {
        return old < operand ? old : operand;
    } else if constexpr (Operation == maximum) {
        return old > operand ? old : operand;
    } else if constexpr (Operation == exchange) {
        return operand;
    } else if constexpr (std::is_integral_v<T>) {
        switch (Operation) {
            case bit_and:
                return old & operand;
            case bit_or:
                return old | operand;
            case bit_xor:
                return old ^ operand;
            case compare_and_swap:
                return old == operand ? second : old;
            case increment:
                return old >= operand ? T{0} : static_cast<T>(old + 1);
            default:
                return old == 0 || old > operand ? operand : static_cast<T>(old - 1);
        }
    }
    return old;
}

// operands: old value, address, operand, second operand; count 1: shared addresses, 0: generic
template <class T, atomic_operation Operation>
void execute_atomic(warp& w, const instruction& i, lane_mask mask) {
    cell* const d = w.destination(i.operands[0]);
    const cell* const addresses = w.source(i.operands[1]);
    const cell* const a = w.source(i.operands[2]);
    const cell* const b = w.source(i.operands[3]);
    const unsigned first = w.launch->random ? static_cast<unsigned>(w.launch->numbers.below(warp_lanes)) : 0;
    for (unsigned k = 0; k < warp_lanes; ++k) {
        const unsigned l = (first + k) % warp_lanes;
        if ((mask >> l & 1) == 0) {
            continue;
        }
        const uint64_t address = addresses[l] + static_cast<uint64_t>(i.displacement);
        std::byte* const p = i.count == 1 ? w.at_shared(l, static_cast<uint32_t>(address), sizeof(T)) : w.at_generic(l, address, sizeof(T));
        T old;
        std::memcpy(&old, p, sizeof old);
        const T next = next_value<T, Operation>(old, read<T>(a[l]), read<T>(b[l]));
        std::memcpy(p, &next, sizeof next);
        d[l] = written(old);
    }
}

template <class T>
executor choose(const decoding& d, std::string_view operation) {
    using enum atomic_operation;
    if (operation == "add") return execute_atomic<T, add>;
    if constexpr (std::is_integral_v<T>) {
        if (operation == "min") return execute_atomic<T, minimum>;
        if (operation == "max") return execute_atomic<T, maximum>;
        if (operation == "exch") return execute_atomic<T, exchange>;
        if (operation == "and") return execute_atomic<T, bit_and>;
        if (operation == "or") return execute_atomic<T, bit_or>;
        if (operation == "xor") return execute_atomic<T, bit_xor>;
        if (operation == "cas") return execute_atomic<T, compare_and_swap>;
        if (operation == "inc") return execute_atomic<T, increment>;
        if (operation == "dec") return execute_atomic<T, decrement>;
    }
    d.refuse("operation");
}

template <bool Result>
void atomic(decoding& d) {
    d.take_all({"relaxed", "acquire", "release", "acq_rel", "gpu", "sys", "cta"});
    const std::string_view space = d.take_one({"global", "shared"});
    const std::string_view operation = d.take_one({"add", "min", "max", "exch", "and", "or", "xor", "cas", "inc", "dec"});
    const size_t first = Result ? 1 : 0, expected = first + (operation == "cas" ? 3 : 2);
    d.expect_operands(expected);
    const auto [base, displacement] = d.address(first);
    d.result.operands = {Result ? d.destination(0) : static_cast<row>(discard), base, d.source(first + 1), d.source(expected - 1)};
    d.result.displacement = displacement;
    d.result.count = space == "shared" ? 1 : 0;
    const std::string_view type = d.take_type();
    d.execute(class_of(type) == type_class::floating ? with_float(d, type, [&]<class T>() { return choose<T>(d, operation); })
                                                     : with_integer(d, type, [&]<class T>() { return choose<T>(d, operation); }));
}

}  // namespace

void add_atomic_instructions(instruction_table& table) {
    for (const type_class types : {type_class::integer, type_class::floating}) {
        table.add("atom", types, atomic<true>);
        table.add("red", types, atomic<false>);
    }
}

}  // namespace ptx
