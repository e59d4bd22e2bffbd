// Linear layers of every format, by implementation, shape, rows of x (m) and threads. Up to 16 rows the weights rotate over at least 1 GiB
// of distinct matrices, as in decoding: they come from memory. Each product is sampled in turn with the limits that could bound it, and
// the figures say what fraction of them it reached: of_DRAM, the read bandwidth; of_peak, the peak of the multiply-adds it is made of.
// "error" is the relative error of one row of y against f64 arithmetic on the weights before quantization, so that nobody times garbage.
#include <cmath>
#include <memory>

#include "device.h"
#include "machine_limits.h"
#include "program.h"

namespace nq::bench {
namespace {

constexpr size_t decode_rows = 16;  // most rows of x for which weights rotate

struct format {
    const char* name;
    enum { dense, four_bits, eight_bits } kind;
    nq_dtype dtype;            // of dense weights
    nq_quant_type quant_type;  // of four bits
    bool nested;
    nq_dtype compute;  // of four bits; i8: int8 activations
    bool outliers;     // eight bits: whether 1 % of the columns of x hold outliers
    bool int8;         // whether x is multiplied as int8
};

constexpr format formats[] = {
    {"linear4bit/nf4_nested", format::four_bits, NQ_DTYPE_F32, NQ_QUANT_TYPE_NF4, true, NQ_DTYPE_F32, false, false},
    {"linear4bit/nf4", format::four_bits, NQ_DTYPE_F32, NQ_QUANT_TYPE_NF4, false, NQ_DTYPE_F32, false, false},
    {"linear4bit/nf4_nested_int8", format::four_bits, NQ_DTYPE_F32, NQ_QUANT_TYPE_NF4, true, NQ_DTYPE_I8, false, true},
    {"linear4bit/nf4_bf16", format::four_bits, NQ_DTYPE_F32, NQ_QUANT_TYPE_NF4, false, NQ_DTYPE_BF16, false, false},
    {"linear4bit/fp4", format::four_bits, NQ_DTYPE_F32, NQ_QUANT_TYPE_FP4, false, NQ_DTYPE_F32, false, false},
    {"linear8bit/plain", format::eight_bits, NQ_DTYPE_I8, NQ_QUANT_TYPE_NF4, false, NQ_DTYPE_F32, false, true},
    {"linear8bit/outliers", format::eight_bits, NQ_DTYPE_I8, NQ_QUANT_TYPE_NF4, false, NQ_DTYPE_F32, true, true},
    {"linear/bf16", format::dense, NQ_DTYPE_BF16, NQ_QUANT_TYPE_NF4, false, NQ_DTYPE_F32, false, false},
    {"linear/f32", format::dense, NQ_DTYPE_F32, NQ_QUANT_TYPE_NF4, false, NQ_DTYPE_F32, false, false},
};

struct shape {
    size_t rows, columns;
};
constexpr shape shapes[] = {{4096, 4096}, {14336, 4096}, {4096, 14336}, {32000, 4096}};

struct subject {
    std::string implementation;
    format kind;
    shape size;
    uint32_t threads;
};

matrix_handle make_matrix(nq_device* device, const format& f, const shape& s, const std::vector<float>& values) {
    nq_matrix* matrix = nullptr;
    const uint64_t bytes = values.size() * sizeof(float);
    if (f.kind == format::dense)
        check(nq_matrix_create_dense(device, s.rows, s.columns, NQ_DTYPE_F32, values.data(), bytes, f.dtype, &matrix));
    else if (f.kind == format::eight_bits)
        check(nq_matrix_quantize_8bit(device, s.rows, s.columns, NQ_DTYPE_F32, values.data(), bytes, &matrix));
    else
        check(nq_matrix_quantize_4bit(device, s.rows, s.columns, NQ_DTYPE_F32, values.data(), bytes, f.quant_type, 64, f.nested, &matrix));
    return matrix_handle(matrix);
}

void forward(const format& f, nq_matrix* matrix, const owned_tensor& x, const owned_tensor& y) {
    if (f.kind == format::dense)
        check(nq_linear_forward(matrix, &x.view, nullptr, &y.view));
    else if (f.kind == format::eight_bits)
        check(nq_linear8bit_forward(matrix, &x.view, nullptr, f.outliers ? 6.0f : 0.0f, &y.view));
    else
        check(nq_linear4bit_forward(matrix, &x.view, nullptr, f.compute, &y.view));
}

// The weights of one subject. Making them takes seconds, so the last ones are kept for the next numbers of rows.
class weights {
public:
    explicit weights(const subject& s)
        : device(open_device(s.threads, s.implementation.c_str())), values(noise(s.size.rows * s.size.columns)) {
        matrices.push_back(make_matrix(device.get(), s.kind, s.size, values));
        nq_matrix_info info;
        check(nq_matrix_get_info(matrices[0].get(), &info));
        bytes = info.resident_bytes;
    }

    void rotate(const subject& s) {
        while (matrices.size() * bytes < dram::bytes) matrices.push_back(make_matrix(device.get(), s.kind, s.size, values));
    }

    static weights& of(const subject& s) {
        static std::unique_ptr<weights> last;
        static std::string last_key;
        const std::string key = s.implementation + s.kind.name + std::to_string(s.size.rows) + 'x' + std::to_string(s.size.columns) + '/' +
                                std::to_string(s.threads);
        if (key != last_key) {
            last.reset();
            last = std::make_unique<weights>(s);
            last_key = key;
        }
        return *last;
    }

