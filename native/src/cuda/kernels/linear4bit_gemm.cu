// y = T(x T(W)^T + T(bias)), x [M, K] in T, a 4-bit W in fragments (device/fragments4bit.h), on the tensor cores.
//
//   nq_gemm4bit_{f16,bf16}_{16,32,64}    T and the rows of x that a block takes
// T(W) = code * absmax in f32, rounded once to T, in registers; products and sums f32. Sums of a warp, of the four warps that share a
// result, of the stripes that share a column, each in fixed order: equal bits on every run.
//
// Launch: as many blocks as the device holds (2 a multiprocessor, 1 with 64 rows), each a stripe of the work (device/stripes.h):
// columns of 128 rows of W by 16, 32 or 64 rows of x, in steps of 64 columns of W. 256 threads: warps 2 (n) x 4 (k), each one tile of
// 64 n x 16 k a step: every weight is decoded once in a block.
//
// Pipeline: steps come through shared memory in 4 stages by asynchronous copies, three on their way while one is multiplied; on sm_75
// in 2 stages through registers. x lies in rows of 128 bytes whose 16-byte pieces are exchanged by the low bits of the row, so that
// neither the copies nor ldmatrix meet in a bank; weights need no ldmatrix, a lane's 16 bytes are its fragments.
//
// Shared memory: pair table 8 or 32 KiB (device/code_pairs.h), nested map 1 KiB, stages 4 x (5 KiB + 128 bytes a row of x): 61, 69,
// 85 KiB with 16 copies of the table.
//
// Registers (sm_80): 80, 128, 195 by nvcc 12.4, 127, 170, 251 by clang 14. No spills.
//
// Bytes: W once for each block of rows of x, x once for each 128 rows of W (from L2), 2 x 4 bytes for each sum of a divided column.
// Operations per four weights and lane: 13 to decode (two 8-byte loads, four products, two roundings of pairs), then one mma for each
// 16 rows.
//
// Expected: 70 % of the bandwidth up to M = 16, 60 % at 32; from M = 64 on 40 to 60 % of the tensor peak, limited by the table's loads.
// Source: arXiv 2408.11743 (fragment order, stripes), 2407.10960 (tables), 2301.03598 (stripes).
#include "cuda/kernels/linear4bit_gemm.h"

#include "cuda/device/code_pairs.h"
#include "cuda/device/fragments4bit.h"
#include "cuda/device/ticket.h"

