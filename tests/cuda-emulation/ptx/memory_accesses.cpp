// ld and st in every state space, vectors of all widths.
#include <cstring>

#include "lanes.h"

namespace ptx {
namespace {

enum class access_space : uint8_t { generic, global, shared, local, parameter };

template <access_space Space>
std::byte* resolve(warp& w, unsigned lane, uint64_t address, size_t bytes) {
    switch (Space) {
        case access_space::generic:
            return w.at_generic(lane, address, bytes);
        case access_space::global:
            return w.at_global(lane, address, bytes);
        case access_space::shared:
            return w.at_shared(lane, static_cast<uint32_t>(address), bytes);
        case access_space::local:
            return w.at_local(lane, static_cast<uint32_t>(address), bytes);
        case access_space::parameter:
            return w.at_parameter(lane, address, bytes);
    }
}

// operands: address, elements. All addresses of the vector's elements are one access: its alignment is that of the whole.
template <class T, access_space Space>
void execute_load(warp& w, const instruction& i, lane_mask mask) {
    const cell* const addresses = w.source(i.operands[0]);
    const auto displacement = static_cast<uint64_t>(i.displacement);
    const size_t count = i.count, bytes = count * sizeof(T);
    if (count == 1) {
        cell* const d = w.destination(i.operands[1]);
        for_each_lane(mask, [&](unsigned l) {
            T value;
            std::memcpy(&value, resolve<Space>(w, l, addresses[l] + displacement, sizeof(T)), sizeof(T));
            d[l] = written(value);
        });
        return;
    }
    for_each_lane(mask, [&](unsigned l) {
        const std::byte* p = resolve<Space>(w, l, addresses[l] + displacement, bytes);
        for (size_t k = 0; k < count; ++k) {
            T value;
            std::memcpy(&value, p + k * sizeof(T), sizeof(T));
            w.destination(i.operands[1 + k])[l] = written(value);
        }
    });
}

template <class T, access_space Space>
void execute_store(warp& w, const instruction& i, lane_mask mask) {
    const cell* const addresses = w.source(i.operands[0]);
    const auto displacement = static_cast<uint64_t>(i.displacement);
    const size_t count = i.count, bytes = count * sizeof(T);
    for_each_lane(mask, [&](unsigned l) {
        std::byte* p = resolve<Space>(w, l, addresses[l] + displacement, bytes);
        for (size_t k = 0; k < count; ++k) {
            const T value = read<T>(w.source(i.operands[1 + k])[l]);
            std::memcpy(p + k * sizeof(T), &value, sizeof(T));
        }
    });
}

// Caches and orders of memory do not exist here: every access is seen by everyone at once.
void take_advice(decoding& d) {
    d.take_all({"nc", "ca", "cg", "cs", "lu", "cv", "wb", "wt", "volatile", "relaxed", "acquire", "release", "weak", "gpu", "sys", "cta"});
    d.take_all({"L1::evict_normal", "L1::evict_unchanged", "L1::evict_first", "L1::evict_last", "L1::no_allocate"});
    d.take_all({"L2::cache_hint", "L2::64B", "L2::128B", "L2::256B", "L2::evict_last", "L2::evict_normal", "L2::evict_first"});
}

access_space take_space(decoding& d) {
    const std::string_view space = d.take_one({"global", "const", "shared", "local", "param"});
    return space == "shared"  ? access_space::shared
           : space == "local" ? access_space::local
           : space == "param" ? access_space::parameter
           : space.empty()    ? access_space::generic
                              : access_space::global;
}

// The type that moves the bits: floating-point values are copied as what they are stored as.
template <class F>
executor with_bits(decoding& d, std::string_view type, F&& f) {
    const size_t bytes = type_bytes(type);
    if (type[0] == 's') {
        return with_integer(d, type, f);
    }
    if (type == "f16x2" || type == "bf16x2") {
        d.refuse("type");
    }
    return with_integer(d, bytes == 1 ? "u8" : bytes == 2 ? "u16" : bytes == 4 ? "u32" : bytes == 8 ? "u64" : type, f);
}

template <class F>
executor with_space(access_space space, F&& f) {
    switch (space) {
        case access_space::generic:
            return f.template operator()<access_space::generic>();
        case access_space::global:
            return f.template operator()<access_space::global>();
        case access_space::shared:
            return f.template operator()<access_space::shared>();
        case access_space::local:
            return f.template operator()<access_space::local>();
        case access_space::parameter:
            return f.template operator()<access_space::parameter>();
    }
    return nullptr;
}

template <bool Load>
void access(decoding& d) {
    take_advice(d);
    d.expect_operands(2, d.has("L2::cache_hint") ? 3 : 2);
    const size_t address = Load ? 1 : 0, value = Load ? 0 : 1;
    const std::string_view vector = d.take_one({"v2", "v4", "v8"});
    const size_t count = vector.empty() ? 1 : static_cast<size_t>(vector[1] - '0');
    const operand& values = d.at(value);
    if ((values.is == operand::form::vector ? values.elements.size() : 1) != count) {
        d.refuse("elements of the vector");
    }
    const auto [base, displacement] = d.address(address);
    d.result.operands[0] = base;
    d.result.displacement = displacement;
    d.result.count = static_cast<uint8_t>(count);
    for (size_t k = 0; k < count; ++k) {
        const operand& element = values.is == operand::form::vector ? values.elements[k] : values;
        d.result.operands[1 + k] = Load ? d.destination_of(element) : d.source_of(element);
    }
    const access_space space = take_space(d);
    if (!Load && space == access_space::parameter) {
        const symbol s = d.look_up(d.at(address).name);
        if (s.is != symbol::kind::address || s.address < call_space) {
            d.refuse("a store to the kernel's parameters");
        }
    }
    d.execute(with_bits(d, d.take_type(), [&]<class T>() -> executor {
        return with_space(space, []<access_space Space>() -> executor {
            if constexpr (Load) {
                return execute_load<T, Space>;
            } else {
                return execute_store<T, Space>;
            }
        });
    }));
}

}  // namespace

void add_memory_instructions(instruction_table& table) {
    // Every type of a load is a type of bits.
    for (const type_class types : {type_class::integer, type_class::floating, type_class::half}) {
        table.add("ld", types, access<true>);
        table.add("st", types, access<false>);
        table.add("ldu", types, access<true>);
    }
}

}  // namespace ptx
