// LLM.int8() for one to four rows of x.
//
//   y[m, n] = (sum_k CA[m, k] CB[n, k]) * (SCA[m] * SCB[n]) * (1 / 127^2) + sum_o x[m, o] * (CB[n, o] * SCB[n] * (1 / 127)) + bias[n]
// CA and SCA: codes and absmax of the rows of x, CB and SCB: of W; o: the outlier columns, their number read on the device. Sums of codes
// are exact int32, the rest f32.
//
// W lies in the order of device/fragments8bit.h: a warp reads a tile of 16 rows by 32 columns with one load of 16 bytes a lane and has four
// dp4a of it for each row of x. A block takes 16 rows of W, its 8 warps every eighth tile with 4 loads under way each; sums are joined over
// the 4 lanes of a row by shuffles, over the warps through shared memory. Where N / 16 blocks would not fill the device, `splits` blocks
// share a row of tiles, and the one that draws the last ticket adds their sums. Integers: the order does not show. Outliers are spread over
// 16 parts of the block, added in the order of the parts.
//
// Launch: grid (ceil(N / 16), splits), 256 threads. Shared memory: 7 KiB. Registers: at most 64.
// Cost: N * K bytes once, 4 M operations of dp4a for each 16; K * M bytes of codes from L1. Expected: 80 % of the DRAM bandwidth from
// 4096 x 4096 on, for M = 4 within 10 % of M = 1.
// Source: arXiv 2208.07339; bitsandbytes MatMul8bitLt.
#include "cuda/device/numbers.h"
#include "cuda/device/ticket.h"
#include "cuda/kernels/linear8bit.h"
#include "formats/int8_scales.h"

