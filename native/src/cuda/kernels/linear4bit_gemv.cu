// y = T(T(x) T(W)^T + T(bias)) for a few rows of x and a 4-bit W in fragments (device/fragments4bit.h), on the ordinary cores.
//
//   nq_gemv4bit_{f32,f16,bf16}_{1,2,4}    T and the rows of x that a block takes
// T f32: sum_b absmax_b * (sum_{k in b} code_k x_k), f32 throughout, b runs of at most 64 columns within a block of W.
// T f16, bf16: sum_k T(x_k) * T(code_k absmax), products and sums f32.
// Sums of a lane, then of a quad, of the warps, of the blocks of a split K, each in fixed order: equal bits on every run.
//
// Launch: grid (row tiles * splits, groups of rows of x), 256 threads. A warp takes 64 columns of a tile of 64 rows at a time: 2 KiB
// of codes, four 16-byte loads a lane, the next unit's in flight while one is decoded. K is split over the warps of a block and, where
// there are fewer tiles than the device holds blocks, over blocks.
//
// Shared memory: pair table 8 or 32 KiB (device/code_pairs.h), nested map 1 KiB, x 16 KiB, sums 2 KiB a row; x is kept so that a
// lane's four numbers of a tile are one 16-byte load.
//
// Registers (sm_80): 128 with one row of x, so that two blocks share a multiprocessor; with 2 and 4 rows by nvcc 12.4 158 and 210 for
// f32, 161 and 160 for 16-bit T, by clang 14 up to 254. (8 or 16 sums a row, twice 16 words of codes and 16 of absmax.) No spills.
//
// Bytes: W once (K N / 2, and 4 or 1 for each absmax), x once a block from L2.
// Operations per weight and lane: f32 2.5 and 1 more for each further row; 16-bit T 5, for the rounding of each product code * absmax.
//
// Expected: 75 % of the bandwidth of HBM, 85 % of GDDR, at N K >= 2^24; the rounding of 16-bit T is then just covered on HBM.
// Source: arXiv 2305.14314 (the format), 2407.10960 (tables in shared memory).
#include "cuda/kernels/linear4bit_gemv.h"

#include "cuda/device/code_pairs.h"
#include "cuda/device/gemv4bit.h"

