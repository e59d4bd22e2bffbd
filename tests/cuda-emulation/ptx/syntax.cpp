#include "syntax.h"

#include "body_parser.h"
#include "fault.h"

namespace ptx {
namespace {

state_space space_of(std::string_view word) {
    return word == ".global"   ? state_space::global
           : word == ".const"  ? state_space::constant
           : word == ".shared" ? state_space::shared
           : word == ".local"  ? state_space::local
           : word == ".param"  ? state_space::parameter
                               : state_space::none;
}

std::vector<variable> parse_parameters(token_reader& in) {
    std::vector<variable> parameters;
    in.expect("(");
    while (!in.accept(")")) {
        parameters.push_back(parse_variable(in));
        in.accept(",");
    }
    return parameters;
}

// A body that the first pass only steps over is parsed at once too: unknown instructions are refused later, when a kernel uses them.
void parse_function(token_reader& in, std::string_view text, module_syntax& module, bool entry) {
    function f;
    f.entry = entry;
    f.line = in.line();
    if (in.peek().is("(")) {
        f.results = parse_parameters(in);
    }
    f.name = in.next().text;
    if (in.peek().is("(")) {
        f.parameters = parse_parameters(in);
    }
    while (!in.peek().is("{") && !in.peek().is(";")) {
        const std::string_view word = in.next().text;
        if (word == ".maxntid" || word == ".reqntid") {
            f.maximum_threads = 1;
            do {
                f.maximum_threads *= static_cast<unsigned>(number(in.next().text));
            } while (in.accept(","));
        } else if (word == ".minnctapersm" || word == ".maxnreg" || word == ".maxnctapersm") {
            in.next();
        } else if (word == ".pragma") {
            in.next();
            in.expect(";");
        } else if (word != ".noreturn") {
            in.fail("unknown directive " + std::string(word));
        }
    }
    if (!in.accept(";")) {
        f.defined = true;
        parse_body(in, text, f);
    }
    auto& known = module.functions[f.name];
    if (known.defined && f.defined) {
        in.fail("function defined twice: " + f.name);
    }
    if (f.defined || !known.defined) {
        known = std::move(f);
    }
}

void skip_block(token_reader& in) {
    in.expect("{");
    for (int depth = 1; depth > 0;) {
        const std::string_view word = in.next().text;
        depth += word == "{" ? 1 : word == "}" ? -1 : 0;
    }
}

void skip_line(token_reader& in) {
    const uint32_t line = in.line();
    while (!in.at_end() && in.peek().line == line) {
        in.next();
    }
}

void parse_initial_values(token_reader& in, variable& v) {
    const auto element = [&] {
        variable::value value;
        const bool generic = in.accept("generic");
        if (generic) {
            in.expect("(");
        }
        const bool negative = in.accept("-");
        const std::string_view word = in.next().text;
        if (is_number(word)) {
            value.number = negative ? 0 - number(word) : number(word);
        } else {
            value.symbol = word;
        }
        if (generic) {
            in.expect(")");
        }
        if (in.accept("+")) {
            value.number += number(in.next().text);
        }
        return value;
    };
    if (!in.accept("{")) {
        v.initial.push_back(element());
        return;
    }
    for (int depth = 1; depth > 0;) {  // rows of an array of arrays follow one another
        if (in.accept("{")) {
            ++depth;
        } else if (in.accept("}")) {
            --depth;
        } else if (!in.accept(",")) {
            v.initial.push_back(element());
        }
    }
    if (v.initial.size() * v.element_bytes > v.bytes) {
        in.fail("more initial values than elements: " + v.name);
    }
}

}  // namespace

variable parse_variable(token_reader& in) {
    variable v;
    v.line = in.line();
    bool pointer = false;
    for (;;) {
        const token& t = in.next();
        if (t.text[0] != '.') {
            v.name = t.text;
            break;
        }
        if (const state_space space = space_of(t.text); space != state_space::none) {
            v.space = v.space == state_space::none ? space : v.space;  // ".param .u64 .ptr .global": what it points to is no concern
        } else if (t.is(".align")) {
            const size_t alignment = number(in.next().text);
            v.alignment = pointer ? v.alignment : alignment;
        } else if (t.is(".ptr")) {
            pointer = true;
        } else if (const size_t bytes = type_bytes(t.text.substr(1)); bytes != 0) {
            v.element_bytes = bytes;
            v.alignment = std::max(v.alignment, bytes);
        } else if (!t.is(".visible") && !t.is(".weak") && !t.is(".extern") && !t.is(".common")) {
            in.fail("unknown word in a declaration: " + std::string(t.text));
        }
    }
    v.bytes = v.element_bytes;
    while (in.accept("[")) {
        if (in.accept("]")) {
            v.bytes = 0;
            break;
        }
        v.bytes *= number(in.next().text);
        in.expect("]");
    }
    return v;
}

module_syntax parse_module(std::string_view text) {
    const std::vector<token> tokens = tokenize(text);
    token_reader in(tokens);
    module_syntax module;
    while (!in.at_end()) {
        const token first = in.peek();
        if (first.is(".version") || first.is(".address_size")) {
            in.next();
            in.next();
        } else if (in.accept(".target")) {
            const std::string_view target = in.next().text;
            module.target = target.starts_with("sm_") ? static_cast<unsigned>(number(target.substr(3, 2))) : 0;
            while (in.accept(",")) {
                in.next();
            }
        } else if (first.is(".file") || first.is(".loc")) {
            skip_line(in);
        } else if (in.accept(".section")) {
            in.next();
            skip_block(in);
        } else if (first.is(".visible") || first.is(".weak") || first.is(".extern")) {
            in.next();
        } else if (in.accept(".entry")) {
            parse_function(in, text, module, true);
        } else if (in.accept(".func")) {
            parse_function(in, text, module, false);
        } else if (space_of(first.text) != state_space::none) {
            variable v = parse_variable(in);
            if (in.accept("=")) {
                parse_initial_values(in, v);
            }
            in.expect(";");
            module.variables.push_back(std::move(v));
        } else if (!in.accept(";") && !in.accept("}") && !in.accept("{")) {
            in.fail("unknown directive " + std::string(first.text));
        }
    }
    return module;
}

}  // namespace ptx
