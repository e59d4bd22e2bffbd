// NativeQuant's own products through its C ABI. Types: nf4, nf4_nested, fp4, int8 (no outliers), int8_outliers (1 % of the columns), bf16,
// f32. NATIVEQUANT_CPU chooses the implementation.
#include "nativequant/nativequant.h"
#include "contestant.h"

namespace {

void check(nq_status status) {
    if (status != NQ_STATUS_OK) contestant::fail(std::string(nq_status_name(status)) + ": " + nq_last_error_message());
}

nq_tensor make_tensor(nq_device* device, size_t rows, size_t columns, const float* values) {
    nq_buffer* buffer = nullptr;
    check(nq_buffer_create(device, rows * columns * sizeof(float), &buffer));
    if (values != nullptr) check(nq_buffer_write(buffer, 0, values, rows * columns * sizeof(float)));
    return {buffer, 0, rows, columns, columns, NQ_DTYPE_F32, 0};
}

bool is_dense(const std::string& type) { return type == "bf16" || type == "f32"; }
bool is_int8(const std::string& type) { return type == "int8" || type == "int8_outliers"; }

nq_matrix* make_matrix(nq_device* device, const contestant::task& t, const std::vector<float>& w) {
    nq_matrix* matrix = nullptr;
    const uint64_t bytes = w.size() * sizeof(float);
    if (is_dense(t.type))
        check(nq_matrix_create_dense(device, t.rows, t.columns, NQ_DTYPE_F32, w.data(), bytes,
                                     t.type == "bf16" ? NQ_DTYPE_BF16 : NQ_DTYPE_F32, &matrix));
    else if (is_int8(t.type))
        check(nq_matrix_quantize_8bit(device, t.rows, t.columns, NQ_DTYPE_F32, w.data(), bytes, &matrix));
    else
        check(nq_matrix_quantize_4bit(device, t.rows, t.columns, NQ_DTYPE_F32, w.data(), bytes,
                                      t.type == "fp4" ? NQ_QUANT_TYPE_FP4 : NQ_QUANT_TYPE_NF4, 64, t.type.rfind("nf4_nested", 0) == 0,
                                      &matrix));
    return matrix;
}

}  // namespace

int main(int count, char** arguments) {
    const contestant::task t = contestant::parse(count, arguments);
    const nq_device_options options = {sizeof options, t.threads, nullptr};
    nq_device* device = nullptr;
    check(nq_device_open("cpu", &options, &device));
    nq_device_info device_info;
    check(nq_device_get_info(device, &device_info));

    const std::vector<float> pool = contestant::weight_pool(t);
    std::vector<float> w(t.rows * t.columns), x = contestant::input(t);
    for (size_t r = 0; r < t.rows; ++r)
        std::memcpy(&w[r * t.columns], &pool[r % contestant::pool_rows * t.columns], t.columns * sizeof(float));
    if (t.type == "int8_outliers")
        for (size_t m = 0; m < t.m; ++m)
            for (size_t k = 7; k < t.columns; k += 100) x[m * t.columns + k] = 8.0f;
    const nq_tensor input = make_tensor(device, t.m, t.columns, x.data()), output = make_tensor(device, t.m, t.rows, nullptr);

    std::vector<nq_matrix*> matrices = {make_matrix(device, t, w)};
    nq_matrix_info info;
    check(nq_matrix_get_info(matrices[0], &info));
    while (matrices.size() < t.matrices(info.resident_bytes)) matrices.push_back(make_matrix(device, t, w));

    const nq_dtype compute = t.type == "nf4_nested_int8" ? NQ_DTYPE_I8 : t.type == "nf4_nested_bf16" ? NQ_DTYPE_BF16 : NQ_DTYPE_F32;
    const auto forward = [&](nq_matrix* matrix) {
        if (is_dense(t.type))
            check(nq_linear_forward(matrix, &input, nullptr, &output));
        else if (is_int8(t.type))
            check(nq_linear8bit_forward(matrix, &input, nullptr, t.type == "int8" ? 0.0f : 6.0f, &output));
        else
            check(nq_linear4bit_forward(matrix, &input, nullptr, compute, &output));
    };
    const auto walk = [&] {
        for (nq_matrix* matrix : matrices) forward(matrix);
    };
    walk();
    float y[contestant::pool_rows];
    check(nq_buffer_read(output.buffer, 0, y, sizeof y));
    contestant::ready(nq_build_info(), device_info.implementation, info.resident_bytes, contestant::relative_error(pool, x, t.columns, y));
    contestant::serve(t.threads, matrices.size(), walk);
}
