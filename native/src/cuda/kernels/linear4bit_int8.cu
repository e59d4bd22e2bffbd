// 4-bit layers with int8 activations: y = sum_b S_b * (absmax_w * (absmax_x * (1 / 127^2))) + bias, S_b the exact sum of qx * qw over
// the columns that share absmax_w and absmax_x, qw = 127 * codebook[code] to the nearest integer.
//
//   nq_quantize_activations4bit  qx and absmax_x * (1 / 127^2) of each block of 64 columns of a row (32 if W has blocks of 32); a
//                                block with a NaN or infinity has scale NaN and codes 0
//   nq_gemv4bit_int8_{1,2,4}     W in fragments, by the rows of x that a block takes; layout, launch and order of sums are those of
//                                linear4bit_gemv.cu. A lane multiplies its own share of S_b by the scales: it is exact in f32
//   nq_linear4bit_flat_int8      W in the exchange layout, whose blocks may run over the ends of rows: a warp for each row of W
//
// Launch: quantize, a warp a block of columns, blocks of 256 threads in a grid-stride loop. gemv, grid (row tiles * splits, groups of
// rows of x), 256 threads. flat, grid (blocks of 4 rows of W, groups of 4 rows of x), 128 threads.
//
// Shared memory: gemv as linear4bit_gemv.cu, with a table of pairs of int8, twice as many copies of half the size: with 32 lanes never
// meet. Registers (sm_80, gemv): 128 with one row of x, 138 and 182 with 2 and 4 by nvcc 12.4.
//
// Bytes: as linear4bit_gemv.cu, x in one byte. Operations per four weights and lane: 7 to decode (two 4-byte loads, one joining), then
// one dp4a for each row of x: less than half of the f32 kernel's.
//
// Expected: 75 % of the bandwidth of HBM, 85 % of GDDR, for up to 4 rows; more rows read W again for each four.
// Source: 8-bit integer products of blocks with f32 scales as in ggml; nativequant.h defines the result.
#include "cuda/kernels/linear4bit_int8.h"

#include "cuda/device/gemv4bit.h"
#include "cuda/device/numbers.h"