    device_handle device;
    std::vector<float> values;
    std::vector<matrix_handle> matrices;
    uint64_t bytes = 0;
};

std::vector<float> make_input(const format& f, size_t m, size_t columns) {
    std::vector<float> x = noise(m * columns, 54321);  // unlike the weights
    if (f.outliers)
        for (size_t i = 7; i < x.size(); i += 100) x[i - i % columns + (i % columns) / 100 * 100] = 8.0f;
    return x;
}

// Relative error (Euclidean norms) of the first 64 values of the first row of y.
double relative_error(const std::vector<float>& w, const std::vector<float>& x, size_t columns, const owned_tensor& y) {
    std::vector<float> given(64);
    check(nq_buffer_read(y.buffer.get(), 0, given.data(), given.size() * sizeof(float)));
    double difference = 0, norm = 0;
    for (size_t n = 0; n < given.size(); ++n) {
        double sum = 0;
        for (size_t k = 0; k < columns; ++k) sum += static_cast<double>(w[n * columns + k]) * static_cast<double>(x[k]);
        difference += (sum - static_cast<double>(given[n])) * (sum - static_cast<double>(given[n]));
        norm += sum * sum;
    }
    return std::sqrt(difference / norm);
}

void run(benchmark::State& state, const subject& s, size_t m) {
    weights& w = weights::of(s);
    const bool decode = m <= decode_rows;
    if (decode) w.rotate(s);
    const std::vector<float> input = make_input(s.kind, m, s.size.columns);
    owned_tensor x(w.device.get(), m, s.size.columns, NQ_DTYPE_F32), y(w.device.get(), m, s.size.rows, NQ_DTYPE_F32);
    x.write(input);
    forward(s.kind, w.matrices[0].get(), x, y);  // warms up: pages, scratch memory, threads
    const double error = relative_error(w.values, input, s.size.columns, y);

    const bool bf16 = s.kind.dtype == NQ_DTYPE_BF16 || s.kind.compute == NQ_DTYPE_BF16;
    const operands kind = s.kind.int8 ? operands::int8 : bf16 ? operands::bf16 : operands::f32;
    const peak* best = product_peak(s.implementation.c_str(), kind);
    durations times;
    samples reads, peaks;
    size_t next = 1;
    for (auto _ : state) {
        nq_matrix* matrix = w.matrices[decode ? next++ % w.matrices.size() : 0].get();
        const duration time = measure(s.threads, [&] { forward(s.kind, matrix, x, y); });
        times.add(time);
        state.SetIterationTime(time.of(s.threads));
        if (decode) main_memory().read(w.bytes, s.threads, reads);
        if (m > 1 && best != nullptr) sample_peak(*best, s.threads, peaks);
    }
    const double time = times.of(s.threads), operations = 2.0 * static_cast<double>(m * s.size.rows * s.size.columns);
    state.counters["wall_ms"] = times.wall() * 1e3;
    state.counters["cpu_ms"] = times.cpu() * 1e3;
    state.counters["util"] = times.cpu() / times.wall();
    state.counters["GFLOP/s"] = operations / time * 1e-9;
    if (decode) {
        state.counters["GB/s"] = static_cast<double>(w.bytes) / time * 1e-9;
        state.counters["DRAM_GB/s"] = reads.median() * 1e-9;
        state.counters["of_DRAM"] = static_cast<double>(w.bytes) / time / reads.median();
    }
    if (m > 1 && best != nullptr) {
        state.counters["peak_GFLOP/s"] = peaks.median() * 1e-9;
        state.counters["of_peak"] = operations / time / peaks.median();
    }
    state.counters["error"] = error;
    if (!(error < 0.2)) state.SkipWithError("the product is wrong");
}

// About half a second, and at least five samples.
int64_t samples_for(const subject& s, size_t m) {
    const double weights = static_cast<double>(s.size.rows * s.size.columns);
    const double rate = s.implementation == "scalar" ? 1e9 : s.implementation == "avx2" ? 60e9 : 120e9;
    const double estimate = std::max(weights * 2.0 * static_cast<double>(m) / rate, weights / 15e9);
    return std::clamp(static_cast<int64_t>(0.5 / estimate), int64_t{5}, int64_t{200});
}

// Scalar kernels are a specification, not a product: one shape, few rows.
bool wanted(const subject& s, size_t m, bool brief) {
    const bool square = s.size.rows == 4096 && s.size.columns == 4096;
    if (s.implementation == "scalar") return square && m <= 2 && s.threads == 1 && !brief;
    return !brief || (square && s.threads == 1 && (m == 1 || m == 8 || m == 128 || m == 512));
}

void register_all(bool brief) {
    for (const std::string& implementation : implementations_here())
        for (const format& f : formats)
            for (const shape& size : shapes)
                for (const uint32_t threads : {1u, 2u})
                    for (const size_t m : {1, 2, 4, 8, 16, 32, 128, 512}) {
                        const subject s = {implementation, f, size, threads};
                        if (!wanted(s, m, brief)) continue;
                        add(f.name + ('/' + implementation + '/') + std::to_string(size.rows) + 'x' + std::to_string(size.columns) +
                                "/m:" + std::to_string(m) + "/threads:" + std::to_string(threads),
                            samples_for(s, m), [=](benchmark::State& state) { run(state, s, m); });
                    }
}

}  // namespace
}  // namespace nq::bench

int main(int count, char** arguments) { return nq::bench::run_benchmarks(count, arguments, nq::bench::register_all); }
