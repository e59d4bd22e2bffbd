// PTX text as tokens: words (names, numbers, opcodes with their modifiers, directives) and single punctuation characters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ptx {

struct token {
    std::string_view text;
    uint32_t line;

    bool is(std::string_view t) const noexcept { return text == t; }
};

// Comments are left out. The tokens are views of the text.
std::vector<token> tokenize(std::string_view text);

// A place in a sequence of tokens.
class token_reader {
public:
    explicit token_reader(const std::vector<token>& tokens, size_t position = 0) : tokens_(&tokens), position_(position) {}

    bool at_end() const noexcept { return position_ >= tokens_->size(); }
    const token& peek(size_t ahead = 0) const;
    const token& next();
    bool accept(std::string_view text);
    void expect(std::string_view text);
    size_t position() const noexcept { return position_; }
    uint32_t line() const noexcept;
    [[noreturn]] void fail(const std::string& what) const;

private:
    const std::vector<token>* tokens_;
    size_t position_;
};

// An integer literal, or the bits of a hexadecimal floating-point literal (0f..., 0d...).
bool is_number(std::string_view word) noexcept;
uint64_t number(std::string_view word);

// "ld.global.f32" -> {"ld", "global", "f32"}
std::vector<std::string_view> split_word(std::string_view word);

// Bytes of a type such as "u32", "b8", "f16x2"; 0 for a word that names no type.
size_t type_bytes(std::string_view type) noexcept;

}  // namespace ptx
