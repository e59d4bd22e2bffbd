#include "program.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "decoder.h"
#include "fault.h"
#include "warp.h"

namespace ptx {
namespace {

constexpr const char* special_names[] = {
    "%tid.x",   "%tid.y",       "%tid.z",       "%ntid.x",      "%ntid.y",      "%ntid.z",      "%ctaid.x",
    "%ctaid.y", "%ctaid.z",     "%nctaid.x",    "%nctaid.y",    "%nctaid.z",    "%laneid",      "%warpid",
    "%nwarpid", "%lanemask_eq", "%lanemask_le", "%lanemask_lt", "%lanemask_ge", "%lanemask_gt", "%dynamic_smem_size"};
static_assert(std::size(special_names) == static_cast<size_t>(carry));

size_t aligned(size_t offset, size_t alignment) { return (offset + alignment - 1) / alignment * alignment; }

size_t place(size_t& end, const variable& v) {
    const size_t at = aligned(end, v.alignment);
    end = at + v.bytes;
    return at;
}

symbol address_symbol(state_space space, uint64_t address) { return {symbol::kind::address, 0, space, address}; }

void execute_passing(warp& w, const instruction& i, lane_mask mask) {
    const size_t stride = w.launch->code->call_space_bytes;
    for_each_lane(mask, [&](unsigned l) {
        std::byte* const space = w.call_arguments.data() + l * stride;
        for (size_t k = 0; k < i.table.size(); k += 3) {
            std::memcpy(space + i.table[k + 1], space + i.table[k], i.table[k + 2]);
        }
    });
}

class builder final : public program_builder {
public:
    builder(const module_syntax& module, const function& kernel, const variable_addresses& variables)
        : module_(module), kernel_(kernel), variables_(variables) {}

    program build() {
        result_.name = kernel_.name;
        result_.maximum_threads = kernel_.maximum_threads != 0 ? kernel_.maximum_threads : 1024;
        find_functions(kernel_);
        for (const variable& p : kernel_.parameters) {
            kernel_parameters_[p.name] = address_symbol(state_space::parameter, place(result_.parameter_bytes, p));
        }
        place_shared();
        for (const function* f : functions_) {
            place_formals(*f);
        }
        for (const function* f : functions_) {
            emit(*f);
        }
        result_.start = starts_.at(kernel_.name);
        result_.local_bytes = aligned(result_.local_bytes, 16);
        result_.call_space_bytes = aligned(result_.call_space_bytes, 16);
        return std::move(result_);
    }

    symbol look_up(std::string_view name, int scope) override {
        const std::string text(name);
        for (int s = scope; s >= 0; s = function_->scope_parents[static_cast<size_t>(s)]) {
            const auto& names = scopes_[static_cast<size_t>(s)];
            if (const auto found = names.find(text); found != names.end()) {
                return found->second;
            }
        }
        for (const auto* names : {&formals_[function_], &shared_, function_->entry ? &kernel_parameters_ : nullptr}) {
            if (names != nullptr) {
                if (const auto found = names->find(text); found != names->end()) {
                    return found->second;
                }
            }
        }
        if (const auto found = variables_.find(text); found != variables_.end()) {
            return address_symbol(state_space::global, found->second);
        }
        for (size_t k = 0; k < std::size(special_names); ++k) {
            if (name == special_names[k]) {
                return {symbol::kind::register_row, static_cast<row>(k), state_space::none, 0};
            }
        }
        if (name == "WARP_SZ") {
            return address_symbol(state_space::none, warp_lanes);
        }
        return {};
    }

    row constant(cell value) override {
        const auto [found, added] = constants_.try_emplace(value, static_cast<row>(-1 - static_cast<row>(result_.constants.size())));
        if (added) {
            result_.constants.push_back(value);
        }
        return found->second;
    }

    void branch_to(instruction&, std::string_view label, int scope) override { pending_branches_.push_back({position(), label, scope}); }

    void branch_by_table(instruction&, std::string_view name, int scope) override {
        const auto found = std::find_if(function_->branch_tables.begin(), function_->branch_tables.end(),
                                        [=](const branch_table& t) { return t.name == name; });
        if (found == function_->branch_tables.end()) {
            throw load_error("no table of branches " + std::string(name));
        }
        pending_tables_.push_back({position(), &*found, scope});
    }

