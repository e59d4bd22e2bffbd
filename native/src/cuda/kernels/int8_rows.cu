// Row-wise int8 quantization with outlier detection (LLM.int8()), the list of outlier columns made on the device.
//
//   nq_int8_quantize_rows  codes, row_absmax, (count, columns) of the outliers and their flags, as nq_quantize_int8_rows of the ABI
//                          defines them, in one launch
//   nq_int8_clear_columns  codes of the listed columns become 0: the rest of that work where there are more than 64 rows
//
// Launch: a block of 256 threads for each row. A thread takes four neighbouring columns at a time: one load of 8 or 16 bytes where the rows
// are aligned, one store of four codes. The row is read twice, the second time from cache. A column with an outlier is marked by an atomic
// OR of its bit. The block that draws the last ticket lists the marked columns in ascending order (each thread counts the bits of its own
// words, a scan over the block says where they go), clears their codes in every row, and leaves marks and ticket 0 for the next launch.
// Nothing depends on the order of the blocks. Shared memory: 164 bytes. Registers: at most 40.
// Cost: M * K elements read, M * K bytes written; expected at 80 % of the copy bandwidth from M = 64 on, latency below.
// Source: arXiv 2208.07339 section 3; bitsandbytes int8_vectorwise_quant.
#include "cuda/kernels/int8_rows.h"

#include "cuda/device/block_reduce.h"
#include "cuda/device/rows.h"
#include "cuda/device/ticket.h"

