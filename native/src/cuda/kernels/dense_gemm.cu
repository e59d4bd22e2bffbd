// A dense layer for five rows and more on tensor cores: y = x W^T, x and W of bf16 or f16.
//
// Exact products: x of f32 comes as three bf16 parts (f16: two), weights of f16 beside such an x become two, and every product of parts is
// taken. Where both are f16 or both bf16 there is one part each. An infinity beside parts may give NaN: a part can be 0.
// Sums: tensor cores cut off what does not fit in theirs, which over a long row would add up, so they sum one slice of 32 columns at a
// time, from zero, smallest parts first, and ordinary f32 additions add the slices. Relative error (Frobenius, against f64): below 1e-6 to
// K = 4096, growing as its root.
//
// Launch: grid (tiles of 16, 64 or 128 rows of x; tiles of 128 rows of W; parts of K), blocks of 8 warps, each 16 x 16, 32 x 32 or 64 x 32
// of the product. Slices of both operands in shared memory (layout: device/gemm_layout.h), three stages of cp.async on sm_80, two stages
// through registers on sm_75, which has mma.m16n8k8 of f16 only. Dynamic shared memory per stage: 64 bytes for every row of x and part, and
// 8 KiB of W: 27 to 96 KiB for three. Registers: 64, 126, 202.
// Cost per block and slice: 64 (128 + rows * parts) bytes from L2 for 128 * rows * parts * 32 products. Expected: small M at 80 % of the
// read bandwidth, large M of one part at 60 % of the tensor peak, which two fragments in a row before the f32 additions limit.
// Finished sums go through shared memory, 16 rows of a warp at a time, so that whole sectors are written.
// With parts of K the sums go to scratch memory and nq_dense_reduce adds them in order: blocks of 256 threads, an element a thread.
// Source: Ootomo and Yokota, arXiv 2203.03341 (sums outside the tensor cores).
#include "cuda/kernels/dense_gemm.h"

#include "cuda/device/gemm_layout.h"
#include "cuda/device/number_parts.h"
#include "cuda/device/numbers.h"

namespace nq::cuda {

// Two f16 weights as two registers of bf16: leading parts, rests.
NQ_DEVICE void split_weights(uint32_t pair, uint32_t& leading, uint32_t& rests) {
    const float low = f32_from_f16(static_cast<uint16_t>(pair)), high = f32_from_f16(static_cast<uint16_t>(pair >> 16));
    leading = pack_parts(leading_part(low), leading_part(high));
    rests = pack_parts(rest_of(low), rest_of(high));
}

template <bool f16>
NQ_DEVICE void multiply_add(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if NQ_ARCHITECTURE >= 800
    if constexpr (f16) {
        mma_f16(c, a, b);
    } else {
        mma_bf16(c, a, b);
    }
#else
    mma_f16_k8(c, {a[0], a[1]}, b[0]);
    mma_f16_k8(c, {a[2], a[3]}, b[1]);
#endif
}

// A block's tile: `row_warps` by 8 / row_warps warps, each m_tiles * 16 by n_tiles * 8.
template <bool f16, int row_warps, int m_tiles, int n_tiles>
class dense_gemm_block {
    static constexpr uint32_t tile_rows = row_warps * m_tiles * 16, tile_columns = dense_gemm_columns;
    static_assert(8 / row_warps * n_tiles * 8 == tile_columns);
    static constexpr uint32_t x_chunks = tile_rows * slice_chunks, weight_chunks = tile_columns * slice_chunks;
    static constexpr uint32_t x_loads = (x_chunks + dense_gemm_threads - 1) / dense_gemm_threads;
    static constexpr uint32_t weight_loads = weight_chunks / dense_gemm_threads;

public:
    NQ_DEVICE dense_gemm_block(const dense_gemm_parameters& parameters, unsigned char* memory)
        : p(parameters),
          shared(memory),
          stage_bytes((tile_rows * parameters.x_parts + tile_columns) * slice_row_bytes),
          first_m(blockIdx.x * tile_rows),
          first_n(blockIdx.y * tile_columns),
          warp_m(warp() % row_warps * m_tiles * 16),
          warp_n(warp() / row_warps * n_tiles * 8) {}

    NQ_DEVICE void run() {
        const uint32_t first = first_slice(blockIdx.z, gridDim.z, p.slices), end = first_slice(blockIdx.z + 1, gridDim.z, p.slices);
#if NQ_ARCHITECTURE >= 800
        constexpr uint32_t ahead = dense_gemm_stages - 1;
        for (uint32_t s = 0; s < ahead; s++) {
            if (first + s < end) copy_slice(stage(s), first + s);
            copy_async_commit();
        }
        for (uint32_t slice = first; slice < end; slice++) {
            copy_async_wait<ahead - 1>();
            sync_block();  // the slice is there for all, and all are done with the one whose place the next takes
            if (slice + ahead < end) copy_slice(stage(slice - first + ahead), slice + ahead);
            copy_async_commit();
            multiply(stage(slice - first));
        }
#else
        load_slice(first);
        for (uint32_t slice = first; slice < end; slice++) {
            unsigned char* const at = shared + (slice - first) % 2 * stage_bytes;
            store_slice(at);
            sync_block();
            if (slice + 1 < end) load_slice(slice + 1);
            multiply(at);
        }
#endif
        store();
    }

private:
    NQ_DEVICE unsigned char* stage(uint32_t i) const { return shared + i % dense_gemm_stages * stage_bytes; }