    // "call (results), name, (arguments)", results and arguments being .param variables.
    void call(instruction& from, const statement& s) override {
        const bool has_results = !s.operands.empty() && s.operands[0].is == operand::form::list;
        const size_t name_at = has_results ? 1 : 0;
        const auto fail = [&](const char* why) { throw load_error("line " + std::to_string(s.line) + ": " + s.text + "\n  " + why); };
        if (s.operands.size() <= name_at) {
            fail("no function");
        }
        const auto start = starts_.find(std::string(s.operands[name_at].name));
        if (start == starts_.end()) {
            fail("not a function with a body that could be called");
        }
        const function& callee = module_.functions.find(start->first)->second;
        from.target = start->second;
        from.execute = execute_passing;
        const auto pass = [&](std::vector<uint32_t>& table, const std::vector<operand>& actual, const std::vector<variable>& formal,
                              bool in) {
            if (actual.size() != formal.size()) {
                fail("number of arguments");
            }
            for (size_t k = 0; k < actual.size(); ++k) {
                const symbol a = look_up(actual[k].name, s.scope);
                if (a.is != symbol::kind::address || a.space != state_space::parameter || a.address < call_space) {
                    fail("an argument that is no .param variable");
                }
                const auto here = static_cast<uint32_t>(a.address - call_space);
                const auto there = static_cast<uint32_t>(formals_[&callee].at(formal[k].name).address - call_space);
                table.insert(table.end(), {in ? here : there, in ? there : here, static_cast<uint32_t>(formal[k].bytes)});
            }
        };
        const std::vector<operand> none;
        pass(from.table, s.operands.size() > name_at + 1 ? s.operands[name_at + 1].elements : none, callee.parameters, true);
        results_of_call_ = {};
        results_of_call_.execute = execute_passing;
        pass(results_of_call_.table, has_results ? s.operands[0].elements : none, callee.results, false);
    }

    bool within_entry() const override { return function_->entry; }

private:
    using names = std::unordered_map<std::string, symbol>;

    uint32_t position() const { return static_cast<uint32_t>(result_.code.size()); }

    // Callees before callers.
    void find_functions(const function& f) {
        if (!visiting_.insert(&f).second) {
            throw load_error("recursion in " + f.name);
        }
        for (const statement& s : f.statements) {
            for (const operand& o : s.operands) {
                collect_names(o);
            }
            if (!s.opcode.starts_with("call")) {
                continue;
            }
            for (const operand& o : s.operands) {
                const auto callee = module_.functions.find(o.name);
                if (o.is == operand::form::value && callee != module_.functions.end() && callee->second.defined &&
                    std::find(functions_.begin(), functions_.end(), &callee->second) == functions_.end()) {
                    find_functions(callee->second);
                }
            }
        }
        visiting_.erase(&f);
        functions_.push_back(&f);
    }

    void collect_names(const operand& o) {
        mentioned_.insert(o.name);
        for (const operand& e : o.elements) {
            collect_names(e);
        }
    }

    // The module's shared variables that this kernel mentions, those of its functions, and behind them the dynamic ones.
    void place_shared() {
        std::vector<const variable*> dynamic;
        for (const variable& v : module_.variables) {
            if (v.space != state_space::shared || !mentioned_.contains(v.name)) {
                continue;
            }
            if (v.bytes == 0) {
                dynamic.push_back(&v);
            } else {
                shared_[v.name] = address_symbol(state_space::shared, place(result_.static_shared_bytes, v));
            }
        }
        for (const function* f : functions_) {
            for (const variable& v : f->variables) {
                if (v.space == state_space::shared) {
                    local_shared_[&v] = place(result_.static_shared_bytes, v);
                }
            }
        }
        result_.static_shared_bytes = aligned(result_.static_shared_bytes, 16);
        for (const variable* v : dynamic) {
            shared_[v->name] = address_symbol(state_space::shared, result_.static_shared_bytes);
        }
    }

    void place_formals(const function& f) {
        auto& here = formals_[&f];
        if (f.entry) {
            return;
        }
        for (const auto* list : {&f.parameters, &f.results}) {
            for (const variable& p : *list) {
                if (p.space != state_space::parameter) {
                    throw load_error("line " + std::to_string(p.line) + ": " + f.name + " passes registers");
                }
                here[p.name] = address_symbol(state_space::parameter, call_space + place(result_.call_space_bytes, p));
            }
        }
    }