namespace nq::cuda {

NQ_DEVICE int32_t int8_code(float codebook_value) { return round_to_int(127.0f * codebook_value); }

NQ_KERNEL(nq_quantize_activations4bit, quantize_activations4bit_parameters, quantize_activations4bit_threads) {
    constexpr float one_over_127_squared = 0x1.040c2p-14f;
    constexpr uint32_t infinity_bits = 0x7f800000, most_columns = 64;
    const size_t warps = static_cast<size_t>(gridDim.x) * (quantize_activations4bit_threads / 32), count = p.x.rows * p.result.blocks;
    for (size_t i = static_cast<size_t>(blockIdx.x) * (quantize_activations4bit_threads / 32) + warp(); i < count; i += warps) {
        const size_t row = i / p.result.blocks, first = i % p.result.blocks * p.block;
        float values[most_columns / 32];
        uint32_t largest = 0;  // sizes are ordered as their bits
        NQ_UNROLL for (uint32_t j = 0; j < most_columns / 32; j++) {
            const uint32_t c = j * 32 + lane();
            const bool valid = c < p.block && first + c < p.x.columns;
            values[j] = valid ? load_as_f32(p.x.data, p.x.dtype, row * p.x.row_stride + first + c) : 0.0f;
            const uint32_t size = bits_of(values[j]) & 0x7fffffff;
            if (size > largest) largest = size;
        }
        for (uint32_t distance = 16; distance > 0; distance /= 2) {
            const uint32_t other = shuffle_xor(largest, distance);
            if (other > largest) largest = other;
        }
        const bool finite = largest < infinity_bits;
        const float absmax = finite ? float_of(largest) : float_of(infinity_bits | 1u << 22);
        const float scale = divide(127.0f, absmax);
        NQ_UNROLL for (uint32_t j = 0; j < most_columns / 32; j++) {
            const uint32_t c = j * 32 + lane();
            if (c >= p.block || first + c >= p.x.columns) break;
            const float scaled = values[j] * scale;  // NaN also for 0 where the scale overflows
            const float clamped = scaled > 127.0f ? 127.0f : scaled < -127.0f ? -127.0f : scaled;
            const bool zero = largest == 0 || !finite || scaled != scaled;
            const size_t place = p.lane_order ? first + x_place(c) : first + c;
            p.result.codes[row * p.result.code_stride + place] = static_cast<int8_t>(zero ? 0 : round_to_int(clamped));
        }
        if (lane() == 0) p.result.scales[i] = absmax * one_over_127_squared;
    }
}

// Entry `byte`: the int8 of its two codes, twice, so that any half joins with any other.
NQ_DEVICE void fill_int8_pairs(uint32_t* table, uint32_t copies_log2, const float* codebook) {
    for (uint32_t i = threadIdx.x; i < 256u << copies_log2; i += gemv4bit_threads) {
        const uint32_t byte = i >> copies_log2;
        const uint32_t first = static_cast<uint8_t>(int8_code(codebook[byte >> 4])),
                       second = static_cast<uint8_t>(int8_code(codebook[byte & 15]));
        table[i] = (first | second << 8) * 0x10001;
    }
}

// Words of this block's rows of x in shared memory: a lane's four columns of a tile each.
constexpr uint32_t x_words = gemv4bit_x_floats, unit_words_of_x = gemv4bit_unit / 4;

NQ_DEVICE size_t row_of_x(const gemv4bit_int8_parameters& p, uint32_t rows, uint32_t r) {
    const size_t row = static_cast<size_t>(blockIdx.y) * rows + r;
    return row < p.product.x.rows ? row : p.product.x.rows - 1;  // rows past the last repeat it
}

// Adds the sums of block `block` of x, group `second` of W in a unit, to `total`, and begins new ones.
template <uint32_t rows>
NQ_DEVICE void scale_sums(const gemv4bit_int8_parameters& p, const float* nested_map, const unit_words& words, uint32_t second,
                          size_t row_tile, size_t unit, size_t block, int32_t (&sums)[rows][lane_rows], float (&total)[rows][lane_rows]) {
    float absmax[lane_rows];
    const size_t group = (unit * gemv4bit_unit >> p.product.weights.blocksize_log2) + second;
    decode_absmax(p.product, nested_map, words, second, row_tile, group, absmax);
    NQ_UNROLL for (uint32_t m = 0; m < rows; m++) {
        const float scale = p.x.scales[row_of_x(p, rows, m) * p.x.blocks + block];
        NQ_UNROLL for (uint32_t b = 0; b < lane_rows; b++) {
            total[m][b] = fused_multiply_add(static_cast<float>(sums[m][b]), absmax[b] * scale, total[m][b]);
            sums[m][b] = 0;
        }
    }
}

// Adds the products of one unit to `total`.
template <uint32_t rows>
NQ_DEVICE void multiply_unit_int8(const gemv4bit_int8_parameters& p, const uint32_t* table, const float* nested_map, const uint32_t* x,
                                  size_t row_tile, size_t unit, const unit_words& words, float (&total)[rows][lane_rows]) {
    const weights4bit& w = p.product.weights;
    const size_t tiles = w.columns / tile_columns;
    const uint32_t copies = 2u << p.product.table_copies_log2, copy = lane() & (copies - 1);
    const bool two_blocks = w.blocksize() < gemv4bit_unit;
    int32_t sums[rows][lane_rows] = {};
    NQ_UNROLL for (uint32_t t = 0; t < unit_tiles; t++) {
        if (unit * unit_tiles + t >= tiles) break;
        uint32_t xs[rows];
        NQ_UNROLL for (uint32_t m = 0; m < rows; m++) xs[m] = x[m * (x_words / rows) + t * 4 + lane() % 4];
        NQ_UNROLL for (uint32_t b = 0; b < lane_rows; b++) {
            const uint32_t bytes = word_of(words.codes[t], b / 2) >> b % 2 * 16;
            const uint32_t left = table[(bytes & 255) * copies + copy], right = table[(bytes >> 8 & 255) * copies + copy];
            const uint32_t four = (left & 0xffff) | (right & 0xffff0000);
            NQ_UNROLL for (uint32_t m = 0; m < rows; m++) sums[m][b] = dot4(four, xs[m], sums[m][b]);
        }
        if (t == unit_tiles / 2 - 1 && two_blocks) scale_sums<rows>(p, nested_map, words, 0, row_tile, unit, 2 * unit, sums, total);
        if (t == unit_tiles - 1 && two_blocks) scale_sums<rows>(p, nested_map, words, 1, row_tile, unit, 2 * unit + 1, sums, total);
        if (t == unit_tiles - 1 && !two_blocks) scale_sums<rows>(p, nested_map, words, 0, row_tile, unit, unit, sums, total);
    }
}

template <uint32_t rows>
NQ_DEVICE void gemv4bit_int8(const gemv4bit_int8_parameters& p) {
    constexpr uint32_t staged_units = x_words / rows / unit_words_of_x;
    static_assert(staged_units % gemv4bit_warps == 0);
    const weights4bit& w = p.product.weights;
    NQ_DYNAMIC_SHARED(unsigned char, shared);
    auto* const table = reinterpret_cast<uint32_t*>(shared);
    auto* const nested_map = reinterpret_cast<float*>(table + (512u << p.product.table_copies_log2));
    auto* const x = reinterpret_cast<uint32_t*>(nested_map + 256);
    auto* const sums = reinterpret_cast<float*>(x + x_words);

    const size_t row_tile = blockIdx.x / p.product.splits, split = blockIdx.x % p.product.splits;
    const size_t units = (w.columns + gemv4bit_unit - 1) / gemv4bit_unit;
    const size_t begin = units * split / p.product.splits, end = units * (split + 1) / p.product.splits;

    unit_words next{};
    if (begin + warp() < end) load_unit(w, row_tile, begin + warp(), next);
    fill_int8_pairs(table, p.product.table_copies_log2 + 1, w.codebook);
    if (w.absmax == nullptr) nested_map[threadIdx.x] = w.nested_map[threadIdx.x];

    float total[rows][lane_rows] = {};
    size_t staged = begin;
    for (size_t first = begin; first < end; first += gemv4bit_warps) {
        if ((first - begin) % staged_units == 0) {
            sync_block();
            for (uint32_t i = threadIdx.x; i < x_words; i += gemv4bit_threads) {
                const size_t word = first * unit_words_of_x + i % (x_words / rows);
                if (word >= w.columns / 4) continue;
                x[i] = reinterpret_cast<const uint32_t*>(p.x.codes + row_of_x(p, rows, i / (x_words / rows)) * p.x.code_stride)[word];
            }
            staged = first;
            sync_block();
        }
        const size_t unit = first + warp();
        const unit_words words = next;
        if (unit + gemv4bit_warps < end) load_unit(w, row_tile, unit + gemv4bit_warps, next);
        if (unit < end) multiply_unit_int8<rows>(p, table, nested_map, x + (unit - staged) * unit_words_of_x, row_tile, unit, words, total);
    }
    add_quads(total, sums + warp() * rows * tile_rows);
    sync_block();
    finish_block<rows>(p.product, row_tile, sums);
}

NQ_RESIDENT_KERNEL(nq_gemv4bit_int8_1, gemv4bit_int8_parameters, gemv4bit_threads, 2) { gemv4bit_int8<1>(p); }
NQ_KERNEL(nq_gemv4bit_int8_2, gemv4bit_int8_parameters, gemv4bit_threads) { gemv4bit_int8<2>(p); }
NQ_KERNEL(nq_gemv4bit_int8_4, gemv4bit_int8_parameters, gemv4bit_threads) { gemv4bit_int8<4>(p); }

NQ_KERNEL(nq_linear4bit_flat_int8, linear4bit_flat_int8_parameters, flat_int8_threads) {
    constexpr uint32_t rows = flat_int8_rows;
    const weights4bit& w = p.weights;
    const size_t n = static_cast<size_t>(blockIdx.x) * (flat_int8_threads / 32) + warp(), first = static_cast<size_t>(blockIdx.y) * rows;
    if (n >= w.rows) return;
    float sums[rows] = {};
    for (size_t k = lane(); k < w.columns; k += 32) {
        const size_t flat = n * w.columns + k, block = flat >> w.blocksize_log2;
        const uint32_t byte = w.codes[flat / 2];
        const int32_t weight = int8_code(w.codebook[flat % 2 == 0 ? byte >> 4 : byte & 15]);
        const float absmax = absmax_of(w, block, block);
        NQ_UNROLL for (uint32_t m = 0; m < rows; m++) {
            if (first + m >= p.rows) break;
            const int32_t product = weight * p.x.codes[(first + m) * p.x.code_stride + k];
            sums[m] = fused_multiply_add(static_cast<float>(product), absmax * p.x.scales[(first + m) * p.x.blocks + k / p.block], sums[m]);
        }
    }
    NQ_UNROLL for (uint32_t m = 0; m < rows; m++) {
        float sum = sums[m];
        for (uint32_t distance = 16; distance > 0; distance /= 2) sum += shuffle_xor(sum, distance);
        if (lane() == 0 && first + m < p.rows) finish(p.e, first + m, n, sum);
    }
}

}  // namespace nq::cuda
