// A dense layer for five rows and more in ordinary f32 arithmetic: weights of f32, and where tensor cores do not take the types (bf16 on
// sm_75). x and W of any type, widened; sums of 32 products are added to the sum, so that the error grows as the root of K / 32.
//
// Launch: grid (tiles of 16 or 64 rows of x; tiles of 64 rows of W), blocks of 256 threads, each 1 x 4 or 4 x 4 of the product. Slices of
// 32 columns of both operands go through registers into shared memory, transposed, 65 to a column so that neither the writes nor the reads
// of a warp meet a bank twice: static, two stages, 33 KiB at most. Registers: 78.
// Cost: per slice and thread 8 reads of shared memory for 16 products: expected at 45 % of the f32 peak.
#include "cuda/kernels/dense_gemm_f32.h"

#include "cuda/device/rows.h"

namespace nq::cuda {

template <int thread_rows>
NQ_DEVICE void dense_gemm_f32(const dense_gemm_f32_parameters& p) {
    constexpr uint32_t tile_rows = 16 * thread_rows, tile_columns = dense_gemm_f32_columns, slice = 32, quads = slice / 4, pitch = 65;
    constexpr uint32_t x_loads = (tile_rows * quads + dense_gemm_f32_threads - 1) / dense_gemm_f32_threads;
    constexpr uint32_t weight_loads = tile_columns * quads / dense_gemm_f32_threads;
    NQ_SHARED(float, x_slices, 2 * slice * pitch);
    NQ_SHARED(float, weight_slices, 2 * slice * pitch);
    const size_t first_m = static_cast<size_t>(blockIdx.x) * tile_rows, first_n = static_cast<size_t>(blockIdx.y) * tile_columns;
    float x_loaded[x_loads][4], weights_loaded[weight_loads][4];

    // Quad q of row r of a slice is load r * quads + q; rows that are not there are zeros.
    const auto load_row_quad = [](const view& v, size_t r, size_t column, float(&values)[4]) {
        if (r < v.rows) {
            load_quad(row_of(v, r), column, 0, values);
        } else {
            values[0] = values[1] = values[2] = values[3] = 0;
        }
    };
    const auto load_slice = [&](size_t first_column) {
        NQ_UNROLL
        for (uint32_t l = 0; l < x_loads; l++) {
            const uint32_t i = l * dense_gemm_f32_threads + threadIdx.x;
            load_row_quad(p.x, first_m + i / quads, first_column + i % quads * 4, x_loaded[l]);
        }
        NQ_UNROLL
        for (uint32_t l = 0; l < weight_loads; l++) {
            const uint32_t i = l * dense_gemm_f32_threads + threadIdx.x;
            load_row_quad(p.weights, first_n + i / quads, first_column + i % quads * 4, weights_loaded[l]);
        }
    };
    const auto store_slice = [&](uint32_t stage) {
        const auto store_quad = [](float* at, uint32_t i, const float(&values)[4]) {
            NQ_UNROLL
            for (uint32_t e = 0; e < 4; e++) at[(i % quads * 4 + e) * pitch + i / quads] = values[e];
        };
        NQ_UNROLL
        for (uint32_t l = 0; l < x_loads; l++) {
            const uint32_t i = l * dense_gemm_f32_threads + threadIdx.x;
            if (i < tile_rows * quads) store_quad(x_slices + stage * slice * pitch, i, x_loaded[l]);
        }
        NQ_UNROLL
        for (uint32_t l = 0; l < weight_loads; l++) {
            store_quad(weight_slices + stage * slice * pitch, l * dense_gemm_f32_threads + threadIdx.x, weights_loaded[l]);
        }
    };

    const uint32_t thread_m = threadIdx.x / 16, thread_n = threadIdx.x % 16;
    float sums[thread_rows][4] = {};
    load_slice(0);
    uint32_t stage = 0;
    for (size_t column = 0; column < p.x.columns; column += slice, stage ^= 1) {
        store_slice(stage);
        sync_block();
        if (column + slice < p.x.columns) load_slice(column + slice);
        float slice_sums[thread_rows][4] = {};
        for (uint32_t k = 0; k < slice; k++) {
            const float* const x = x_slices + (stage * slice + k) * pitch;
            const float* const w = weight_slices + (stage * slice + k) * pitch;
            NQ_UNROLL
            for (int m = 0; m < thread_rows; m++) {
                NQ_UNROLL
                for (int n = 0; n < 4; n++)
                    slice_sums[m][n] = fused_multiply_add(x[thread_m + 16 * m], w[thread_n + 16 * n], slice_sums[m][n]);
            }
        }
        NQ_UNROLL
        for (int m = 0; m < thread_rows; m++) {
            NQ_UNROLL
            for (int n = 0; n < 4; n++) sums[m][n] += slice_sums[m][n];
        }
    }
    NQ_UNROLL
    for (int m = 0; m < thread_rows; m++) {
        NQ_UNROLL
        for (int n = 0; n < 4; n++) {
            const size_t row = first_m + thread_m + 16 * m, column = first_n + thread_n + 16 * n;
            if (row < p.x.rows && column < p.weights.rows) finish(p.e, row, column, sums[m][n]);
        }
    }
}

NQ_KERNEL(nq_dense_gemm_f32_16, dense_gemm_f32_parameters, dense_gemm_f32_threads) { dense_gemm_f32<1>(p); }
NQ_KERNEL(nq_dense_gemm_f32_64, dense_gemm_f32_parameters, dense_gemm_f32_threads) { dense_gemm_f32<4>(p); }

}  // namespace nq::cuda
