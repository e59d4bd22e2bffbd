// The contract of every operation on tensors: each argument in turn is made wrong in every way, and the call must say so, name the
// argument, write nothing and leave the library working.
#include <functional>

#include "support.h"

namespace nq::test {
namespace {

struct argument {
    const char* name;
    nq_dtype dtype;
    size_t rows, columns;
    bool optional = false;
    bool any_width = false;  // no other argument says how wide it is
};

struct operation {
    const char* name;
    std::vector<argument> arguments;
    std::function<nq_status(const std::vector<const nq_tensor*>&)> call;
};

constexpr nq_dtype f32 = NQ_DTYPE_F32, u8 = NQ_DTYPE_U8, i8 = NQ_DTYPE_I8, i32 = NQ_DTYPE_I32, u32 = NQ_DTYPE_U32;

// Of two arguments that do not fit each other either may be named.
constexpr const char* misfit = "of another width";

class TensorContract : public testing::Test {
protected:
    TensorContract() {
        dense_ = dense_matrix(device_, 6, 64, normal_values(6 * 64, 1));
        four_ = matrix_4bit(device_, 6, 64, normal_values(6 * 64, 2), NQ_QUANT_TYPE_NF4, 64, false);
        eight_ = matrix_8bit(device_, 6, 64, normal_values(6 * 64, 3));
        EXPECT_OK(nq_kv_cache_create(device_, 2, 1, 4, 1000000, f32, cache_.out()));
        const array filled(device_, f32, 5, 4);
        EXPECT_OK(nq_kv_cache_append(cache_, 1, filled, filled));
    }

