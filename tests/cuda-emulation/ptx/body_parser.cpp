// Bodies of functions: declarations, labels, instructions with their operands, nested scopes.
#include "body_parser.h"

#include "fault.h"

namespace ptx {
namespace {

class body_parser {
public:
    body_parser(token_reader& in, std::string_view text, function& f) : in_(in), text_(text), function_(f) {}

    void parse() {
        in_.expect("{");
        open_scope(-1);
        while (scope_ >= 0) {
            if (in_.accept("{")) {
                open_scope(scope_);
            } else if (in_.accept("}")) {
                scope_ = function_.scope_parents[static_cast<size_t>(scope_)];
            } else if (!in_.accept(";")) {
                parse_statement();
            }
        }
    }

private:
    void open_scope(int parent) {
        scope_ = static_cast<int>(function_.scope_parents.size());
        function_.scope_parents.push_back(parent);
    }

    void parse_statement() {
        const token first = in_.peek();
        if (in_.peek(1).is(":")) {
            in_.next();
            in_.next();
            if (in_.accept(".branchtargets")) {
                parse_branch_table(first.text);
                return;
            }
            statement s = begin(first);
            s.label = first.text;
            function_.statements.push_back(std::move(s));
        } else if (in_.accept(".reg")) {
            parse_registers();
        } else if (first.is(".loc") || first.is(".file")) {
            while (in_.peek().line == first.line) {
                in_.next();
            }
        } else if (first.is(".pragma")) {
            in_.next();
            in_.next();
            in_.expect(";");
        } else if (first.text[0] == '.') {
            variable v = parse_variable(in_);
            in_.expect(";");
            v.scope = scope_;
            function_.variables.push_back(std::move(v));
        } else {
            parse_instruction(first);
        }
    }

    statement begin(const token& first) const {
        statement s;
        s.line = first.line;
        s.scope = scope_;
        s.text = first.text;
        return s;
    }

    void parse_branch_table(std::string_view name) {
        branch_table table{name, scope_, {}};
        do {
            table.labels.push_back(in_.next().text);
        } while (in_.accept(","));
        in_.expect(";");
        function_.branch_tables.push_back(std::move(table));
    }

    void parse_registers() {
        const std::string_view type = in_.next().text;
        do {
            registers r{std::string(in_.next().text), std::nullopt, type == ".pred", scope_};
            if (in_.accept("<")) {
                r.count = static_cast<unsigned>(number(in_.next().text));
                in_.expect(">");
            }
            function_.register_declarations.push_back(std::move(r));
        } while (in_.accept(","));
        in_.expect(";");
    }

    void parse_instruction(const token& first) {
        statement s = begin(first);
        if (in_.accept("@")) {
            s.guard_negated = in_.accept("!");
            s.guard = in_.next().text;
        }
        s.opcode = in_.next().text;
        while (!in_.peek().is(";")) {
            s.operands.push_back(parse_operand());
            if (!in_.peek().is(";")) {
                in_.expect(",");
            }
        }
        const char* const end = in_.next().text.data() + 1;  // with its ';'
        s.text = text_.substr(static_cast<size_t>(first.text.data() - text_.data()), static_cast<size_t>(end - first.text.data()));
        for (char& c : s.text) {
            c = c == '\t' || c == '\n' ? ' ' : c;
        }
        function_.statements.push_back(std::move(s));
    }

    operand parse_operand() {
        operand o;
        if (in_.accept("{")) {
            parse_elements(o, operand::form::vector, "}");
        } else if (in_.accept("(")) {
            parse_elements(o, operand::form::list, ")");
        } else if (in_.accept("[")) {
            parse_value(o);
            o.is = operand::form::address;
            in_.expect("]");
        } else {
            parse_value(o);
        }
        return o;
    }

    void parse_elements(operand& o, operand::form form, std::string_view close) {
        o.is = form;
        while (!in_.accept(close)) {
            o.elements.push_back(parse_operand());
            in_.accept(",");
        }
    }

    void parse_value(operand& o) {
        o.negated = in_.accept("!");
        parse_term(o);
        if (in_.accept("|")) {
            o.second = in_.next().text;
        }
        while (in_.accept("+") || in_.peek().is("-")) {
            parse_term(o);
        }
    }

    // A name or a number, added to what is there.
    void parse_term(operand& o) {
        const bool negative = in_.accept("-");
        const std::string_view word = in_.next().text;
        if (!is_number(word)) {
            if (negative || !o.name.empty()) {
                in_.fail("operand " + std::string(word));
            }
            o.name = word;
        } else if (word.find('.') == std::string_view::npos) {
            o.number += negative ? 0 - number(word) : number(word);
        } else if (word != "1.0") {  // the fraction of an L2 policy, which has no meaning here
            in_.fail("decimal number " + std::string(word));
        }
    }

    token_reader& in_;
    std::string_view text_;
    function& function_;
    int scope_ = -1;
};

}  // namespace

void parse_body(token_reader& in, std::string_view text, function& f) { body_parser(in, text, f).parse(); }

}  // namespace ptx
