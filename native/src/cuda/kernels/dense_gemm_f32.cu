// A dense layer for five rows and more in ordinary f32 arithmetic: weights of f32, and where tensor cores do not take the types (bf16 on
// sm_75). x and W of any type, widened; sums of 32 products are added to the sum, so that the error grows as the root of K / 32.
//
// Launch: grid (tiles of 16 or 64 rows of x; tiles of 64 rows of W), blocks of 256 threads, each 1 x 4 or 4 x 4 of the product. Slices of
// 32 columns of both operands go through registers into shared memory, transposed (layout: device/gemm_layout.h): static, two stages,
// 32 KiB. Registers: 88.
// Cost: per column and thread two reads of shared memory, 16 bytes each, for 16 products: expected at 75 % of the f32 peak.
#include "cuda/kernels/dense_gemm_f32.h"

#include "cuda/device/gemm_layout.h"
#include "cuda/device/rows.h"

namespace nq::cuda {

NQ_DEVICE void load_floats(const float* from, float (&values)[1]) { values[0] = *from; }
NQ_DEVICE void load_floats(const float* from, float (&values)[4]) {
    const uint4 bits = *reinterpret_cast<const uint4*>(from);
    values[0] = float_of(bits.x), values[1] = float_of(bits.y), values[2] = float_of(bits.z), values[3] = float_of(bits.w);
}

// What a thread brings of a slice of `rows` rows of an operand: quads of columns; zeros where there is no row.
template <uint32_t rows>
struct slice_part {
    static constexpr uint32_t quads = slice_columns / 4, loads = (rows * quads + dense_gemm_f32_threads - 1) / dense_gemm_f32_threads;
    float values[loads][4];

    NQ_DEVICE void load(const view& v, size_t first_row, size_t first_column) {
        NQ_UNROLL
        for (uint32_t l = 0; l < loads; l++) {
            const uint32_t i = l * dense_gemm_f32_threads + threadIdx.x;
            if (first_row + i / quads < v.rows) {
                load_quad(row_of(v, first_row + i / quads), first_column + i % quads * 4, 0, values[l]);
            } else {
                values[l][0] = values[l][1] = values[l][2] = values[l][3] = 0;
            }
        }
    }
    NQ_DEVICE void store(float* slice) const {
        NQ_UNROLL
        for (uint32_t l = 0; l < loads; l++) {
            const uint32_t i = l * dense_gemm_f32_threads + threadIdx.x;
            if (i >= rows * quads) break;
            NQ_UNROLL
            for (uint32_t e = 0; e < 4; e++) slice[f32_slice_offset(i % quads * 4 + e, i / quads)] = values[l][e];
        }
    }
};

template <int thread_rows>
NQ_DEVICE void dense_gemm_f32(const dense_gemm_f32_parameters& p) {
    constexpr uint32_t tile_rows = 16 * thread_rows, tile_columns = dense_gemm_f32_columns, slice_floats = slice_columns * f32_slice_pitch;
    NQ_SHARED(float, x_slices, 2 * slice_floats);
    NQ_SHARED(float, weight_slices, 2 * slice_floats);
    const size_t first_m = static_cast<size_t>(blockIdx.x) * tile_rows, first_n = static_cast<size_t>(blockIdx.y) * tile_columns;
    slice_part<tile_rows> x_part;
    slice_part<tile_columns> weight_part;
    const uint32_t thread_m = threadIdx.x / 16, thread_n = threadIdx.x % 16;
    float sums[thread_rows][4] = {};
    x_part.load(p.x, first_m, 0);
    weight_part.load(p.weights, first_n, 0);
    uint32_t stage = 0;
    for (size_t column = 0; column < p.x.columns; column += slice_columns, stage ^= 1) {
        x_part.store(x_slices + stage * slice_floats);
        weight_part.store(weight_slices + stage * slice_floats);
        sync_block();
        if (column + slice_columns < p.x.columns) {
            x_part.load(p.x, first_m, column + slice_columns);
            weight_part.load(p.weights, first_n, column + slice_columns);
        }
        float slice_sums[thread_rows][4] = {};
        for (uint32_t k = 0; k < slice_columns; k++) {
            float x[thread_rows], w[4];
            load_floats(x_slices + stage * slice_floats + f32_slice_offset(k, thread_m * thread_rows), x);
            load_floats(weight_slices + stage * slice_floats + f32_slice_offset(k, thread_n * 4), w);
            NQ_UNROLL
            for (int m = 0; m < thread_rows; m++) {
                NQ_UNROLL
                for (int n = 0; n < 4; n++) slice_sums[m][n] = fused_multiply_add(x[m], w[n], slice_sums[m][n]);
            }
        }
        NQ_UNROLL
        for (int m = 0; m < thread_rows; m++) {
            NQ_UNROLL
            for (int n = 0; n < 4; n++) sums[m][n] += slice_sums[m][n];
        }
    }
    // Through shared memory, so that a warp stores neighbouring columns.
    static_assert(tile_rows * tile_columns <= 2 * slice_floats);
    sync_block();
    NQ_UNROLL
    for (int m = 0; m < thread_rows; m++) {
        *reinterpret_cast<uint4*>(x_slices + (thread_m * thread_rows + m) * tile_columns + thread_n * 4) = {
            bits_of(sums[m][0]), bits_of(sums[m][1]), bits_of(sums[m][2]), bits_of(sums[m][3])};
    }
    sync_block();
    NQ_LOOP
    for (uint32_t i = threadIdx.x; i < tile_rows * tile_columns; i += dense_gemm_f32_threads) {
        const size_t row = first_m + i / tile_columns, column = first_n + i % tile_columns;
        if (row < p.x.rows && column < p.weights.rows) finish(p.e, row, column, x_slices[i]);
    }
}

NQ_KERNEL(nq_dense_gemm_f32_16, dense_gemm_f32_parameters, dense_gemm_f32_threads) { dense_gemm_f32<1>(p); }
NQ_KERNEL(nq_dense_gemm_f32_64, dense_gemm_f32_parameters, dense_gemm_f32_threads) { dense_gemm_f32<4>(p); }

}  // namespace nq::cuda