namespace nq::cuda {

// Columns from `first` on of this block's rows of x, rounded to T; rows past the last repeat it.
template <uint32_t rows, nq_dtype type>
NQ_DEVICE void stage_x(const gemv4bit_parameters& p, size_t first, float* x) {
    constexpr uint32_t columns = gemv4bit_x_floats / rows;
    for (uint32_t r = 0; r < rows; r++) {
        size_t row = static_cast<size_t>(blockIdx.y) * rows + r;
        if (row >= p.x.rows) row = p.x.rows - 1;
        for (uint32_t c = threadIdx.x; c < columns && first + c < p.x.columns; c += gemv4bit_threads) {
            x[r * columns + x_place(c)] = round_through(load_as_f32(p.x.data, p.x.dtype, row * p.x.row_stride + first + c), type);
        }
    }
}

// Adds the products of one unit to `total`.
template <uint32_t rows, nq_dtype type>
NQ_DEVICE void multiply_unit(const gemv4bit_parameters& p, const code_pair* table, const float* nested_map, const float* x, size_t row_tile,
                             size_t unit, const unit_words& words, float (&total)[rows][lane_rows]) {
    const weights4bit& w = p.weights;
    const size_t tiles = w.columns / tile_columns;
    const uint32_t copies = 1u << p.table_copies_log2, copy = lane() & (copies - 1);
    float absmax[lane_rows], sums[rows][lane_rows];
    NQ_UNROLL for (uint32_t t = 0; t < unit_tiles; t++) {
        if (unit * unit_tiles + t >= tiles) break;
        const bool first_of_group = t == 0 || (t == unit_tiles / 2 && w.blocksize() < gemv4bit_unit);
        if (first_of_group) {
            const uint32_t second = t == 0 ? 0 : 1;
            decode_absmax(p, nested_map, words, second, row_tile, (unit * gemv4bit_unit >> w.blocksize_log2) + second, absmax);
            NQ_UNROLL for (uint32_t m = 0; m < rows; m++) { NQ_UNROLL for (uint32_t b = 0; b < lane_rows; b++) sums[m][b] = 0; }
        }
        float xs[rows][4];
        NQ_UNROLL for (uint32_t m = 0; m < rows; m++) {
            const auto v = reinterpret_cast<const uint4*>(x + m * (gemv4bit_x_floats / rows) + t * tile_columns)[lane() % 4];
            NQ_UNROLL for (uint32_t i = 0; i < 4; i++) xs[m][i] = float_of(word_of(v, i));
        }
        NQ_UNROLL for (uint32_t b = 0; b < lane_rows; b++) {
            const uint32_t bytes = word_of(words.codes[t], b / 2) >> b % 2 * 16;
            code_pair low = table[(bytes & 255) * copies + copy], high = table[(bytes >> 8 & 255) * copies + copy];
            if (type != NQ_DTYPE_F32) {
                low = widen_pair<type>(round_pair<type>(low.first * absmax[b], low.second * absmax[b]));
                high = widen_pair<type>(round_pair<type>(high.first * absmax[b], high.second * absmax[b]));
            }
            NQ_UNROLL for (uint32_t m = 0; m < rows; m++) {
                float& sum = type == NQ_DTYPE_F32 ? sums[m][b] : total[m][b];
                sum = fused_multiply_add(low.first, xs[m][0], sum);
                sum = fused_multiply_add(low.second, xs[m][1], sum);
                sum = fused_multiply_add(high.first, xs[m][2], sum);
                sum = fused_multiply_add(high.second, xs[m][3], sum);
            }
        }
        const bool last_of_group = t == unit_tiles - 1 || (t == unit_tiles / 2 - 1 && w.blocksize() < gemv4bit_unit);
        if (type == NQ_DTYPE_F32 && last_of_group) {
            NQ_UNROLL for (uint32_t m = 0; m < rows; m++) {
                NQ_UNROLL for (uint32_t b = 0; b < lane_rows; b++) total[m][b] = fused_multiply_add(sums[m][b], absmax[b], total[m][b]);
            }
        }
    }
}

template <uint32_t rows, nq_dtype type>
NQ_DEVICE void gemv4bit(const gemv4bit_parameters& p) {
    constexpr uint32_t staged_units = gemv4bit_x_floats / rows / gemv4bit_unit;
    static_assert(staged_units % gemv4bit_warps == 0);
    NQ_DYNAMIC_SHARED(unsigned char, shared);
    auto* const table = reinterpret_cast<code_pair*>(shared);
    auto* const nested_map = reinterpret_cast<float*>(table + (code_bytes << p.table_copies_log2));
    float* const x = nested_map + 256;
    float* const sums = x + gemv4bit_x_floats;

    const size_t row_tile = blockIdx.x / p.splits, split = blockIdx.x % p.splits;
    const size_t units = (p.weights.columns + gemv4bit_unit - 1) / gemv4bit_unit;
    const size_t begin = units * split / p.splits, end = units * (split + 1) / p.splits;

    unit_words next{};
    if (begin + warp() < end) load_unit(p.weights, row_tile, begin + warp(), next);
    fill_code_pairs(table, p.table_copies_log2, p.weights.codebook, gemv4bit_threads);
    if (p.weights.absmax == nullptr) nested_map[threadIdx.x] = p.weights.nested_map[threadIdx.x];

    float total[rows][lane_rows] = {};
    size_t staged = begin;
    for (size_t first = begin; first < end; first += gemv4bit_warps) {
        if ((first - begin) % staged_units == 0) {
            sync_block();
            stage_x<rows, type>(p, first * gemv4bit_unit, x);
            staged = first;
            sync_block();
        }
        const size_t unit = first + warp();
        const unit_words words = next;
        if (unit + gemv4bit_warps < end) load_unit(p.weights, row_tile, unit + gemv4bit_warps, next);
        if (unit < end) multiply_unit<rows, type>(p, table, nested_map, x + (unit - staged) * gemv4bit_unit, row_tile, unit, words, total);
    }
    add_quads(total, sums + warp() * rows * tile_rows);
    sync_block();
    finish_block<rows>(p, row_tile, sums);
}

NQ_RESIDENT_KERNEL(nq_gemv4bit_f32_1, gemv4bit_parameters, gemv4bit_threads, 2) { gemv4bit<1, NQ_DTYPE_F32>(p); }
NQ_KERNEL(nq_gemv4bit_f32_2, gemv4bit_parameters, gemv4bit_threads) { gemv4bit<2, NQ_DTYPE_F32>(p); }
NQ_KERNEL(nq_gemv4bit_f32_4, gemv4bit_parameters, gemv4bit_threads) { gemv4bit<4, NQ_DTYPE_F32>(p); }
NQ_RESIDENT_KERNEL(nq_gemv4bit_f16_1, gemv4bit_parameters, gemv4bit_threads, 2) { gemv4bit<1, NQ_DTYPE_F16>(p); }
NQ_KERNEL(nq_gemv4bit_f16_2, gemv4bit_parameters, gemv4bit_threads) { gemv4bit<2, NQ_DTYPE_F16>(p); }
NQ_KERNEL(nq_gemv4bit_f16_4, gemv4bit_parameters, gemv4bit_threads) { gemv4bit<4, NQ_DTYPE_F16>(p); }
NQ_RESIDENT_KERNEL(nq_gemv4bit_bf16_1, gemv4bit_parameters, gemv4bit_threads, 2) { gemv4bit<1, NQ_DTYPE_BF16>(p); }
NQ_KERNEL(nq_gemv4bit_bf16_2, gemv4bit_parameters, gemv4bit_threads) { gemv4bit<2, NQ_DTYPE_BF16>(p); }
NQ_KERNEL(nq_gemv4bit_bf16_4, gemv4bit_parameters, gemv4bit_threads) { gemv4bit<4, NQ_DTYPE_BF16>(p); }

}  // namespace nq::cuda