    std::vector<operation> operations() {
        using list = const std::vector<const nq_tensor*>&;
        return {
            {"quantize_4bit",
             {{"input", f32, 2, 64}, {"packed", u8, 1, 64}, {"absmax", f32, 1, 2}},
             [](list t) { return nq_quantize_4bit(t[0], NQ_QUANT_TYPE_NF4, 64, t[1], t[2]); }},
            {"dequantize_4bit",
             {{"packed", u8, 1, 64}, {"absmax", f32, 1, 2}, {"output", f32, 2, 64}},
             [](list t) { return nq_dequantize_4bit(t[0], t[1], NQ_QUANT_TYPE_FP4, 64, t[2]); }},
            {"quantize_blockwise",
             {{"input", f32, 1, 100}, {"map", f32, 1, 256}, {"codes", u8, 1, 100}, {"absmax", f32, 1, 2}},
             [](list t) { return nq_quantize_blockwise(t[0], t[1], 50, t[2], t[3]); }},
            {"dequantize_blockwise",
             {{"codes", u8, 1, 100}, {"map", f32, 1, 256}, {"absmax", f32, 1, 2}, {"output", f32, 1, 100}},
             [](list t) { return nq_dequantize_blockwise(t[0], t[1], t[2], 50, t[3]); }},
            {"quantize_absmax",
             {{"absmax", f32, 1, 100}, {"map", f32, 1, 256}, {"codes", u8, 1, 100}, {"nested_absmax", f32, 1, 2}, {"offset", f32, 1, 1}},
             [](list t) { return nq_quantize_absmax(t[0], t[1], 50, t[2], t[3], t[4]); }},
            {"dequantize_absmax",
             {{"codes", u8, 1, 100}, {"map", f32, 1, 256}, {"nested_absmax", f32, 1, 2}, {"offset", f32, 1, 1}, {"absmax", f32, 1, 100}},
             [](list t) { return nq_dequantize_absmax(t[0], t[1], t[2], t[3], 50, t[4]); }},
            {"quantize_int8_rows",
             {{"input", f32, 3, 20}, {"codes", i8, 3, 20}, {"row_absmax", f32, 1, 3}, {"outlier_columns", u8, 1, 20, true}},
             [](list t) { return nq_quantize_int8_rows(t[0], 6, t[1], t[2], t[3]); }},
            {"dequantize_int8_rows",
             {{"codes", i8, 3, 20}, {"row_absmax", f32, 1, 3}, {"output", f32, 3, 20}},
             [](list t) { return nq_dequantize_int8_rows(t[0], t[1], t[2]); }},
            {"matrix_dequantize", {{"output", f32, 6, 64}}, [this](list t) { return nq_matrix_dequantize(four_, t[0]); }},
            {"linear",
             {{"x", f32, 3, 64}, {"bias", f32, 1, 6, true}, {"y", f32, 3, 6}},
             [this](list t) { return nq_linear_forward(dense_, t[0], t[1], t[2]); }},
            {"linear4bit",
             {{"x", f32, 3, 64}, {"bias", f32, 1, 6, true}, {"y", f32, 3, 6}},
             [this](list t) { return nq_linear4bit_forward(four_, t[0], t[1], f32, t[2]); }},
            {"linear8bit",
             {{"x", f32, 3, 64}, {"bias", f32, 1, 6, true}, {"y", f32, 3, 6}},
             [this](list t) { return nq_linear8bit_forward(eight_, t[0], t[1], 6, t[2]); }},
            {"int8_matmul",
             {{"a", i8, 3, 20}, {"b", i8, 4, 20}, {"y", i32, 3, 4}},
             [](list t) { return nq_int8_matmul(t[0], t[1], t[2]); }},
            {"int8_matmul_dequantize",
             {{"acc", i32, 3, 4}, {"row_absmax", f32, 1, 3}, {"column_absmax", f32, 1, 4}, {"bias", f32, 1, 4, true}, {"y", f32, 3, 4}},
             [](list t) { return nq_int8_matmul_dequantize(t[0], t[1], t[2], t[3], t[4]); }},
            {"embedding", {{"ids", u32, 1, 3}, {"y", f32, 3, 64}}, [this](list t) { return nq_embedding_forward(dense_, t[0], t[1]); }},
            {"rmsnorm",
             {{"x", f32, 3, 20}, {"weight", f32, 1, 20}, {"y", f32, 3, 20}},
             [](list t) { return nq_rmsnorm_forward(t[0], t[1], 1e-5f, t[2]); }},
            {"rotary",
             {{"x", f32, 3, 8}, {"positions", u32, 1, 3}, {"cosine", f32, 9, 2}, {"sine", f32, 9, 2}},
             [](list t) { return nq_rotary_forward(t[0], 4, t[1], t[2], t[3]); }},
            {"kv_cache_append",
             {{"keys", f32, 2, 4}, {"values", f32, 2, 4}},
             [this](list t) { return nq_kv_cache_append(cache_, 0, t[0], t[1]); }},
            {"attention",
             {{"q", f32, 2, 8}, {"y", f32, 2, 8}},
             [this](list t) { return nq_attention_forward(cache_, 1, t[0], 0.5f, 0, t[1]); }},
            {"gated_silu",
             {{"gate", f32, 3, 20}, {"up", f32, 3, 20}, {"y", f32, 3, 20}},
             [](list t) { return nq_gated_silu_forward(t[0], t[1], t[2]); }},
            {"residual_add", {{"x", f32, 3, 20}, {"y", f32, 3, 20}}, [](list t) { return nq_residual_add_forward(t[0], t[1]); }},
            {"log_softmax", {{"logits", f32, 3, 20}, {"y", f32, 3, 20}}, [](list t) { return nq_log_softmax_forward(t[0], t[1]); }},
            {"token_log_probability",
             {{"logits", f32, 3, 20, false, true}, {"ids", u32, 1, 3}, {"y", f32, 1, 3}},
             [](list t) { return nq_token_log_probability_forward(t[0], t[1], t[2]); }},
        };
    }

    // Calls with argument `wrong` replaced; expects `status` and a message that names the argument.
    void expect_refused(const operation& op, size_t wrong, const nq_tensor* replacement, nq_status status, const char* why) {
        std::vector<const nq_tensor*> tensors;
        for (const array& a : arrays_) tensors.push_back(a);
        tensors[wrong] = replacement;
        EXPECT_EQ(op.call(tensors), status) << op.name << ": " << op.arguments[wrong].name << ' ' << why << ": " << nq_last_error_message();
        if (status != NQ_STATUS_OK && why != misfit) {
            EXPECT_NE(std::string(nq_last_error_message()).find(op.arguments[wrong].name), std::string::npos)
                << op.name << ": " << nq_last_error_message();
        }
    }

