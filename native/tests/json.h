// Just enough JSON to read the manifest of the golden vectors.
#pragma once

#include <cctype>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace nq::test {

struct json {
    enum { null, boolean, number, string, list, object } kind = null;
    double value = 0;
    std::string text;
    std::vector<json> items;
    std::map<std::string, json> members;

    bool has(const std::string& name) const { return members.count(name) > 0; }
    const json& operator[](const std::string& name) const { return members.at(name); }
};

class json_reader {
public:
    explicit json_reader(const std::string& text) : text_(text) {}

    json read() {
        json result;
        switch (next()) {
            case '{':
                result.kind = json::object;
                for_each_until('}', [&] {
                    std::string name = read().text;
                    expect(':');
                    result.members.emplace(std::move(name), read());
                });
                return result;
            case '[':
                result.kind = json::list;
                for_each_until(']', [&] { result.items.push_back(read()); });
                return result;
            case '"':
                result.kind = json::string;
                for (at_++; text_.at(at_) != '"'; at_++) {
                    if (text_[at_] == '\\') at_++;  // the manifest escapes quotes and backslashes only where it does not matter here
                    result.text += text_[at_];
                }
                at_++;
                return result;
            case 't':
            case 'f':
            case 'n':
                result.kind = text_[at_] == 'n' ? json::null : json::boolean;
                result.value = text_[at_] == 't';
                while (at_ < text_.size() && std::isalpha(static_cast<unsigned char>(text_[at_]))) at_++;
                return result;
            default: {
                const char* begin = text_.c_str() + at_;
                char* end;
                result.kind = json::number;
                result.value = std::strtod(begin, &end);
                if (end == begin) throw std::runtime_error("manifest: unexpected character");
                at_ += static_cast<size_t>(end - begin);
                return result;
            }
        }
    }

private:
    char next() {
        while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) at_++;
        return text_.at(at_);
    }
    void expect(char c) {
        if (next() != c) throw std::runtime_error(std::string("manifest: expected ") + c);
        at_++;
    }
    template <class Body>
    void for_each_until(char end, const Body& body) {
        at_++;
        while (next() != end) {
            body();
            if (next() == ',') at_++;
        }
        at_++;
    }

    const std::string& text_;
    size_t at_ = 0;
};

}  // namespace nq::test
