#include "cpu/activation_tables.h"

namespace nq::cpu {

namespace {

constexpr size_t digit_bytes = 64;  // of a column
constexpr size_t least_rows = 512;  // of W: with fewer, making the tables takes longer than they save
constexpr size_t column_cost = 64;  // elementary steps to tabulate a column

}  // namespace

bool activation_tables::worthwhile(const cpu_backend& device, const panels4bit& weights, size_t rows, nq_dtype compute_dtype) {
    return device.kernel().tabulate4bit != nullptr && rows == 1 && compute_dtype == NQ_DTYPE_F32 && weights.rows >= least_rows;
}

activation_tables::activation_tables(cpu_backend& device, const panels4bit& weights, const float* x)
    : digits_(device.scratch().take_array<uint8_t>(weights.columns * digit_bytes)),
      units_(device.scratch().take_array<float>(weights.columns / table_block_columns(weights.blocksize))),
      view_{digits_.as<uint8_t>(), units_.as<float>(), x, table_block_columns(weights.blocksize)} {
    device.parallel(weights.columns / view_.block, view_.block * column_cost, [&](size_t begin, size_t end, uint32_t) {
        device.kernel().tabulate4bit(weights.codebook, x, view_.block, begin, end, digits_.as<uint8_t>(), units_.as<float>());
    });
}

}  // namespace nq::cpu
