// The golden vectors: files recorded from bitsandbytes, listed in manifest.json. NATIVEQUANT_GOLDEN names their folder; else
// NATIVEQUANT_TEST_DATA with golden/bitsandbytes, if that exists; else the project's own copy.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>

#include "json.h"
#include "support.h"

namespace nq::test {

inline std::filesystem::path golden_folder() {
    if (const char* folder = std::getenv("NATIVEQUANT_GOLDEN")) return folder;
    if (const char* data = std::getenv("NATIVEQUANT_TEST_DATA")) {
        const std::filesystem::path folder = std::filesystem::path(data) / "golden" / "bitsandbytes";
        if (std::filesystem::exists(folder)) return folder;
    }
    return std::filesystem::path(NQ_SOURCE_DIR) / "tests" / "data" / "golden" / "bitsandbytes";
}

inline std::vector<uint8_t> read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file.is_open()) << "cannot read " << path;
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// One case of the manifest.
class golden_case {
public:
    explicit golden_case(const json& description) : description_(description) {}

    std::string name() const { return description_["name"].text; }
    std::string operation() const { return description_["op"].text; }
    const json& parameters() const { return description_["params"]; }
    uint32_t blocksize() const { return static_cast<uint32_t>(parameters()["blocksize"].value); }
    nq_quant_type quant_type() const { return parameters()["quant_type"].text == "fp4" ? NQ_QUANT_TYPE_FP4 : NQ_QUANT_TYPE_NF4; }
    bool has(const std::string& role) const { return description_["tensors"].has(role); }
    nq_dtype dtype(const std::string& role) const {
        const std::string& type = tensor(role)["dtype"].text;
        if (type == "f16") return NQ_DTYPE_F16;
        if (type == "bf16") return NQ_DTYPE_BF16;
        if (type == "u8") return NQ_DTYPE_U8;
        if (type == "i8") return NQ_DTYPE_I8;
        return type == "i32" ? NQ_DTYPE_I32 : NQ_DTYPE_F32;
    }
    size_t size(const std::string& role, size_t dimension) const {
        return static_cast<size_t>(tensor(role)["shape"].items.at(dimension).value);
    }
    std::vector<uint8_t> bytes(const std::string& role) const { return read_file(golden_folder() / tensor(role)["file"].text); }
    std::vector<float> floats(const std::string& role) const { return decode(bytes(role), dtype(role)); }
    template <class T>
    std::vector<T> as(const std::string& role) const {
        const std::vector<uint8_t> raw = bytes(role);
        std::vector<T> values(raw.size() / sizeof(T));
        if (!raw.empty()) std::memcpy(values.data(), raw.data(), raw.size());
        return values;
    }
    // The tensor on a device, with its own element type.
    array on(nq_device* device, const std::string& role, size_t rows, size_t columns) const {
        array result(device, dtype(role), rows, columns);
        result.set_bytes(bytes(role));
        return result;
    }

private:
    const json& tensor(const std::string& role) const { return description_["tensors"][role]; }
    json description_;
};

// The cases of one operation.
inline std::vector<golden_case> golden_cases(const std::string& operation) {
    static const json manifest = [] {
        const std::vector<uint8_t> bytes = read_file(golden_folder() / "manifest.json");
        const std::string text(bytes.begin(), bytes.end());
        return json_reader(text).read();
    }();
    std::vector<golden_case> cases;
    for (const json& description : manifest["cases"].items) {
        if (description["op"].text == operation) cases.emplace_back(description);
    }
    return cases;
}

}  // namespace nq::test
