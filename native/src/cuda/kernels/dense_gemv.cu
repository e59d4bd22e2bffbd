// A dense layer for one to four rows: y = x W^T with weights of f32, f16 or bf16 and x of any type, arithmetic f32. Reading the weights is
// all the time it takes.
//
// W [N, K] row-major, rows padded with zeros to whole slices (device/dense_layout.h), so every 16-byte piece of a row may be read.
//
// Launch: a block of 128 threads for four rows of W. A thread takes every 128th piece of 16 bytes of the four rows, four loads under way at
// once, and multiplies each by the same piece of the rows of x, which L1 holds. Sums: a chain per thread, a butterfly over the warp, then
// the four warps in order: always the same order. Shared memory: 256 bytes. Registers: 48 to 118.
// Cost: 2 N K bytes (16-bit); expected at 85 % of the read bandwidth of the device from about 4096 x 4096 on.
#include "cuda/kernels/dense_gemv.h"

#include "cuda/device/rows.h"

namespace nq::cuda {

// The 16 bytes as 4 or 8 numbers.
NQ_DEVICE void unpack(const uint4& piece, nq_dtype, float (&w)[4]) {
    w[0] = float_of(piece.x), w[1] = float_of(piece.y), w[2] = float_of(piece.z), w[3] = float_of(piece.w);
}
NQ_DEVICE void unpack(const uint4& piece, nq_dtype dtype, float (&w)[8]) {
    const uint32_t pairs[4] = {piece.x, piece.y, piece.z, piece.w};
    NQ_UNROLL
    for (int i = 0; i < 4; i++) {
        const uint16_t low = static_cast<uint16_t>(pairs[i]), high = static_cast<uint16_t>(pairs[i] >> 16);
        w[2 * i] = dtype == NQ_DTYPE_F16 ? f32_from_f16(low) : f32_from_bf16(low);
        w[2 * i + 1] = dtype == NQ_DTYPE_F16 ? f32_from_f16(high) : f32_from_bf16(high);
    }
}

template <int x_rows, int piece>
NQ_DEVICE void dense_gemv(const dense_gemv_parameters& p) {
    constexpr int rows = dense_gemv_rows, warps = dense_gemv_threads / 32;
    NQ_SHARED(float, of_warp, warps* x_rows* rows);
    const size_t first_row = static_cast<size_t>(blockIdx.x) * rows, pieces_per_row = p.weights.row_stride / piece;
    const uint4* w_rows[rows];
    NQ_UNROLL
    for (int r = 0; r < rows; r++) {
        const size_t row = first_row + r < p.weights.rows ? first_row + r : p.weights.rows - 1;
        w_rows[r] = static_cast<const uint4*>(p.weights.data) + row * pieces_per_row;
    }
    float sums[x_rows][rows] = {};
    for (size_t i = threadIdx.x; i < pieces_per_row; i += dense_gemv_threads) {
        uint4 w_pieces[rows];
        NQ_UNROLL
        for (int r = 0; r < rows; r++) w_pieces[r] = load_once(w_rows[r] + i);
        float x[x_rows][piece];
        NQ_UNROLL
        for (int m = 0; m < x_rows; m++) {
            const row x_row = row_of(p.x, m);
            NQ_UNROLL
            for (int q = 0; q < piece; q += 4) {
                float quad[4];
                load_quad(x_row, i * piece + q, 0, quad);
                NQ_UNROLL
                for (int e = 0; e < 4; e++) x[m][q + e] = quad[e];
            }
        }
        NQ_UNROLL
        for (int r = 0; r < rows; r++) {
            float w[piece];
            unpack(w_pieces[r], p.weights.dtype, w);
            NQ_UNROLL
            for (int m = 0; m < x_rows; m++) {
                NQ_UNROLL
                for (int e = 0; e < piece; e++) sums[m][r] = fused_multiply_add(w[e], x[m][e], sums[m][r]);
            }
        }
    }
    NQ_UNROLL
    for (int m = 0; m < x_rows; m++) {
        NQ_UNROLL
        for (int r = 0; r < rows; r++) {
            float sum = sums[m][r];
            NQ_UNROLL
            for (uint32_t distance = 16; distance > 0; distance /= 2) sum += shuffle_xor(sum, distance);
            if (lane() == 0) of_warp[warp() * x_rows * rows + m * rows + r] = sum;
        }
    }
    sync_block();
    if (threadIdx.x < x_rows * rows) {
        float sum = of_warp[threadIdx.x];
        for (int w = 1; w < warps; w++) sum += of_warp[w * x_rows * rows + threadIdx.x];
        const size_t m = threadIdx.x / rows, n = first_row + threadIdx.x % rows;
        if (n < p.weights.rows) finish(p.e, m, n, sum);
    }
}

NQ_KERNEL(nq_dense_gemv_f32_m1, dense_gemv_parameters, dense_gemv_threads) { dense_gemv<1, 4>(p); }
NQ_KERNEL(nq_dense_gemv_f32_m2, dense_gemv_parameters, dense_gemv_threads) { dense_gemv<2, 4>(p); }
NQ_KERNEL(nq_dense_gemv_f32_m3, dense_gemv_parameters, dense_gemv_threads) { dense_gemv<3, 4>(p); }
NQ_KERNEL(nq_dense_gemv_f32_m4, dense_gemv_parameters, dense_gemv_threads) { dense_gemv<4, 4>(p); }
NQ_KERNEL(nq_dense_gemv_16bit_m1, dense_gemv_parameters, dense_gemv_threads) { dense_gemv<1, 8>(p); }
NQ_KERNEL(nq_dense_gemv_16bit_m2, dense_gemv_parameters, dense_gemv_threads) { dense_gemv<2, 8>(p); }
NQ_KERNEL(nq_dense_gemv_16bit_m3, dense_gemv_parameters, dense_gemv_threads) { dense_gemv<3, 8>(p); }
NQ_KERNEL(nq_dense_gemv_16bit_m4, dense_gemv_parameters, dense_gemv_threads) { dense_gemv<4, 8>(p); }

}  // namespace nq::cuda