namespace nq::cuda {

namespace {

constexpr uint32_t warps = int8_rows_threads / 32;
constexpr uint32_t infinity_bits = 0x7f800000, magnitude_bits = 0x7fffffff;

NQ_DEVICE float through_f16_saturating(float value) {
    const uint16_t rounded = f16_from_f32(value);
    const bool overflow = (rounded & 0x7fff) == 0x7c00 && (bits_of(value) & magnitude_bits) < infinity_bits;
    return f32_from_f16(overflow ? static_cast<uint16_t>(rounded - 1) : rounded);
}

// The row of this block, four columns at a time: body(column, values), zeros beyond the last.
template <class Body>
NQ_DEVICE void for_each_quad(const int8_rows_parameters& p, size_t columns, const Body& body) {
    const row x = row_of(p.x, blockIdx.x);
    for (size_t column = 4 * threadIdx.x; column < columns; column += 4 * int8_rows_threads) {
        float values[4];
        load_quad(x, column, 0, values);
        if (p.round_to_f16 != 0) {
            NQ_UNROLL
            for (int i = 0; i < 4; i++) values[i] = through_f16_saturating(values[i]);
        }
        body(column, values);
    }
}

// The sum of `value` over the threads before this one; `total` becomes that over all. `shared`: a word for each warp.
NQ_DEVICE uint32_t sum_before(uint32_t value, uint32_t* shared, uint32_t& total) {
    uint32_t sum = value;
    for (uint32_t distance = 1; distance < 32; distance *= 2) {
        const uint32_t other = shuffle(sum, lane() >= distance ? lane() - distance : lane());
        if (lane() >= distance) sum += other;
    }
    if (lane() == 31) shared[warp()] = sum;
    sync_block();
    uint32_t before = sum - value;
    total = 0;
    for (uint32_t w = 0; w < warps; w++) {
        if (w < warp()) before += shared[w];
        total += shared[w];
    }
    return before;
}

NQ_DEVICE uint32_t lowest_bit(uint32_t bits) { return count_bits((bits & (0 - bits)) - 1); }

// Lists the marked columns and clears the marks; returns their number.
NQ_DEVICE uint32_t list_outliers(const int8_rows_parameters& p, uint32_t* shared) {
    uint32_t* words = p.marks + 1;
    const size_t count = (p.x.columns + 31) / 32, each = (count + int8_rows_threads - 1) / int8_rows_threads;
    const size_t begin = threadIdx.x * each, end = begin + each < count ? begin + each : count;
    uint32_t own = 0;
    for (size_t w = begin; w < end; w++) own += count_bits(atomic_or(words + w, 0));
    uint32_t total;
    uint32_t at = sum_before(own, shared, total);
    for (size_t w = begin; w < end; w++) {
        const uint32_t bits = atomic_exchange(words + w, 0);
        for (uint32_t left = bits; left != 0; left &= left - 1) {
            p.outlier_columns[at++] = static_cast<uint32_t>(32 * w) + lowest_bit(left);
        }
        for (uint32_t i = 0; p.outlier_flags != nullptr && i < 32 && 32 * w + i < p.x.columns; i++) {
            p.outlier_flags[32 * w + i] = static_cast<uint8_t>(bits >> i & 1);
        }
    }
    if (threadIdx.x == 0) *p.outlier_count = total;
    return total;
}

}  // namespace

NQ_KERNEL(nq_int8_quantize_rows, int8_rows_parameters, int8_rows_threads) {
    NQ_SHARED(uint32_t, sums, warps);
    const bool with_outliers = p.threshold > 0;
    const auto is_outlier = [&](float value) { return with_outliers && !(float_of(bits_of(value) & magnitude_bits) < p.threshold); };

    // Magnitudes compare as their bits do; NaN and infinity are the largest.
    uint32_t largest = 0;
    for_each_quad(p, p.x.columns, [&](size_t column, const float(&values)[4]) {
        uint32_t outliers = 0;
        NQ_UNROLL
        for (int i = 0; i < 4; i++) {
            const uint32_t magnitude = bits_of(values[i]) & magnitude_bits;
            if (is_outlier(values[i])) {
                outliers |= 1u << i;
            } else if (magnitude > largest) {
                largest = magnitude;
            }
        }
        if (outliers != 0) atomic_or(p.marks + 1 + column / 32, outliers << column % 32);
    });
    largest = reduce_block(largest, [](uint32_t a, uint32_t b) { return a > b ? a : b; });
    const float absmax = float_of(largest < infinity_bits ? largest : 0x7fc00000);
    if (threadIdx.x == 0) p.row_absmax[blockIdx.x] = absmax;

    int8_t* codes = p.codes + blockIdx.x * p.code_stride;
    const bool whole_words = reinterpret_cast<size_t>(codes) % 4 == 0;
    const float scale = divide(127.0f, absmax);
    for_each_quad(p, p.padded_columns, [&](size_t column, const float(&values)[4]) {
        uint32_t quad = 0;
        NQ_UNROLL
        for (int i = 0; i < 4; i++) {
            float scaled = values[i] * scale;  // NaN also for 0 where the scale overflows
            if (!(absmax > 0) || is_outlier(values[i]) || scaled != scaled) scaled = 0;
            scaled = scaled > 127.0f ? 127.0f : scaled < -127.0f ? -127.0f : scaled;
            quad |= (static_cast<uint32_t>(round_to_int(scaled)) & 255) << 8 * i;
        }
        if (whole_words && column + 4 <= p.padded_columns) {
            *reinterpret_cast<uint32_t*>(codes + column) = quad;
        } else {
            for (size_t i = 0; i < 4 && column + i < p.padded_columns; i++) codes[column + i] = static_cast<int8_t>(quad >> 8 * i);
        }
    });

    if (!with_outliers) {
        if (blockIdx.x == 0) {
            if (threadIdx.x == 0) *p.outlier_count = 0;
            for (size_t c = threadIdx.x; p.outlier_flags != nullptr && c < p.x.columns; c += int8_rows_threads) p.outlier_flags[c] = 0;
        }
        return;
    }
    // The last block to come here sees what all have written.
    if (!last_to_arrive(p.marks, gridDim.x)) return;
    const uint32_t outliers = list_outliers(p, sums);
    if (p.x.rows == 1 || p.x.rows > int8_rows_cleared_at_once) return;
    sync_block();
    const uint32_t cells = outliers * static_cast<uint32_t>(p.x.rows);
    for (uint32_t i = threadIdx.x; i < cells; i += int8_rows_threads)
        p.codes[i / outliers * p.code_stride + p.outlier_columns[i % outliers]] = 0;
}

NQ_KERNEL(nq_int8_clear_columns, clear_int8_columns_parameters, int8_rows_threads) {
    const uint32_t count = *p.outlier_count;
    int8_t* codes = p.codes + blockIdx.x * p.code_stride;
    for (uint32_t i = threadIdx.x; i < count; i += int8_rows_threads) codes[p.outlier_columns[i]] = 0;
}

}  // namespace nq::cuda
