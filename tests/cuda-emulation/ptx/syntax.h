// What a PTX module says, before any of it is given a meaning: variables, functions, and the statements of their bodies.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokens.h"

namespace ptx {

struct operand {
    enum class form {
        value,    // a register, a symbol or a number, perhaps with a displacement: %r1, table+8, -3
        address,  // [%rd1+16]
        vector,   // {%r1, %r2}
        list,     // (a, b): the arguments of a call
    };
    form is = form::value;
    std::string_view name;    // empty: the number alone
    std::string_view second;  // "%r1|%p1": the second name
    bool negated = false;     // "!%p1"
    uint64_t number = 0;      // the number, or the displacement
    std::vector<operand> elements;
};

struct statement {
    uint32_t line = 0;
    std::string text;  // as written, for messages
    int scope = 0;
    std::string_view label;  // a label stands alone
    std::string_view guard;
    bool guard_negated = false;
    std::string_view opcode;
    std::vector<operand> operands;
};

enum class state_space { none, global, constant, shared, local, parameter };

struct variable {
    state_space space = state_space::none;
    std::string name;
    size_t alignment = 1;
    size_t bytes = 0;  // 0: an array of unknown size (dynamic shared memory)
    int scope = 0;
    uint32_t line = 0;
    size_t element_bytes = 1;
    struct value {
        uint64_t number = 0;
        std::string symbol;  // not empty: the address of a variable, plus the number
    };
    std::vector<value> initial;
};

struct registers {
    std::string name;  // of one register, or the prefix of `count` numbered ones
    std::optional<unsigned> count;
    bool predicate = false;
    int scope = 0;
};

struct branch_table {
    std::string_view name;
    int scope = 0;
    std::vector<std::string_view> labels;
};

struct function {
    std::string name;
    bool entry = false;
    bool defined = false;
    uint32_t line = 0;
    std::vector<variable> results;
    std::vector<variable> parameters;
    unsigned maximum_threads = 0;  // 0: no limit given

    std::vector<registers> register_declarations;
    std::vector<variable> variables;  // local, shared, and the parameters of calls
    std::vector<branch_table> branch_tables;
    std::vector<statement> statements;
    std::vector<int> scope_parents;  // of each scope; scope 0 is the body itself
};

struct module_syntax {
    unsigned target = 0;  // sm_NN
    std::vector<variable> variables;
    std::map<std::string, function, std::less<>> functions;
};

// The result's views are of the text. Throws load_error.
module_syntax parse_module(std::string_view text);

}  // namespace ptx
