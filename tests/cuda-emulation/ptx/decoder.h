// Decoding one instruction. Each family of instructions has a function that takes the modifiers it knows off the opcode and sets up the
// instruction; a modifier that nobody took refuses the kernel, so that none is ever ignored.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "instruction.h"
#include "numbers.h"
#include "syntax.h"

namespace ptx {

// What a name means within a function.
struct symbol {
    enum class kind { none, register_row, predicate_row, address, function, table } is = kind::none;
    row at = 0;
    state_space space = state_space::none;
    uint64_t address = 0;
};

// What decoding asks of the program that is being built.
class program_builder {
public:
    virtual ~program_builder() = default;
    virtual symbol look_up(std::string_view name, int scope) = 0;
    virtual row constant(cell value) = 0;
    virtual void branch_to(instruction& from, std::string_view label, int scope) = 0;
    virtual void branch_by_table(instruction& from, std::string_view table, int scope) = 0;
    virtual void call(instruction& from, const statement& s) = 0;
    virtual bool within_entry() const = 0;
};

class decoding {
public:
    decoding(const statement& s, program_builder& builder);

    std::string_view name() const { return parts_.front(); }
    // The last modifier: the type of most instructions.
    std::string_view type() const { return parts_.back(); }
    std::string_view part(size_t index) const;
    size_t parts() const noexcept { return parts_.size(); }
    size_t operands() const noexcept { return statement_.operands.size(); }
    const operand& at(size_t index) const;

    bool has(std::string_view modifier) const;
    // Whether the modifier is there; it counts as understood from now on.
    bool take(std::string_view modifier);
    // The one of these that is there, or "".
    std::string_view take_one(std::initializer_list<std::string_view> modifiers);
    void take_all(std::initializer_list<std::string_view> modifiers);
    // The last modifier, as understood.
    std::string_view take_type();
    void take_part(size_t index);
    // Rounding to nearest even is all that arithmetic knows; some types are written with it, some without.
    void take_nearest() { take("rn"); }
    void take_flush() { result.flush = take("ftz"); }

    void expect_operands(size_t least, size_t most);
    void expect_operands(size_t count) { expect_operands(count, count); }
    row source(size_t index) { return source_of(at(index)); }
    row destination(size_t index) { return destination_of(at(index)); }
    row source_of(const operand& o);
    row destination_of(const operand& o);
    // "%r1|%p1": the row of the second name, `discard` where there is none.
    row second_destination(size_t index);
    bool is_predicate(size_t index);
    uint64_t number(size_t index) const;
    // Row and displacement of "[%rd1+16]"; the row of zeros for an address that is a constant.
    std::pair<row, int64_t> address(size_t index);
    symbol look_up(std::string_view name) { return builder_.look_up(name, statement_.scope); }

    // operands 0 .. count-1: a destination and sources
    void use_destination_and_sources(size_t count);

    program_builder& builder() { return builder_; }
    const statement& text() const { return statement_; }
    void execute(executor e);
    void finish();
    [[noreturn]] void refuse(const std::string& why) const;

    instruction result;

private:
    const statement& statement_;
    program_builder& builder_;
    std::vector<std::string_view> parts_;
    std::vector<bool> understood_;
};

enum class type_class { integer, floating, half, predicate, any };
type_class class_of(std::string_view type) noexcept;

using decode_function = void (*)(decoding&);

// From the name of an instruction and the class of its type to the function that decodes it.
class instruction_table {
public:
    void add(std::string_view name, type_class types, decode_function decode);
    decode_function find(std::string_view name, std::string_view type) const;
    size_t size() const noexcept { return functions_.size(); }

    static const instruction_table& all();

private:
    std::unordered_map<std::string, decode_function> functions_;
};

// One for each family, in the file of that name.
void add_integer_instructions(instruction_table& table);
void add_carry_instructions(instruction_table& table);
void add_bit_instructions(instruction_table& table);
void add_float_instructions(instruction_table& table);
void add_half_instructions(instruction_table& table);
void add_comparison_instructions(instruction_table& table);
void add_conversion_instructions(instruction_table& table);
void add_move_instructions(instruction_table& table);
void add_memory_instructions(instruction_table& table);
void add_atomic_instructions(instruction_table& table);
void add_control_instructions(instruction_table& table);
void add_collective_instructions(instruction_table& table);
void add_matrix_instructions(instruction_table& table);
void add_asynchronous_copy_instructions(instruction_table& table);

instruction decode(const statement& s, program_builder& builder);

// The result of f.operator()<T>() for the C++ type of an integer type's name; refuses others. Bits count as unsigned.
template <class F>
auto with_integer(const decoding& d, std::string_view type, F&& f) {
    if (type == "u32" || type == "b32") return f.template operator()<uint32_t>();
    if (type == "s32") return f.template operator()<int32_t>();
    if (type == "u64" || type == "b64") return f.template operator()<uint64_t>();
    if (type == "s64") return f.template operator()<int64_t>();
    if (type == "u16" || type == "b16") return f.template operator()<uint16_t>();
    if (type == "s16") return f.template operator()<int16_t>();
    if (type == "u8" || type == "b8") return f.template operator()<uint8_t>();
    if (type == "s8") return f.template operator()<int8_t>();
    d.refuse("type");
}

template <class F>
auto with_float(const decoding& d, std::string_view type, F&& f) {
    if (type == "f32") return f.template operator()<float>();
    if (type == "f64") return f.template operator()<double>();
    d.refuse("type");
}

template <class T>
T flushed(bool flush, T value) {
    if constexpr (std::is_same_v<T, float>) {
        return flush ? flush_subnormal(value) : value;
    } else {
        return value;
    }
}

}  // namespace ptx