namespace nq::cuda {

namespace {

using namespace fragments8bit;

constexpr uint32_t warps = linear8bit_gemv_threads / 32, loads = 4;
// Outliers: so many parts, so far from one another in shared memory; the two parts of a warp lie in different banks.
constexpr uint32_t parts = linear8bit_gemv_threads / tile_rows, part_stride = linear8bit_gemv_elements + tile_rows,
                   outlier_floats = parts * part_stride;

// Adds the products of this warp's share of tiles begin .. end - 1 to `sums`: of rows lane / 4 and 8 + lane / 4 with each row of x.
template <int rows>
NQ_DEVICE void multiply(const linear8bit_parameters& p, uint32_t begin, uint32_t end, int32_t (&sums)[rows][2]) {
    const uint4* weights = reinterpret_cast<const uint4*>(p.fragments) + static_cast<size_t>(blockIdx.x) * p.column_tiles * 32 + lane();
    const uint32_t* x = reinterpret_cast<const uint32_t*>(p.codes) + lane() % 4;
    for (uint32_t first = begin + warp(); first < end; first += warps * loads) {
        uint4 w[loads];
        NQ_UNROLL
        for (uint32_t i = 0; i < loads; i++) {
            const uint32_t tile = first + i * warps;
            w[i] = tile < end ? load_once(weights + static_cast<size_t>(tile) * 32) : uint4{};
        }
        NQ_UNROLL
        for (uint32_t i = 0; i < loads; i++) {
            const uint32_t tile = first + i * warps;
            if (tile >= end) break;
            NQ_UNROLL
            for (int m = 0; m < rows; m++) {
                const uint32_t* codes = x + (m * p.code_stride / 4 + tile * (tile_columns / 4));
                const uint32_t low = codes[0], high = codes[4];
                sums[m][0] = dot4(w[i].y, high, dot4(w[i].x, low, sums[m][0]));
                sums[m][1] = dot4(w[i].w, high, dot4(w[i].z, low, sums[m][1]));
            }
        }
    }
}

// This block's sums, element m * 16 + n to thread m * 16 + n.
template <int rows>
NQ_DEVICE int32_t block_sums(const linear8bit_parameters& p, int32_t* shared) {
    constexpr uint32_t elements = rows * tile_rows;
    const uint32_t begin = blockIdx.y * p.split_tiles, limit = begin + p.split_tiles;
    int32_t sums[rows][2] = {};
    multiply(p, begin, limit < p.column_tiles ? limit : p.column_tiles, sums);
    NQ_UNROLL
    for (int m = 0; m < rows; m++) {
        NQ_UNROLL
        for (int half = 0; half < 2; half++) {
            uint32_t sum = static_cast<uint32_t>(sums[m][half]);
            sum += shuffle_xor(sum, 1);
            sum += shuffle_xor(sum, 2);
            if (lane() % 4 == 0) shared[warp() * elements + m * tile_rows + half * 8 + lane() / 4] = static_cast<int32_t>(sum);
        }
    }
    sync_block();
    int32_t total = 0;
    if (threadIdx.x < elements) {
        for (uint32_t w = 0; w < warps; w++) total += shared[w * elements + threadIdx.x];
    }
    return total;
}

// Adds up what the blocks of one tile have found; false for all but the last of them.
NQ_DEVICE bool join_splits(const linear8bit_parameters& p, int32_t& sum) {
    if (p.splits == 1) return true;
    int32_t* partial = p.partial_sums + static_cast<size_t>(blockIdx.x) * p.splits * linear8bit_gemv_elements + threadIdx.x;
    const bool owner = threadIdx.x < p.rows * tile_rows;
    if (owner) partial[blockIdx.y * linear8bit_gemv_elements] = sum;
    if (!last_to_arrive(p.tickets + blockIdx.x, p.splits)) return false;
    sum = 0;
    for (uint32_t s = 0; owner && s < p.splits; s++) sum += partial[s * linear8bit_gemv_elements];
    return true;
}

// The outliers' part of the result, element m * 16 + n to thread m * 16 + n.
NQ_DEVICE float outlier_sum(const linear8bit_parameters& p, uint32_t count, float* shared) {
    const uint32_t row = threadIdx.x % tile_rows, part = threadIdx.x / tile_rows;
    const size_t n = static_cast<size_t>(blockIdx.x) * tile_rows + row;
    const float absmax = n < p.columns ? p.weight_absmax[n] : 0;
    float sums[linear8bit_gemv_rows] = {};
    for (uint32_t i = part; i < count; i += parts) {
        const uint32_t column = p.outlier_columns[i];
        const float code = static_cast<int8_t>(p.fragments[offset(n, column, p.column_tiles)]);
        const float weight = code * absmax * formats::one_over_127;
        NQ_UNROLL
        for (uint32_t m = 0; m < linear8bit_gemv_rows; m++) {
            if (m < p.rows) sums[m] = fused_multiply_add(load_as_f32(p.x.data, p.x.dtype, m * p.x.row_stride + column), weight, sums[m]);
        }
    }
    NQ_UNROLL
    for (uint32_t m = 0; m < linear8bit_gemv_rows; m++) shared[part * part_stride + m * tile_rows + row] = sums[m];
    sync_block();
    float total = 0;
    if (threadIdx.x < linear8bit_gemv_elements) {
        for (uint32_t i = 0; i < parts; i++) total += shared[i * part_stride + threadIdx.x];
    }
    return total;
}

}  // namespace

NQ_KERNEL(nq_linear8bit_gemv, linear8bit_parameters, linear8bit_gemv_threads) {
    NQ_SHARED(int32_t, sums, warps * linear8bit_gemv_elements);
    NQ_SHARED(float, outliers, outlier_floats);
    int32_t sum = 0;
    switch (p.rows) {
        case 1:
            sum = block_sums<1>(p, sums);
            break;
        case 2:
            sum = block_sums<2>(p, sums);
            break;
        case 3:
            sum = block_sums<3>(p, sums);
            break;
        default:
            sum = block_sums<4>(p, sums);
            break;
    }
    if (!join_splits(p, sum)) return;
    const uint32_t outlier_count = *p.outlier_count;
    const float outlier_part = outlier_count > 0 ? outlier_sum(p, outlier_count, outliers) : 0;
    const uint32_t m = threadIdx.x / tile_rows;
    const size_t n = static_cast<size_t>(blockIdx.x) * tile_rows + threadIdx.x % tile_rows;
    if (m >= p.rows || n >= p.columns) return;
    float result = static_cast<float>(sum) * (p.row_absmax[m] * p.weight_absmax[n]) * formats::one_over_127_squared;
    if (outlier_count > 0) result += outlier_part;
    finish(p.out, m, n, result);
}

}  // namespace nq::cuda
