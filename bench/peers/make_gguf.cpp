// Writes a GGUF model of the Llama architecture with random weights, at the shape that the comparison gives NativeQuant too. Every matrix,
// embedding and output head included, gets the type asked for; norms are f32. Rows repeat 64 quantized rows of noise: a kernel's speed does
// not depend on the values. usage: make_gguf OUT TYPE
#include "ggml.h"

#include <strings.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "gguf.h"

namespace {

constexpr int64_t width = 2048, layers = 16, heads = 32, kv_heads = 8, feed_forward = 8192, vocabulary = 32000, pool_rows = 64;

ggml_type type_of(const std::string& name) {
    for (int i = 0; i < GGML_TYPE_COUNT; ++i) {
        const char* known = ggml_type_name(static_cast<ggml_type>(i));
        if (known != nullptr && strcasecmp(known, name.c_str()) == 0) return static_cast<ggml_type>(i);
    }
    std::fprintf(stderr, "ggml has no type %s\n", name.c_str());
    std::exit(1);
}

void set_parameters(gguf_context* file) {
    const auto number = [&](const char* name, int64_t value) {
        gguf_set_val_u32(file, (std::string("llama.") + name).c_str(), static_cast<uint32_t>(value));
    };
    gguf_set_val_str(file, "general.architecture", "llama");
    number("block_count", layers);
    number("context_length", 131072);
    number("embedding_length", width);
    number("feed_forward_length", feed_forward);
    number("attention.head_count", heads);
    number("attention.head_count_kv", kv_heads);
    number("rope.dimension_count", width / heads);
    number("vocab_size", vocabulary);
    gguf_set_val_f32(file, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    gguf_set_val_f32(file, "llama.rope.freq_base", 500000.0f);
}

// A SentencePiece vocabulary that llama.cpp accepts: three special tokens, 256 bytes, then filler.
void set_vocabulary(gguf_context* file) {
    enum { normal = 1, unknown = 2, control = 3, byte = 6 };
    std::vector<std::string> texts;
    std::vector<float> scores;
    std::vector<int32_t> kinds;
    for (int i = 0; i < vocabulary; ++i) {
        char text[16];
        std::snprintf(text, sizeof text, i < 259 ? "<0x%02X>" : "t%d", i < 259 ? i - 3 : i);
        texts.emplace_back(i == 0 ? "<unk>" : i == 1 ? "<s>" : i == 2 ? "</s>" : text);
        kinds.push_back(i == 0 ? unknown : i < 3 ? control : i < 259 ? byte : normal);
        scores.push_back(static_cast<float>(-i));
    }
    std::vector<const char*> pointers;
    for (const std::string& text : texts) pointers.push_back(text.c_str());
    gguf_set_val_str(file, "tokenizer.ggml.model", "llama");
    gguf_set_arr_str(file, "tokenizer.ggml.tokens", pointers.data(), vocabulary);
    gguf_set_arr_data(file, "tokenizer.ggml.scores", GGUF_TYPE_FLOAT32, scores.data(), vocabulary);
    gguf_set_arr_data(file, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, kinds.data(), vocabulary);
    gguf_set_val_u32(file, "tokenizer.ggml.bos_token_id", 1);
    gguf_set_val_u32(file, "tokenizer.ggml.eos_token_id", 2);
    gguf_set_val_u32(file, "tokenizer.ggml.unknown_token_id", 0);
}

void write_tensor(std::FILE* out, const ggml_tensor* tensor, std::mt19937& random) {
    const int64_t columns = tensor->ne[0], rows = ggml_nrows(tensor);
    if (rows == 1) {
        const std::vector<float> ones(static_cast<size_t>(columns), 1.0f);
        std::fwrite(ones.data(), sizeof(float), ones.size(), out);
    } else {
        std::normal_distribution<float> normal(0, 1 / std::sqrt(static_cast<float>(columns)));
        std::vector<float> values(static_cast<size_t>(pool_rows * columns));
        for (float& v : values) v = normal(random);
        std::vector<char> quantized(ggml_row_size(tensor->type, columns) * pool_rows);
        ggml_quantize_chunk(tensor->type, values.data(), quantized.data(), 0, pool_rows, columns, nullptr);
        for (int64_t r = 0; r < rows; r += pool_rows) std::fwrite(quantized.data(), 1, quantized.size(), out);
    }
    const size_t bytes = ggml_nbytes(tensor);
    const std::vector<char> padding(GGML_PAD(bytes, GGUF_DEFAULT_ALIGNMENT) - bytes);
    std::fwrite(padding.data(), 1, padding.size(), out);
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) {
        std::fprintf(stderr, "usage: make_gguf OUT TYPE\n");
        return 2;
    }
    const ggml_type type = type_of(arguments[2]);
    ggml_quantize_init(type);
    gguf_context* file = gguf_init_empty();
    set_parameters(file);
    set_vocabulary(file);

    ggml_context* context = ggml_init({ggml_tensor_overhead() * (layers * 9 + 8), nullptr, true});
    std::vector<ggml_tensor*> tensors;
    const auto add = [&](const std::string& name, ggml_tensor* tensor) {
        ggml_set_name(tensor, (name + ".weight").c_str());
        gguf_add_tensor(file, tensor);
        tensors.push_back(tensor);
    };
    const auto matrix = [&](const std::string& name, int64_t columns, int64_t rows) {
        add(name, ggml_new_tensor_2d(context, type, columns, rows));
    };
    const auto norm = [&](const std::string& name) { add(name, ggml_new_tensor_1d(context, GGML_TYPE_F32, width)); };
    const int64_t kv_width = width / heads * kv_heads;
    matrix("token_embd", width, vocabulary);
    for (int64_t i = 0; i < layers; ++i) {
        const std::string layer = "blk." + std::to_string(i) + '.';
        norm(layer + "attn_norm");
        matrix(layer + "attn_q", width, width);
        matrix(layer + "attn_k", width, kv_width);
        matrix(layer + "attn_v", width, kv_width);
        matrix(layer + "attn_output", width, width);
        norm(layer + "ffn_norm");
        matrix(layer + "ffn_gate", width, feed_forward);
        matrix(layer + "ffn_up", width, feed_forward);
        matrix(layer + "ffn_down", feed_forward, width);
    }
    norm("output_norm");
    matrix("output", width, vocabulary);

    std::FILE* out = std::fopen(arguments[1], "wb");
    if (out == nullptr) {
        std::perror(arguments[1]);
        return 1;
    }
    std::vector<char> head(gguf_get_meta_size(file));
    gguf_get_meta_data(file, head.data());
    std::fwrite(head.data(), 1, head.size(), out);
    std::mt19937 random(1);
    for (const ggml_tensor* tensor : tensors) write_tensor(out, tensor, random);
    if (std::fclose(out) != 0) {
        std::perror(arguments[1]);
        return 1;
    }
}
