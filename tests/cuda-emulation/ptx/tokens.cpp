#include "tokens.h"

#include <array>
#include <cctype>
#include <charconv>

#include "fault.h"

namespace ptx {
namespace {

constexpr auto word_characters = [] {
    std::array<bool, 256> in{};
    for (const char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_$%.")) {
        in[static_cast<unsigned char>(c)] = true;
    }
    return in;
}();

bool in_word(char c) { return word_characters[static_cast<unsigned char>(c)]; }

const token end_of_text{"", 0};

}  // namespace

std::vector<token> tokenize(std::string_view text) {
    std::vector<token> tokens;
    uint32_t line = 1;
    for (size_t i = 0; i < text.size();) {
        const char c = text[i];
        size_t end = i + 1;
        if (c == '\n') {
            ++line;
        } else if (text.substr(i, 2) == "//") {
            end = std::min(text.find('\n', i), text.size());
        } else if (text.substr(i, 2) == "/*") {
            end = std::min(text.find("*/", i + 2), text.size() - 2) + 2;
            for (size_t k = i; k < end; ++k) {
                line += text[k] == '\n';
            }
        } else if (c == '"') {
            end = std::min(text.find('"', i + 1), text.size() - 1) + 1;
            tokens.push_back({text.substr(i, end - i), line});
        } else if (in_word(c)) {
            // "::" joins parts of a modifier, ":" ends a label.
            while (end < text.size() && (in_word(text[end]) || text.substr(end, 2) == "::")) {
                end += text[end] == ':' ? 2 : 1;
            }
            tokens.push_back({text.substr(i, end - i), line});
        } else if (!std::isspace(static_cast<unsigned char>(c)) && c != '\0') {
            tokens.push_back({text.substr(i, 1), line});
        }
        i = end;
    }
    return tokens;
}

const token& token_reader::peek(size_t ahead) const {
    return position_ + ahead < tokens_->size() ? (*tokens_)[position_ + ahead] : end_of_text;
}

const token& token_reader::next() {
    if (at_end()) {
        fail("the text ends too early");
    }
    return (*tokens_)[position_++];
}

bool token_reader::accept(std::string_view text) {
    if (!peek().is(text)) {
        return false;
    }
    ++position_;
    return true;
}

void token_reader::expect(std::string_view text) {
    if (!accept(text)) {
        fail("expected " + std::string(text) + ", found " + std::string(peek().text));
    }
}

uint32_t token_reader::line() const noexcept {
    const size_t last = tokens_->size();
    return last == 0 ? 0 : (*tokens_)[std::min(position_, last - 1)].line;
}

void token_reader::fail(const std::string& what) const { throw load_error("line " + std::to_string(line()) + ": " + what); }

bool is_number(std::string_view word) noexcept { return !word.empty() && std::isdigit(static_cast<unsigned char>(word[0])); }

uint64_t number(std::string_view word) {
    int base = 10;
    std::string_view digits = word;
    if (digits.size() > 2 && digits[0] == '0') {
        switch (std::tolower(static_cast<unsigned char>(digits[1]))) {
            case 'x':
            case 'f':
            case 'd':
                base = 16;
                break;
            case 'b':
                base = 2;
                break;
            default:
                break;
        }
    }
    if (base != 10) {
        digits.remove_prefix(2);
    } else if (digits.size() > 1 && digits[0] == '0') {
        base = 8;
    }
    if (!digits.empty() && digits.back() == 'U') {
        digits.remove_suffix(1);
    }
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (error != std::errc{} || end != digits.data() + digits.size()) {
        throw load_error("not a number: " + std::string(word));
    }
    return value;
}

std::vector<std::string_view> split_word(std::string_view word) {
    std::vector<std::string_view> parts;
    while (!word.empty()) {
        const size_t dot = word.find('.');
        if (dot != 0) {
            parts.push_back(word.substr(0, dot));
        }
        word = dot == std::string_view::npos ? std::string_view{} : word.substr(dot + 1);
    }
    return parts;
}

size_t type_bytes(std::string_view type) noexcept {
    if (type == "f16x2" || type == "bf16x2") {
        return 4;
    }
    if (type == "bf16") {
        return 2;
    }
    if (type.size() < 2 || std::string_view("bfsu").find(type[0]) == std::string_view::npos) {
        return 0;
    }
    const std::string_view bits = type.substr(1);
    return bits == "8" ? 1 : bits == "16" ? 2 : bits == "32" ? 4 : bits == "64" ? 8 : 0;
}

}  // namespace ptx