namespace nq::cuda {

using namespace fragments4bit;

constexpr uint32_t step_tiles = gemm4bit_k / tile_columns, warps_n = gemm4bit_n / tile_rows, warps_k = step_tiles;
constexpr uint32_t row_blocks = tile_rows / 8;  // of 8 rows, one mma each
constexpr uint32_t x_row_bytes = gemm4bit_k * 2, piece_bytes = 16, x_row_pieces = x_row_bytes / piece_bytes;
constexpr uint32_t code_stage_bytes = warps_n * step_tiles * tile_bytes, absmax_region_bytes = tile_rows * 4;
constexpr uint32_t x_stage_offset = code_stage_bytes + warps_n * 2 * absmax_region_bytes;
static_assert(x_stage_offset == gemm4bit_stage_bytes(0) && warps_n * warps_k * 32 == gemm4bit_threads);

// Where a piece of a row of x lies in a stage.
NQ_DEVICE uint32_t x_offset(uint32_t row, uint32_t piece) { return x_stage_offset + row * x_row_bytes + (piece ^ row % 8) * piece_bytes; }

// Part of a column of the work: rows of x from m on, row tiles of W from `tile` on.
struct place {
    uint64_t m, tile;
};
template <uint32_t rows>
NQ_DEVICE place place_of(const gemm4bit_parameters& p, uint64_t column) {
    const uint64_t row_blocks_of_x = (p.m + rows - 1) / rows;
    return {column % row_blocks_of_x * rows, column / row_blocks_of_x * warps_n};
}

// body(i, to, from, valid) for the 16-byte pieces that this thread brings into a stage; valid: else zeros.
template <uint32_t rows, class Body>
NQ_DEVICE void for_each_piece(const gemm4bit_parameters& p, const place& at, uint64_t step, unsigned char* stage, const Body& body) {
    const weights4bit& w = p.weights;
    const uint64_t tiles_k = w.columns / tile_columns, tiles_n = row_tiles(w.rows), groups = w.groups();
    {
        const uint32_t n = threadIdx.x / (step_tiles * 32), k = threadIdx.x / 32 % step_tiles;
        const uint64_t tile_k = step * step_tiles + k;
        const bool valid = at.tile + n < tiles_n && tile_k < tiles_k;
        const size_t offset = valid ? ((at.tile + n) * tiles_k + tile_k) * tile_bytes + lane() * lane_bytes : 0;
        body(0, stage + threadIdx.x * lane_bytes, w.codes + offset, valid);
    }
    NQ_UNROLL for (uint32_t i = 0; i < (rows * x_row_pieces + gemm4bit_threads - 1) / gemm4bit_threads; i++) {
        const uint32_t piece = i * gemm4bit_threads + threadIdx.x, row = piece / x_row_pieces;
        if (row >= rows) break;
        const uint64_t column = step * gemm4bit_k + piece % x_row_pieces * 8;
        const bool valid = at.m + row < p.m && column < w.columns;
        body(1 + i, stage + x_offset(row, piece % x_row_pieces), p.x + (valid ? (at.m + row) * p.x_stride + column : 0), valid);
    }
    const bool plain = w.absmax != nullptr;
    const uint32_t element = plain ? 4 : 1, pieces_log2 = plain ? 4 : 2;  // of a region: a tile's 64 absmax in one group
    if (threadIdx.x < 2 * warps_n << pieces_log2) {
        const uint32_t region = threadIdx.x >> pieces_log2, piece = threadIdx.x & ((1u << pieces_log2) - 1), second = region % 2;
        const uint64_t tile = at.tile + region / 2, group = (step * gemm4bit_k >> w.blocksize_log2) + second;
        const bool valid = tile < tiles_n && group < groups && (second == 0 || w.blocksize() < gemm4bit_k);
        const auto* all = plain ? reinterpret_cast<const uint8_t*>(w.absmax) : w.absmax_codes;
        body(3, stage + code_stage_bytes + region * absmax_region_bytes + piece * piece_bytes,
             all + (valid ? (tile * groups + group) * tile_rows * element + piece * piece_bytes : 0), valid);
    }
}

// The absmax of a lane's eight rows in this warp's tile of a step.
NQ_DEVICE void load_absmax(const gemm4bit_parameters& p, const float* nested_map, const unsigned char* stage, uint64_t tile, uint64_t step,
                           float (&absmax)[row_blocks]) {
    const weights4bit& w = p.weights;
    const uint32_t second = w.blocksize() < gemm4bit_k ? warp() / warps_n / 2 : 0;
    const unsigned char* const region = stage + code_stage_bytes + (warp() % warps_n * 2 + second) * absmax_region_bytes;
    if (w.absmax != nullptr) {
        const auto* const own = reinterpret_cast<const float*>(region) + lane() / 4 * row_blocks;
        NQ_UNROLL for (uint32_t b = 0; b < row_blocks; b++) absmax[b] = own[b];
    } else {
        const uint64_t groups = w.groups(), group = (step * gemm4bit_k >> w.blocksize_log2) + second;
        const uint2 codes = *reinterpret_cast<const uint2*>(region + lane() / 4 * row_blocks);
        NQ_UNROLL for (uint32_t b = 0; b < row_blocks; b++) {
            const uint32_t code = (b < 4 ? codes.x : codes.y) >> b % 4 * 8 & 255;
            absmax[b] = nested_absmax_of(w, nested_map, code, (tile * tile_rows + 8 * b + lane() / 4) * groups + group);
        }
    }
}

template <nq_dtype type>
NQ_DEVICE void multiply(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if NQ_ARCHITECTURE >= 800
    if (type == NQ_DTYPE_F16) {
        mma_f16(c, a, b);
    } else {
        mma_bf16(c, a, b);
    }
#else
    mma_f16_k8(c, {a[0], a[1]}, b[0]);
    mma_f16_k8(c, {a[2], a[3]}, b[1]);
#endif
}

// Adds the products of this warp's tile of a step.
template <uint32_t rows, nq_dtype type>
NQ_DEVICE void multiply_step(const gemm4bit_parameters& p, const code_pair* table, const float* nested_map, const unsigned char* stage,
                             uint64_t tile, uint64_t step, float (&sums)[rows / 16][row_blocks][4]) {
    const uint32_t n = warp() % warps_n, k = warp() / warps_n, copies = 1u << p.table_copies_log2, copy = lane() & (copies - 1);
    uint32_t a[rows / 16][4];
    // Matrices 0 and 1 of a load are rows 0 to 7 and 8 to 15 of the left half of 16 columns, 2 and 3 those of the right half.
    const uint32_t row = lane() % 16, piece = k * 2 + lane() / 16;
    NQ_UNROLL for (uint32_t i = 0; i < rows / 16; i++) load_matrix_x4(a[i], stage + x_offset(i * 16 + row, piece));
    float absmax[row_blocks];
    load_absmax(p, nested_map, stage, tile, step, absmax);
    const uint4 codes = reinterpret_cast<const uint4*>(stage)[(n * step_tiles + k) * 32 + lane()];
    const uint32_t words[4] = {codes.x, codes.y, codes.z, codes.w};
    NQ_UNROLL for (uint32_t b = 0; b < row_blocks; b++) {
        const uint32_t bytes = words[b / 2] >> b % 2 * 16;
        const code_pair left = table[(bytes & 255) * copies + copy], right = table[(bytes >> 8 & 255) * copies + copy];
        const uint32_t fragment[2] = {round_pair<type>(left.first * absmax[b], left.second * absmax[b]),
                                      round_pair<type>(right.first * absmax[b], right.second * absmax[b])};
        NQ_UNROLL for (uint32_t i = 0; i < rows / 16; i++) multiply<type>(sums[i][b], a[i], fragment);
    }
}

// All steps of a segment.
template <uint32_t rows, nq_dtype type>
NQ_DEVICE void multiply_segment(const gemm4bit_parameters& p, const code_pair* table, const float* nested_map, unsigned char* pipeline,
                                const place& at, const stripes::segment& s, float (&sums)[rows / 16][row_blocks][4]) {
    constexpr uint32_t stages = gemm4bit_stages(NQ_ARCHITECTURE / 10), stage_bytes = gemm4bit_stage_bytes(rows);
    const uint64_t tile = at.tile + warp() % warps_n;
    const bool tile_exists = tile < row_tiles(p.weights.rows);
    const uint32_t steps = static_cast<uint32_t>(s.last - s.first);
#if NQ_ARCHITECTURE >= 800
    const auto bring = [&](uint32_t i) {
        if (i < steps) {
            for_each_piece<rows>(p, at, s.first + i, pipeline + i % stages * stage_bytes,
                                 [](uint32_t, void* to, const void* from, bool valid) { copy_async16(to, from, valid ? 16 : 0); });
        }
        copy_async_commit();  // also of nothing, so that the count of groups tells the step
    };
    for (uint32_t i = 0; i < stages - 1; i++) bring(i);
    for (uint32_t i = 0; i < steps; i++) {
        copy_async_wait<stages - 2>();
        sync_block();  // step i is there for all, and step i - 1 has been used by all
        bring(i + stages - 1);
        if (tile_exists) multiply_step<rows, type>(p, table, nested_map, pipeline + i % stages * stage_bytes, tile, s.first + i, sums);
    }
#else
    uint4 held[4];
    const auto fetch = [&](uint32_t i) {
        for_each_piece<rows>(p, at, s.first + i, pipeline, [&](uint32_t piece, void*, const void* from, bool valid) {
            held[piece] = valid ? *static_cast<const uint4*>(from) : uint4{};
        });
    };
    const auto put = [&](uint32_t i) {
        for_each_piece<rows>(p, at, s.first + i, pipeline + i % stages * stage_bytes,
                             [&](uint32_t piece, void* to, const void*, bool) { *static_cast<uint4*>(to) = held[piece]; });
    };
    fetch(0);
    put(0);
    for (uint32_t i = 0; i < steps; i++) {
        sync_block();
        if (i + 1 < steps) fetch(i + 1);
        if (tile_exists) multiply_step<rows, type>(p, table, nested_map, pipeline + i % stages * stage_bytes, tile, s.first + i, sums);
        if (i + 1 < steps) put(i + 1);
    }
#endif
}

// total[m][n] = the sums of the four warps that share a result, one after the other.
template <uint32_t rows>
NQ_DEVICE void add_warps(const float (&sums)[rows / 16][row_blocks][4], float* total) {
    for (uint32_t k = 0; k < warps_k; k++) {
        sync_block();
        if (warp() / warps_n != k) continue;
        NQ_UNROLL for (uint32_t i = 0; i < rows / 16; i++) {
            NQ_UNROLL for (uint32_t b = 0; b < row_blocks; b++) {
                NQ_UNROLL for (uint32_t half = 0; half < 2; half++) {  // two neighbours at a time: then no lane meets another
                    const uint32_t m = i * 16 + half * 8 + lane() / 4, n = warp() % warps_n * tile_rows + b * 8 + lane() % 4 * 2;
                    uint2& place = *reinterpret_cast<uint2*>(total + m * gemm4bit_sum_stride + n);
                    const float first = sums[i][b][2 * half], second = sums[i][b][2 * half + 1];
                    const uint2 before = k == 0 ? uint2{} : place;  // bits of 0
                    place = {bits_of(float_of(before.x) + first), bits_of(float_of(before.y) + second)};
                }
            }
        }
    }
    sync_block();
}

// A finished column to y; what is part of one to the block that comes last.
template <uint32_t rows>
NQ_DEVICE void finish_segment(const gemm4bit_parameters& p, const place& at, const stripes::segment& s, const float* total) {
    constexpr uint32_t count = rows * gemm4bit_n;
    const bool whole = p.work.whole(s);
    const uint32_t first = p.work.first_stripe(s.column), last = p.work.last_stripe(s.column);
    const auto finish_element = [&](uint32_t i, float sum) {
        const uint64_t m = at.m + i / gemm4bit_n, n = at.tile * tile_rows + i % gemm4bit_n;
        if (m < p.m && n < p.weights.rows) finish(p.e, m, n, sum);
    };
    float* const own = p.parts + p.work.part_of(blockIdx.x, s.first == 0) * count;
    for (uint32_t i = threadIdx.x; i < count; i += gemm4bit_threads) {
        const float sum = total[i / gemm4bit_n * gemm4bit_sum_stride + i % gemm4bit_n];
        if (whole) {
            finish_element(i, sum);
        } else {
            own[i] = sum;
        }
    }
    if (whole || !last_to_arrive(p.tickets + first, last - first + 1)) return;
    for (uint32_t i = threadIdx.x; i < count; i += gemm4bit_threads) {
        float sum = p.parts[p.work.part_of(first, true) * count + i];
        for (uint32_t stripe = first + 1; stripe <= last; stripe++) sum += p.parts[p.work.part_of(stripe, false) * count + i];
        finish_element(i, sum);
    }
}

template <uint32_t rows, nq_dtype type>
NQ_DEVICE void gemm4bit(const gemm4bit_parameters& p) {
    NQ_DYNAMIC_SHARED(unsigned char, shared);
    auto* const table = reinterpret_cast<code_pair*>(shared);
    auto* const nested_map = reinterpret_cast<float*>(table + (code_bytes << p.table_copies_log2));
    auto* const pipeline = reinterpret_cast<unsigned char*>(nested_map + 256);
    fill_code_pairs(table, p.table_copies_log2, p.weights.codebook, gemm4bit_threads);
    if (p.weights.absmax == nullptr) nested_map[threadIdx.x] = p.weights.nested_map[threadIdx.x];

    const uint64_t end = p.work.begin(blockIdx.x + 1);
    for (uint64_t step = p.work.begin(blockIdx.x); step < end;) {
        const stripes::segment s = p.work.next(step, end);
        const place at = place_of<rows>(p, s.column);
        float sums[rows / 16][row_blocks][4] = {};
        multiply_segment<rows, type>(p, table, nested_map, pipeline, at, s, sums);
        auto* const total = reinterpret_cast<float*>(pipeline);
        add_warps<rows>(sums, total);
        finish_segment<rows>(p, at, s, total);
        sync_block();
        step += s.last - s.first;
    }
}

NQ_KERNEL(nq_gemm4bit_f16_16, gemm4bit_parameters, gemm4bit_threads) { gemm4bit<16, NQ_DTYPE_F16>(p); }
NQ_KERNEL(nq_gemm4bit_f16_32, gemm4bit_parameters, gemm4bit_threads) { gemm4bit<32, NQ_DTYPE_F16>(p); }
NQ_KERNEL(nq_gemm4bit_f16_64, gemm4bit_parameters, gemm4bit_threads) { gemm4bit<64, NQ_DTYPE_F16>(p); }
#if NQ_ARCHITECTURE >= 800
NQ_KERNEL(nq_gemm4bit_bf16_16, gemm4bit_parameters, gemm4bit_threads) { gemm4bit<16, NQ_DTYPE_BF16>(p); }
NQ_KERNEL(nq_gemm4bit_bf16_32, gemm4bit_parameters, gemm4bit_threads) { gemm4bit<32, NQ_DTYPE_BF16>(p); }
NQ_KERNEL(nq_gemm4bit_bf16_64, gemm4bit_parameters, gemm4bit_threads) { gemm4bit<64, NQ_DTYPE_BF16>(p); }
#endif

}  // namespace nq::cuda