    // Chunk `i` of the x or W of a slice: where it comes from, and whether it is there at all.
    NQ_DEVICE const uint16_t* x_chunk(uint32_t i, uint32_t part, uint32_t slice, bool& there) const {
        const uint32_t m = first_m + i / slice_chunks, column = slice * slice_columns + i % slice_chunks * 8;
        there = m < p.rows && column < p.x_columns;
        return there ? p.x + (static_cast<size_t>(part) * p.rows + m) * p.x_stride + column : p.x;
    }
    NQ_DEVICE const uint16_t* weight_chunk(uint32_t i, uint32_t slice, bool& there) const {
        const uint32_t n = first_n + i / slice_chunks;
        there = n < p.columns;
        return there ? p.weights + n * p.weight_stride + slice * slice_columns + i % slice_chunks * 8 : p.weights;
    }
    NQ_DEVICE static uint32_t chunk_offset(uint32_t i) { return slice_offset(i / slice_chunks, i % slice_chunks); }
    NQ_DEVICE uint32_t weights_offset() const { return tile_rows * p.x_parts * slice_row_bytes; }

#if NQ_ARCHITECTURE >= 800
    NQ_DEVICE void copy_slice(unsigned char* to, uint32_t slice) const {
        bool there;
        for (uint32_t part = 0; part < p.x_parts; part++) {
            NQ_UNROLL
            for (uint32_t l = 0; l < x_loads; l++) {
                const uint32_t i = l * dense_gemm_threads + threadIdx.x;
                if (i >= x_chunks) break;
                const uint16_t* from = x_chunk(i, part, slice, there);
                copy_async16(to + part * tile_rows * slice_row_bytes + chunk_offset(i), from, there ? 16 : 0);
            }
        }
        NQ_UNROLL
        for (uint32_t l = 0; l < weight_loads; l++) {
            const uint32_t i = l * dense_gemm_threads + threadIdx.x;
            const uint16_t* from = weight_chunk(i, slice, there);
            copy_async16(to + weights_offset() + chunk_offset(i), from, there ? 16 : 0);
        }
    }
#else
    uint4 loaded[x_loads + weight_loads];

    NQ_DEVICE static uint4 load(const uint16_t* from, bool there) {
        return there ? *reinterpret_cast<const uint4*>(from) : uint4{0, 0, 0, 0};
    }
    NQ_DEVICE void load_slice(uint32_t slice) {
        bool there;
        NQ_UNROLL
        for (uint32_t l = 0; l < x_loads; l++) {
            const uint32_t i = l * dense_gemm_threads + threadIdx.x;
            const uint16_t* from = x_chunk(i, 0, slice, there);
            loaded[l] = load(from, there && i < x_chunks);
        }
        NQ_UNROLL
        for (uint32_t l = 0; l < weight_loads; l++) {
            const uint16_t* from = weight_chunk(l * dense_gemm_threads + threadIdx.x, slice, there);
            loaded[x_loads + l] = load(from, there);
        }
    }
    NQ_DEVICE void store_slice(unsigned char* to) const {
        NQ_UNROLL
        for (uint32_t l = 0; l < x_loads; l++) {
            const uint32_t i = l * dense_gemm_threads + threadIdx.x;
            if (i < x_chunks) *reinterpret_cast<uint4*>(to + chunk_offset(i)) = loaded[l];
        }
        NQ_UNROLL
        for (uint32_t l = 0; l < weight_loads; l++) {
            *reinterpret_cast<uint4*>(to + weights_offset() + chunk_offset(l * dense_gemm_threads + threadIdx.x)) = loaded[x_loads + l];
        }
    }
#endif

    // sums += x W^T over a slice.
    NQ_DEVICE void multiply(const unsigned char* slice) {
        float slice_sums[m_tiles][n_tiles][4] = {};
        NQ_UNROLL
        for (uint32_t step = 0; step < slice_columns / 16; step++) {
            uint32_t b[n_tiles][2], b_rests[n_tiles][2];
            NQ_UNROLL
            for (int n = 0; n < n_tiles; n += 2) {
                uint32_t registers[4];
                load_matrix_x4(registers,
                               slice + weights_offset() + slice_offset(warp_n + n * 8 + b_row(lane()), 2 * step + b_chunk(lane())));
                NQ_UNROLL
                for (int i = 0; i < 4; i++) b[n + i / 2][i % 2] = registers[i];
            }
            if (!f16 && p.weights_in_parts != 0) {
                NQ_UNROLL
                for (int n = 0; n < n_tiles; n++) {
                    NQ_UNROLL
                    for (int i = 0; i < 2; i++) split_weights(b[n][i], b[n][i], b_rests[n][i]);
                }
            }
            for (uint32_t part = p.x_parts; part-- > 0;) {
                NQ_UNROLL
                for (int m = 0; m < m_tiles; m++) {
                    uint32_t a[4];
                    load_matrix_x4(a, slice + part * tile_rows * slice_row_bytes +
                                          slice_offset(warp_m + m * 16 + a_row(lane()), 2 * step + a_chunk(lane())));
                    if (!f16 && p.weights_in_parts != 0) {
                        NQ_UNROLL
                        for (int n = 0; n < n_tiles; n++) multiply_add<f16>(slice_sums[m][n], a, b_rests[n]);
                    }
                    NQ_UNROLL
                    for (int n = 0; n < n_tiles; n++) multiply_add<f16>(slice_sums[m][n], a, b[n]);
                }
            }
        }
        NQ_UNROLL
        for (int m = 0; m < m_tiles; m++) {
            NQ_UNROLL
            for (int n = 0; n < n_tiles; n++) {
                NQ_UNROLL
                for (int i = 0; i < 4; i++) sums[m][n][i] += slice_sums[m][n][i];
            }
        }
    }