    void make_arrays(const operation& op) {
        arrays_.clear();
        for (const argument& a : op.arguments) arrays_.emplace_back(device_, a.dtype, a.rows, a.columns, 4, 8);  // room to be misread
        for (array& a : arrays_) {
            if (a.view().rows == 1) a.view().row_stride = a.view().columns;
        }
    }

    device device_, other_;
    matrix dense_, four_, eight_;
    kv_cache cache_;
    std::vector<array> arrays_;
};

// Blocks are counted flat, so these arguments must be contiguous.
void make_contiguous(std::vector<array>& arrays) {
    for (array& a : arrays) a.view().row_stride = a.view().columns;
}

TEST_F(TensorContract, RightArgumentsAreAccepted) {
    for (const operation& op : operations()) {
        make_arrays(op);
        make_contiguous(arrays_);
        expect_refused(op, 0, arrays_[0], NQ_STATUS_OK, "right");
    }
}

TEST_F(TensorContract, EveryWrongTensorIsRefused) {
    for (const operation& op : operations()) {
        make_arrays(op);
        make_contiguous(arrays_);
        for (size_t i = 0; i < arrays_.size(); i++) {
            const nq_tensor right = arrays_[i].view();
            const auto refused = [&](nq_status status, const char* why, const std::function<void(nq_tensor&)>& spoil) {
                nq_tensor wrong = right;
                spoil(wrong);
                expect_refused(op, i, &wrong, status, why);
            };
            constexpr nq_status invalid = NQ_STATUS_INVALID_ARGUMENT;
            if (op.arguments[i].optional) {
                expect_refused(op, i, nullptr, NQ_STATUS_OK, "optional and null");
            } else {
                expect_refused(op, i, nullptr, invalid, "null");
            }
            refused(invalid, "without a buffer", [](nq_tensor& t) { t.buffer = nullptr; });
            refused(invalid, "with reserved set", [](nq_tensor& t) { t.reserved = 1; });
            refused(invalid, "of no rows", [](nq_tensor& t) { t.rows = 0; });
            refused(invalid, "of no columns", [](nq_tensor& t) { t.columns = 0; });
            refused(invalid, "of too many rows", [](nq_tensor& t) { t.rows = UINT64_MAX; });
            refused(invalid, "whose size overflows",
                    [](nq_tensor& t) { t.rows = uint64_t{1} << 33, t.columns = t.row_stride = uint64_t{1} << 31; });
            refused(invalid, "whose stride overflows", [](nq_tensor& t) { t.rows = 3, t.row_stride = uint64_t{1} << 63; });
            refused(invalid, "with a stride below its columns", [](nq_tensor& t) { t.row_stride = t.columns - 1; });
            refused(invalid, "beyond its buffer", [](nq_tensor& t) { t.offset = 1 << 20; });
            refused(invalid, "with a huge offset", [](nq_tensor& t) { t.offset = UINT64_MAX - 7; });
            if (!op.arguments[i].any_width) refused(invalid, misfit, [](nq_tensor& t) { t.columns++, t.row_stride++; });
            refused(invalid, "of no known type", [](nq_tensor& t) { t.dtype = static_cast<nq_dtype>(99); });
            refused(invalid, "of a negative type", [](nq_tensor& t) { t.dtype = static_cast<nq_dtype>(-1); });
            refused(invalid, "of a wrong type", [](nq_tensor& t) { t.dtype = t.dtype == i32 ? u32 : i32; });
            if (size_of(right.dtype) > 1) refused(invalid, "misaligned", [](nq_tensor& t) { t.offset++; });
            refused(NQ_STATUS_INVALID_HANDLE, "of no buffer", [](nq_tensor& t) { t.buffer = reinterpret_cast<nq_buffer*>(&t); });
            refused(NQ_STATUS_INVALID_HANDLE, "of a device as buffer",
                    [&](nq_tensor& t) { t.buffer = reinterpret_cast<nq_buffer*>(static_cast<nq_device*>(device_)); });
            refused(NQ_STATUS_INVALID_HANDLE, "of a freed buffer", [&](nq_tensor& t) {
                const array freed(device_, right.dtype, right.rows, right.columns);
                t.buffer = static_cast<const nq_tensor*>(freed)->buffer;
            });
            const bool alone = arrays_.size() == 1 && std::string(op.name) != "matrix_dequantize";
            if (!alone) {
                const array elsewhere(other_, right.dtype, right.rows, right.columns);
                expect_refused(op, i, elsewhere, NQ_STATUS_WRONG_DEVICE, "of another device");
            }
        }
        expect_refused(op, 0, arrays_[0], NQ_STATUS_OK, "right again");
    }
}

TEST_F(TensorContract, OutputsMayNotOverlapOtherTensors) {
    const array x(device_, f32, 3, 64), w(device_, f32, 1, 64), wide(device_, f32, 3, 128);
    // The output one element further than the input, in one buffer.
    const array both(device_, f32, 1, 65);
    nq_tensor in = *static_cast<const nq_tensor*>(both), out = in;
    in.columns = in.row_stride = out.columns = out.row_stride = 64;
    out.offset += 4;
    EXPECT_EQ(nq_rmsnorm_forward(&in, w, 1e-5f, &out), NQ_STATUS_INVALID_ARGUMENT);
    EXPECT_STREQ(nq_last_error_message(), "y overlaps x, expected separate memory or exactly the same view");
    EXPECT_EQ(nq_linear_forward(dense_, x, nullptr, x), NQ_STATUS_INVALID_ARGUMENT) << "not the right width";
    // Columns of one row-major matrix do not overlap.
    nq_tensor left = *static_cast<const nq_tensor*>(wide), right = left;
    left.columns = right.columns = 64;
    right.offset = 64 * 4;
    EXPECT_OK(nq_rmsnorm_forward(&left, w, 1e-5f, &right));
    EXPECT_OK(nq_rmsnorm_forward(&right, w, 1e-5f, &left));
    nq_tensor row = left;  // a row of the left columns, with a stride of its own
    row.rows = 1;
    row.row_stride = 64;
    row.offset = 128 * 4;
    EXPECT_OK(nq_residual_add_forward(x, &right));
    EXPECT_OK(nq_rmsnorm_forward(&right, &row, 1e-5f, x));
    EXPECT_OK(nq_rmsnorm_forward(x, &row, 1e-5f, &right));
    EXPECT_EQ(nq_rmsnorm_forward(x, &row, 1e-5f, &left), NQ_STATUS_INVALID_ARGUMENT);
    left.columns = right.columns = 65;
    right.offset = 63 * 4;
    const array w65(device_, f32, 1, 65);
    EXPECT_EQ(nq_rmsnorm_forward(&left, w65, 1e-5f, &right), NQ_STATUS_INVALID_ARGUMENT);
    // Not an in-place operation: even the same view is refused.
    const array q(device_, f32, 2, 8);
    EXPECT_EQ(nq_attention_forward(cache_, 1, q, 1, 0, q), NQ_STATUS_INVALID_ARGUMENT);
}

TEST_F(TensorContract, ScalarsOutOfRangeAreRefused) {
    const array x(device_, f32, 1, 64), packed(device_, u8, 1, 32), one(device_, f32, 1, 1), y(device_, f32, 1, 6),
        codes(device_, i8, 1, 64);
    for (uint32_t blocksize : {0u, 1u, 16u, 33u, 96u, 8192u, 0xFFFFFFFFu}) {
        EXPECT_EQ(nq_quantize_4bit(x, NQ_QUANT_TYPE_NF4, blocksize, packed, one), NQ_STATUS_INVALID_ARGUMENT);
        EXPECT_EQ(nq_dequantize_4bit(packed, one, NQ_QUANT_TYPE_NF4, blocksize, x), NQ_STATUS_INVALID_ARGUMENT);
    }
    EXPECT_EQ(nq_quantize_4bit(x, static_cast<nq_quant_type>(2), 64, packed, one), NQ_STATUS_INVALID_ARGUMENT);
    const array bytes(device_, u8, 1, 64), map(device_, f32, 1, 256);
    EXPECT_EQ(nq_quantize_blockwise(x, map, 0, bytes, one), NQ_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(nq_dequantize_blockwise(bytes, map, one, 0, x), NQ_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(nq_quantize_absmax(x, map, 0, bytes, one, one), NQ_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(nq_dequantize_absmax(bytes, map, one, one, 0, x), NQ_STATUS_INVALID_ARGUMENT);
    for (float threshold : {-1.0f, nan, infinity}) {
        EXPECT_EQ(nq_quantize_int8_rows(x, threshold, codes, one, nullptr), NQ_STATUS_INVALID_ARGUMENT);
        EXPECT_EQ(nq_linear8bit_forward(eight_, x, nullptr, threshold, y), NQ_STATUS_INVALID_ARGUMENT);
        EXPECT_EQ(nq_rmsnorm_forward(x, x, threshold, x), NQ_STATUS_INVALID_ARGUMENT) << "as epsilon";
    }
    for (nq_dtype compute : {NQ_DTYPE_U8, NQ_DTYPE_I32, static_cast<nq_dtype>(7)}) {
        EXPECT_EQ(nq_linear4bit_forward(four_, x, nullptr, compute, y), NQ_STATUS_INVALID_ARGUMENT);
    }
    const array positions(device_, u32, 1, 1), table(device_, f32, 4, 2);
    EXPECT_EQ(nq_rotary_forward(x, 0, positions, table, table), NQ_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(nq_rotary_forward(x, 5, positions, table, table), NQ_STATUS_INVALID_ARGUMENT) << "64 is no multiple of 5";
    EXPECT_EQ(nq_rotary_forward(x, 2, positions, table, table), NQ_STATUS_INVALID_ARGUMENT) << "two pairs do not fit in a head of 2";
    const array q(device_, f32, 1, 4), out(device_, f32, 1, 4), many(device_, f32, 6, 4), many_out(device_, f32, 6, 4),
        odd(device_, f32, 1, 6);
    EXPECT_EQ(nq_attention_forward(cache_, 2, q, 1, 0, out), NQ_STATUS_INVALID_ARGUMENT) << "layer";
    EXPECT_EQ(nq_attention_forward(cache_, 1, q, nan, 0, out), NQ_STATUS_INVALID_ARGUMENT) << "scale";
    EXPECT_EQ(nq_attention_forward(cache_, 1, many, 1, 0, many_out), NQ_STATUS_INVALID_ARGUMENT) << "more queries than positions";
    EXPECT_EQ(nq_attention_forward(cache_, 1, odd, 1, 0, odd), NQ_STATUS_INVALID_ARGUMENT) << "not whole heads";
    EXPECT_EQ(nq_kv_cache_append(cache_, 2, q, out), NQ_STATUS_INVALID_ARGUMENT) << "layer";
}

TEST_F(TensorContract, MatricesOfAnotherKindAreRefused) {
    const array x(device_, f32, 1, 64), y(device_, f32, 1, 6), ids(device_, u32, 1, 1), row(device_, f32, 1, 64);
    for (nq_matrix* wrong : {static_cast<nq_matrix*>(four_), static_cast<nq_matrix*>(eight_)}) {
        EXPECT_EQ(nq_linear_forward(wrong, x, nullptr, y), NQ_STATUS_INVALID_ARGUMENT);
        EXPECT_EQ(nq_embedding_forward(wrong, ids, row), NQ_STATUS_INVALID_ARGUMENT);
    }
    EXPECT_EQ(nq_linear4bit_forward(dense_, x, nullptr, f32, y), NQ_STATUS_INVALID_ARGUMENT);
    EXPECT_STREQ(nq_last_error_message(), "matrix is dense, expected 4-bit");
    EXPECT_EQ(nq_linear8bit_forward(four_, x, nullptr, 6, y), NQ_STATUS_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace nq::test