    void declare(const function& f) {
        scopes_.assign(f.scope_parents.size(), {});
        for (const registers& r : f.register_declarations) {
            auto& here = scopes_[static_cast<size_t>(r.scope)];
            const auto kind = r.predicate ? symbol::kind::predicate_row : symbol::kind::register_row;
            for (unsigned k = 0; k < r.count.value_or(1); ++k) {
                here[r.count ? r.name + std::to_string(k) : r.name] = {kind, result_.rows++, state_space::none, 0};
            }
        }
        for (const variable& v : f.variables) {
            auto& here = scopes_[static_cast<size_t>(v.scope)][v.name];
            switch (v.space) {
                case state_space::local:
                    here = address_symbol(v.space, place(result_.local_bytes, v));
                    break;
                case state_space::shared:
                    here = address_symbol(v.space, local_shared_.at(&v));
                    break;
                case state_space::parameter:
                    here = address_symbol(v.space, call_space + place(result_.call_space_bytes, v));
                    break;
                default:
                    throw load_error("line " + std::to_string(v.line) + ": variable " + v.name + " within a function");
            }
        }
    }

    void emit(const function& f) {
        function_ = &f;
        labels_.clear();
        pending_branches_.clear();
        pending_tables_.clear();
        declare(f);
        starts_[f.name] = position();
        for (const statement& s : f.statements) {
            if (!s.label.empty()) {
                if (!labels_.emplace(std::pair(s.scope, std::string(s.label)), position()).second) {
                    throw load_error("line " + std::to_string(s.line) + ": label defined twice: " + std::string(s.label));
                }
                continue;
            }
            result_.sources.push_back({s.line, s.text});
            append(decode(s, *this));
            if (result_.code.back().kind == instruction_kind::call) {
                append(std::move(results_of_call_));
            }
        }
        instruction end;
        end.kind = f.entry ? instruction_kind::exit : instruction_kind::leave;
        result_.sources.push_back({f.line, "the end of " + f.name});
        append(std::move(end));
        for (const auto& [at, label, scope] : pending_branches_) {
            result_.code[at].target = target(label, scope);
        }
        for (const auto& [at, table, scope] : pending_tables_) {
            for (const std::string_view label : table->labels) {
                result_.code[at].table.push_back(target(label, scope));
            }
        }
    }

    void append(instruction i) {
        i.index = position();
        i.source = static_cast<uint32_t>(result_.sources.size() - 1);
        result_.code.push_back(std::move(i));
    }

    uint32_t target(std::string_view label, int scope) const {
        for (int s = scope; s >= 0; s = function_->scope_parents[static_cast<size_t>(s)]) {
            if (const auto found = labels_.find(std::pair(s, std::string(label))); found != labels_.end()) {
                return found->second;
            }
        }
        throw load_error("no label " + std::string(label) + " in " + function_->name);
    }

    struct pending_branch {
        uint32_t at;
        std::string_view label;
        int scope;
    };
    struct pending_table {
        uint32_t at;
        const branch_table* table;
        int scope;
    };

    const module_syntax& module_;
    const function& kernel_;
    const variable_addresses& variables_;
    program result_;
    std::vector<const function*> functions_;
    std::unordered_set<const function*> visiting_;
    std::unordered_set<std::string_view> mentioned_;
    std::unordered_map<std::string, uint32_t> starts_;
    names kernel_parameters_, shared_;
    std::unordered_map<const function*, names> formals_;
    std::unordered_map<const variable*, size_t> local_shared_;
    std::unordered_map<cell, row> constants_;

    const function* function_ = nullptr;  // what is being emitted
    std::vector<names> scopes_;
    std::map<std::pair<int, std::string>, uint32_t> labels_;
    std::vector<pending_branch> pending_branches_;
    std::vector<pending_table> pending_tables_;
    instruction results_of_call_;
};

}  // namespace

program build_program(const module_syntax& module, const function& kernel, const variable_addresses& variables) {
    return builder(module, kernel, variables).build();
}

}  // namespace ptx