    // Sixteen rows of a warp at a time, through shared memory, so that it stores neighbouring columns.
    NQ_DEVICE void store() {
        constexpr uint32_t patch_columns = n_tiles * 8;
        const uint32_t pitch = patch_pitch(patch_columns);
        float* const patch = reinterpret_cast<float*>(shared) + warp() * 16 * pitch;
#if NQ_ARCHITECTURE >= 800
        copy_async_wait<0>();
#endif
        sync_block();  // all are done with the slices
        const uint32_t column = first_n + warp_n + lane() % patch_columns;
        NQ_UNROLL
        for (int m = 0; m < m_tiles; m++) {
            NQ_UNROLL
            for (int n = 0; n < n_tiles; n++) {
                NQ_UNROLL
                for (uint32_t i = 0; i < 4; i += 2) {
                    *reinterpret_cast<uint2*>(patch + c_row(lane(), i) * pitch + n * 8 + c_column(lane(), i)) = {
                        bits_of(sums[m][n][i]), bits_of(sums[m][n][i + 1])};
                }
            }
            sync_warp();
            NQ_LOOP
            for (uint32_t step = 0; step < patch_columns / 2; step++) {
                const uint32_t r = patch_row(step, lane(), patch_columns), row = first_m + warp_m + m * 16 + r;
                if (row >= p.rows || column >= p.columns) continue;
                const float sum = float_of(reinterpret_cast<const uint32_t*>(patch)[r * pitch + lane() % patch_columns]);
                if (p.partial_sums != nullptr) {
                    p.partial_sums[(static_cast<size_t>(blockIdx.z) * p.rows + row) * p.columns + column] = sum;
                } else {
                    finish(p.e, row, column, sum);
                }
            }
            sync_warp();  // before the next rows take their place
        }
    }

    const dense_gemm_parameters& p;
    unsigned char* shared;
    uint32_t stage_bytes;
    uint32_t first_m, first_n, warp_m, warp_n;
    float sums[m_tiles][n_tiles][4] = {};
};

template <bool f16, int row_warps, int m_tiles, int n_tiles>
NQ_DEVICE void dense_gemm(const dense_gemm_parameters& p) {
#if NQ_ARCHITECTURE >= 800
    constexpr bool available = true;
#else
    constexpr bool available = f16;  // there is no mma of bf16: the host does not ask for it
#endif
    if constexpr (available) {
        NQ_DYNAMIC_SHARED(unsigned char, memory);
        dense_gemm_block<f16, row_warps, m_tiles, n_tiles>(p, memory).run();
    }
}

NQ_KERNEL(nq_dense_gemm_bf16_16, dense_gemm_parameters, dense_gemm_threads) { dense_gemm<false, 1, 1, 2>(p); }
NQ_KERNEL(nq_dense_gemm_bf16_64, dense_gemm_parameters, dense_gemm_threads) { dense_gemm<false, 2, 2, 4>(p); }
NQ_KERNEL(nq_dense_gemm_bf16_128, dense_gemm_parameters, dense_gemm_threads) { dense_gemm<false, 2, 4, 4>(p); }
NQ_KERNEL(nq_dense_gemm_f16_16, dense_gemm_parameters, dense_gemm_threads) { dense_gemm<true, 1, 1, 2>(p); }
NQ_KERNEL(nq_dense_gemm_f16_64, dense_gemm_parameters, dense_gemm_threads) { dense_gemm<true, 2, 2, 4>(p); }
NQ_KERNEL(nq_dense_gemm_f16_128, dense_gemm_parameters, dense_gemm_threads) { dense_gemm<true, 2, 4, 4>(p); }

NQ_KERNEL(nq_dense_reduce, dense_reduce_parameters, dense_gemm_threads) {
    const size_t count = p.e.y.rows * p.e.y.columns, step = static_cast<size_t>(gridDim.x) * blockDim.x;
    for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
        float sum = 0;
        for (uint32_t split = 0; split < p.splits; split++) sum += p.partial_sums[split * count + i];
        finish(p.e, i / p.e.y.columns, i % p.e.y.columns, sum);
    }
}

}  // namespace nq::cuda
