// y = bf16(x) bf16(W)^T for many rows of x and a 4-bit W, sums f32: the versions before kernels/linear4bit_gemm.cu.
//
//   fma    the textbook: a tile of 64 x 64 results, 32 columns at a time dequantized into shared memory, 4 x 4 results a thread.
//          Limited by the f32 rate and by shared memory, eight loads for 16 products, and every weight goes through shared memory in 4
//          bytes. W in the exchange layout. Tiles of 64 rows of x also where there are 16: three quarters of the products are 0 then.
//   mma    tensor cores, W in fragments: weights go from device memory to registers as 4 bits and never through shared memory; 16 rows
//          of x a block, a warp for each 64 rows of W. Gain: products at 8 to 16 times the f32 rate, nothing of W in shared memory but
//          the table. Nothing is on its way while a warp multiplies: every 16 columns wait for memory. Small N leaves multiprocessors
//          idle.
//   final  4 stages of asynchronous copies: memory never waits for the products (the roof is the bandwidth up to M = 16); four warps
//          share the columns, so that a step is 64 columns; 32 and 64 rows of x decode a weight once instead of two and four times;
//          stripes give every multiprocessor the same work; ldmatrix from exchanged pieces instead of four loads; 16 copies of the
//          table.
//
// Launch: fma grid (ceil(N / 64), ceil(M / 64)), 256 threads; mma grid (ceil(N / 256), ceil(M / 16)), 128 threads.
#include "cuda/device/code_pairs.h"
#include "cuda/device/fragments4bit.h"
#include "versions.h"

namespace nq::cuda::lab {

NQ_DEVICE float x_at(const version_parameters& p, size_t m, size_t k) {
    if (m >= p.x.rows || k >= p.x.columns) return 0;
    return round_through(static_cast<const float*>(p.x.data)[m * p.x.row_stride + k], NQ_DTYPE_BF16);
}

NQ_KERNEL(nq_lab_gemm4bit_fma, version_parameters, gemm_fma_threads) {
    constexpr uint32_t tile = gemm_fma_tile, depth = 32, stride = tile + 4;
    NQ_SHARED(float, xs, depth* stride);
    NQ_SHARED(float, ws, depth* stride);
    const weights4bit& w = p.weights;
    const size_t first_n = static_cast<size_t>(blockIdx.x) * tile, first_m = static_cast<size_t>(blockIdx.y) * tile;
    const uint32_t own_m = threadIdx.x / 16 * 4, own_n = threadIdx.x % 16 * 4;
    float sums[4][4] = {};
    for (size_t first_k = 0; first_k < w.columns; first_k += depth) {
        for (uint32_t i = threadIdx.x; i < tile * depth; i += gemm_fma_threads) {
            const uint32_t row = i / depth, k = i % depth;
            xs[k * stride + row] = x_at(p, first_m + row, first_k + k);
            const bool valid = first_n + row < w.rows;
            ws[k * stride + row] = valid ? round_through(flat_weight(w, (first_n + row) * w.columns + first_k + k), NQ_DTYPE_BF16) : 0;
        }
        sync_block();
        for (uint32_t k = 0; k < depth; k++) {
            NQ_UNROLL for (uint32_t m = 0; m < 4; m++) {
                NQ_UNROLL for (uint32_t n = 0; n < 4; n++) {
                    sums[m][n] = fused_multiply_add(xs[k * stride + own_m + m], ws[k * stride + own_n + n], sums[m][n]);
                }
            }
        }
        sync_block();
    }
    for (uint32_t m = 0; m < 4; m++) {
        for (uint32_t n = 0; n < 4; n++) {
            if (first_m + own_m + m < p.x.rows && first_n + own_n + n < w.rows)
                static_cast<float*>(p.y.data)[(first_m + own_m + m) * p.y.row_stride + first_n + own_n + n] = sums[m][n];
        }
    }
}

#if NQ_ARCHITECTURE >= 800
NQ_KERNEL(nq_lab_gemm4bit_mma, version_parameters, gemm_mma_threads) {
    using namespace fragments4bit;
    constexpr uint32_t pairs = tile_columns / 2, stride = pairs + 4;  // 32-bit words; the surplus keeps rows in different banks
    NQ_SHARED(code_pair, table, code_bytes);
    NQ_SHARED(uint32_t, xs, gemm_mma_rows * stride);
    const weights4bit& w = p.weights;
    const size_t row_tile = static_cast<size_t>(blockIdx.x) * (gemm_mma_threads / 32) + warp(), tiles_k = w.columns / tile_columns;
    const size_t first_m = static_cast<size_t>(blockIdx.y) * gemm_mma_rows;
    const uint32_t group = lane() / 4, quad = lane() % 4;
    fill_code_pairs(table, 0, w.codebook, gemm_mma_threads);
    float sums[8][4] = {};
    for (size_t tile_k = 0; tile_k < tiles_k; tile_k++) {
        sync_block();
        for (uint32_t i = threadIdx.x; i < gemm_mma_rows * pairs; i += gemm_mma_threads) {
            const size_t m = first_m + i / pairs, k = tile_k * tile_columns + i % pairs * 2;
            xs[i / pairs * stride + i % pairs] = bf16_pair(x_at(p, m, k), x_at(p, m, k + 1));
        }
        sync_block();
        if (row_tile >= row_tiles(w.rows)) continue;
        const uint32_t a[4] = {xs[group * stride + quad], xs[(group + 8) * stride + quad], xs[group * stride + quad + 4],
                               xs[(group + 8) * stride + quad + 4]};
        const uint4 codes = load_once(reinterpret_cast<const uint4*>(w.codes) + (row_tile * tiles_k + tile_k) * 32 + lane());
        const uint32_t words[4] = {codes.x, codes.y, codes.z, codes.w};
        const size_t column_group = tile_k * tile_columns >> w.blocksize_log2;
        const float* const absmax = w.absmax + (row_tile * w.groups() + column_group) * tile_rows + group * 8;
        NQ_UNROLL for (uint32_t b = 0; b < 8; b++) {
            const uint32_t bytes = words[b / 2] >> b % 2 * 16;
            const code_pair left = table[bytes & 255], right = table[bytes >> 8 & 255];
            const uint32_t fragment[2] = {bf16_pair(left.first * absmax[b], left.second * absmax[b]),
                                          bf16_pair(right.first * absmax[b], right.second * absmax[b])};
            mma_bf16(sums[b], a, fragment);
        }
    }
    NQ_UNROLL for (uint32_t b = 0; b < 8; b++) {
        NQ_UNROLL for (uint32_t c = 0; c < 4; c++) {
            const size_t m = first_m + c / 2 * 8 + group, n = row_tile * tile_rows + b * 8 + quad * 2 + c % 2;
            if (m < p.x.rows && n < w.rows) static_cast<float*>(p.y.data)[m * p.y.row_stride + n] = sums[b][c];
        }
    }
}
#endif

}  // namespace nq::cuda::lab
