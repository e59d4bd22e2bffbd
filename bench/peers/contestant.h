// A contestant of the comparison: one program, one library, one matrix product. It makes its weights, checks its result, prints one line of
// JSON that says what it is, and then takes a sample for each line it reads. The program that runs the comparison starts all contestants of
// a product and asks each in turn for a sample, so that whatever else the machine does strikes all alike.
//
// Every contestant multiplies the same numbers: W [rows, columns] repeats 64 rows of noise between -1 and 1, x [m, columns] is other noise.
// "error" is the relative error (Euclidean norms) of the first 64 values of y against f64 arithmetic on W as it was before quantization.
#pragma once

#include <time.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace contestant {

constexpr size_t pool_rows = 64;

struct task {
    std::string type;
    size_t rows = 4096, columns = 4096, m = 1;
    uint32_t threads = 1;
    size_t rotate_bytes = size_t{1} << 30;
    std::string shared_object;  // where the library is loaded at run time

    // Products of one sample: few rows of x walk over as many distinct matrices as make rotate_bytes, so that they come from memory.
    size_t matrices(size_t bytes) const { return m <= 16 ? (rotate_bytes + bytes - 1) / bytes : 1; }
};

[[noreturn]] inline void fail(const std::string& message) {
    std::fprintf(stderr, "%s\n", message.c_str());
    std::exit(1);
}

// --type T --shape ROWSxCOLUMNS --m M --threads N --rotate-mib N --library PATH
inline task parse(int count, char** arguments) {
    task t;
    for (int i = 1; i + 1 < count; i += 2) {
        const std::string name = arguments[i], value = arguments[i + 1];
        if (name == "--type")
            t.type = value;
        else if (name == "--shape" && value.find('x') != std::string::npos)
            t.rows = std::stoul(value), t.columns = std::stoul(value.substr(value.find('x') + 1));
        else if (name == "--m")
            t.m = std::stoul(value);
        else if (name == "--threads")
            t.threads = static_cast<uint32_t>(std::stoul(value));
        else if (name == "--rotate-mib")
            t.rotate_bytes = std::stoul(value) << 20;
        else if (name == "--library")
            t.shared_object = value;
        else
            fail("unknown option " + name);
    }
    return t;
}

inline std::vector<float> noise(size_t n, uint32_t seed) {
    std::vector<float> values(n);
    for (float& v : values) {
        seed = seed * 1664525u + 1013904223u;
        v = static_cast<float>(static_cast<int32_t>(seed)) * 0x1p-31f;
    }
    return values;
}

inline std::vector<float> weight_pool(const task& t) { return noise(pool_rows * t.columns, 12345); }
inline std::vector<float> input(const task& t) { return noise(t.m * t.columns, 54321); }

// y: the first 64 values of the first row.
inline double relative_error(const std::vector<float>& pool, const std::vector<float>& x, size_t columns, const float* y) {
    double difference = 0, norm = 0;
    for (size_t n = 0; n < pool_rows; ++n) {
        double sum = 0;
        for (size_t k = 0; k < columns; ++k) sum += static_cast<double>(pool[n * columns + k]) * static_cast<double>(x[k]);
        difference += (sum - static_cast<double>(y[n])) * (sum - static_cast<double>(y[n]));
        norm += sum * sum;
    }
    return std::sqrt(difference / norm);
}

inline double now(clockid_t clock) {
    timespec time;
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Runs `work` and prints its wall time and CPU time per thread, each divided by `products`.
template <class Work>
void sample(uint32_t threads, size_t products, const Work& work) {
    const double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    work();
    const double wall_end = now(CLOCK_MONOTONIC), cpu_end = now(CLOCK_PROCESS_CPUTIME_ID);
    const double n = static_cast<double>(products);
    std::printf("{\"wall\":%.9g,\"cpu\":%.9g}\n", (wall_end - wall) / n, (cpu_end - cpu) / n / threads);
    std::fflush(stdout);
}

// Bytes are those of one matrix as the kernel reads it. The detail says which kernel or buffer the library chose.
inline void ready(const std::string& version, const std::string& detail, size_t bytes, double error) {
    std::printf("{\"version\":\"%s\",\"detail\":\"%s\",\"bytes\":%zu,\"error\":%.4g}\n", version.c_str(), detail.c_str(), bytes, error);
    std::fflush(stdout);
}

// A sample for each line of standard input.
template <class Work>
void serve(uint32_t threads, size_t products, const Work& work) {
    char line[64];
    while (std::fgets(line, sizeof line, stdin) != nullptr) sample(threads, products, work);
}

}  // namespace contestant
