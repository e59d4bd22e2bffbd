#include "decoder.h"

#include <algorithm>

#include "fault.h"

namespace ptx {
namespace {

std::string key(std::string_view name, type_class types) { return std::string(name) + static_cast<char>('0' + static_cast<int>(types)); }

// "acquire::cta" and "shared::cta" are what "acquire" and "shared" are: there are no clusters here.
std::string_view without_cta(std::string_view part) {
    constexpr std::string_view suffix = "::cta";
    return part.ends_with(suffix) ? part.substr(0, part.size() - suffix.size()) : part;
}

}  // namespace

decoding::decoding(const statement& s, program_builder& builder) : statement_(s), builder_(builder), parts_(split_word(s.opcode)) {
    if (parts_.empty()) {
        refuse("no instruction");
    }
    std::transform(parts_.begin(), parts_.end(), parts_.begin(), without_cta);
    understood_.assign(parts_.size(), false);
    understood_[0] = true;
}

std::string_view decoding::part(size_t index) const {
    if (index >= parts_.size()) {
        refuse("too few modifiers");
    }
    return parts_[index];
}

const operand& decoding::at(size_t index) const {
    if (index >= statement_.operands.size()) {
        refuse("too few operands");
    }
    return statement_.operands[index];
}

bool decoding::has(std::string_view modifier) const { return std::find(parts_.begin() + 1, parts_.end(), modifier) != parts_.end(); }

bool decoding::take(std::string_view modifier) {
    bool found = false;
    for (size_t i = 1; i < parts_.size(); ++i) {
        if (parts_[i] == modifier) {
            understood_[i] = found = true;
        }
    }
    return found;
}

std::string_view decoding::take_one(std::initializer_list<std::string_view> modifiers) {
    for (const std::string_view m : modifiers) {
        if (take(m)) {
            return m;
        }
    }
    return {};
}

void decoding::take_all(std::initializer_list<std::string_view> modifiers) {
    for (const std::string_view m : modifiers) {
        take(m);
    }
}

std::string_view decoding::take_type() {
    understood_.back() = true;
    return parts_.back();
}

void decoding::take_part(size_t index) {
    part(index);
    understood_[index] = true;
}

void decoding::expect_operands(size_t least, size_t most) {
    if (operands() < least || operands() > most) {
        refuse("number of operands");
    }
}

row decoding::source_of(const operand& o) {
    if (o.is != operand::form::value || o.negated || !o.second.empty()) {
        refuse("operand form");
    }
    if (o.name.empty()) {
        return builder_.constant(o.number);
    }
    const symbol s = look_up(o.name);
    switch (s.is) {
        case symbol::kind::register_row:
        case symbol::kind::predicate_row:
            if (o.number != 0) {
                refuse("displacement of a register");
            }
            return s.at;
        case symbol::kind::address:
            return builder_.constant(s.address + o.number);
        default:
            refuse("unknown name " + std::string(o.name));
    }
}

row decoding::destination_of(const operand& o) {
    if (o.is != operand::form::value || o.negated || o.number != 0) {
        refuse("operand form");
    }
    if (o.name == "_") {
        return discard;
    }
    const symbol s = look_up(o.name);
    if ((s.is != symbol::kind::register_row && s.is != symbol::kind::predicate_row) || s.at < special_rows) {
        refuse("not a register: " + std::string(o.name));
    }
    return s.at;
}

row decoding::second_destination(size_t index) {
    const std::string_view second = at(index).second;
    if (second.empty()) {
        return discard;
    }
    operand o;
    o.name = second;
    return destination_of(o);
}

bool decoding::is_predicate(size_t index) { return !at(index).name.empty() && look_up(at(index).name).is == symbol::kind::predicate_row; }

uint64_t decoding::number(size_t index) const {
    const operand& o = at(index);
    if (o.is != operand::form::value || !o.name.empty()) {
        refuse("operand " + std::to_string(index) + " must be a number");
    }
    return o.number;
}

std::pair<row, int64_t> decoding::address(size_t index) {
    const operand& o = at(index);
    if (o.is != operand::form::address) {
        refuse("operand " + std::to_string(index) + " must be an address");
    }
    const auto displacement = static_cast<int64_t>(o.number);
    if (o.name.empty()) {
        return {builder_.constant(0), displacement};
    }
    const symbol s = look_up(o.name);
    if (s.is == symbol::kind::register_row) {
        return {s.at, displacement};
    }
    if (s.is == symbol::kind::address) {
        return {builder_.constant(s.address), displacement};
    }
    refuse("unknown name " + std::string(o.name));
}

void decoding::use_destination_and_sources(size_t count) {
    expect_operands(count);
    result.operands[0] = destination(0);
    for (size_t i = 1; i < count; ++i) {
        result.operands[i] = source(i);
    }
}

void decoding::execute(executor e) { result.execute = e; }

void decoding::finish() {
    for (size_t i = 0; i < parts_.size(); ++i) {
        if (!understood_[i]) {
            refuse("modifier ." + std::string(parts_[i]));
        }
    }
}

void decoding::refuse(const std::string& why) const {
    throw load_error("line " + std::to_string(statement_.line) + ": " + statement_.text + "\n  not supported: " + why);
}

type_class class_of(std::string_view type) noexcept {
    if (type == "f32" || type == "f64") {
        return type_class::floating;
    }
    if (type == "f16" || type == "f16x2" || type == "bf16" || type == "bf16x2") {
        return type_class::half;
    }
    if (type == "pred") {
        return type_class::predicate;
    }
    return type_bytes(type) != 0 ? type_class::integer : type_class::any;
}

void instruction_table::add(std::string_view name, type_class types, decode_function decode) { functions_[key(name, types)] = decode; }

decode_function instruction_table::find(std::string_view name, std::string_view type) const {
    for (const type_class types : {class_of(type), type_class::any}) {
        if (const auto found = functions_.find(key(name, types)); found != functions_.end()) {
            return found->second;
        }
    }
    return nullptr;
}

const instruction_table& instruction_table::all() {
    static const instruction_table table = [] {
        instruction_table t;
        add_integer_instructions(t);
        add_carry_instructions(t);
        add_bit_instructions(t);
        add_float_instructions(t);
        add_half_instructions(t);
        add_comparison_instructions(t);
        add_conversion_instructions(t);
        add_move_instructions(t);
        add_memory_instructions(t);
        add_atomic_instructions(t);
        add_control_instructions(t);
        add_collective_instructions(t);
        add_matrix_instructions(t);
        add_asynchronous_copy_instructions(t);
        return t;
    }();
    return table;
}

instruction decode(const statement& s, program_builder& builder) {
    decoding d(s, builder);
    const std::string name =
        std::string(d.name()) + (d.has("cc") && d.name() != "addc" && d.name() != "subc" && d.name() != "madc" ? ".cc" : "");
    const decode_function function = instruction_table::all().find(name, d.type());
    if (function == nullptr) {
        d.refuse("instruction " + std::string(s.opcode));
    }
    if (!s.guard.empty()) {
        const symbol guard = d.look_up(s.guard);
        if (guard.is != symbol::kind::predicate_row) {
            d.refuse("guard " + std::string(s.guard));
        }
        d.result.guarded = true;
        d.result.guard_negated = s.guard_negated;
        d.result.guard = guard.at;
    }
    function(d);
    d.finish();
    return std::move(d.result);
}

}  // namespace ptx
