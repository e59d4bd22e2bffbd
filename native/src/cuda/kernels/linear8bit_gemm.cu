// LLM.int8() for five rows of x and more, on tensor cores; also the plain integer product.
//
//   y[m, n] = (sum_k CA[m, k] CB[n, k]) * (SCA[m] * SCB[n]) * (1 / 127^2) + sum_o x[m, o] * (CB[n, o] * SCB[n] * (1 / 127)) + bias[n]
// as linear8bit_gemv.cu; with p.sums the integer sums alone.
//
// A block computes a tile of y, 16 x 64, 64 x 128 or 128 x 128, of which each warp has 16 x 16, 32 x 32 or 64 x 32. W comes in the order of
// device/fragments8bit.h and goes through shared memory as it is: a lane's 16 bytes are its B operands of two mma m16n8k32. Rows of x go to
// shared memory in swizzled chunks of 16 bytes (swizzled_chunk) and to registers by ldmatrix, free of bank conflicts both ways. Four stages
// of 64 or 128 columns are under way by cp.async; below sm_80 the next stage waits in registers and there are two. Beyond M, N and K the
// stages hold zeros.
//
// Where the tiles of y would not fill the device, `splits` blocks share one, and the block that draws its last ticket adds their integer
// sums. Then the same block turns them to f32, adds the products of the outliers, 16 columns at a time through shared memory, and passes
// the tile through shared memory to store it by rows. The integer sums themselves go to memory only where blocks share a tile.
//
// Launch: grid (M tiles, N tiles, splits); 128, 256 and 256 threads; 40, 48 and 64 KiB of dynamic shared memory. Registers: at most 60, 80
// and 128, below sm_80 72, 104 and 168, no spills (accumulators: 8, 32 and 64). Loads from shared memory per mma: 512, 256 and 192 bytes.
//
// Cost: M * N * K multiplications. Expected: 80 % of the DRAM bandwidth of W up to M = 64; at M = 1024 60 % of the int8 peak.
//
// Source: arXiv 2208.07339; PTX manual, "Matrix fragments for mma.m16n8k32".
#include "cuda/device/numbers.h"
#include "cuda/device/ticket.h"
#include "cuda/kernels/linear8bit.h"
#include "formats/int8_scales.h"

namespace nq::cuda {

namespace {

using namespace fragments8bit;

constexpr uint32_t chunk_bytes = 16, outliers_at_once = 16;

// c (16 x 8) += a (16 x 32) * b (32 x 8).
NQ_DEVICE void multiply_add(int32_t (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if NQ_ARCHITECTURE >= 800
    mma_s8(c, a, b);
#else
    // The quarters of the same fragments.
    NQ_UNROLL
    for (int half = 0; half < 2; half++) {
        int32_t quarter[2] = {c[2 * half], c[2 * half + 1]};
        mma_s8_k16(quarter, a[half], b[0]);
        mma_s8_k16(quarter, a[2 + half], b[1]);
        c[2 * half] = quarter[0];
        c[2 * half + 1] = quarter[1];
    }
#endif
}

// One size of tile: the work of one block.
template <uint32_t which>
struct gemm {
    static constexpr linear8bit_tile shape = linear8bit_tiles[which];
    static constexpr uint32_t threads = shape.threads(), row_bytes = shape.depth, chunks = row_bytes / chunk_bytes;
    static constexpr uint32_t stage_column_tiles = shape.depth / tile_columns, row_tile_bytes = stage_column_tiles * tile_bytes;
    static constexpr uint32_t x_bytes = shape.rows * row_bytes;
    static constexpr uint32_t x_copies = x_bytes / chunk_bytes / threads, copies = shape.stage_bytes() / chunk_bytes / threads;
    // The share of a warp: `a_tiles` of 16 rows of x, `b_tiles` of 16 rows of W.
    static constexpr uint32_t a_tiles = shape.rows / 16 / shape.warp_rows, b_tiles = shape.columns / tile_rows / shape.warp_columns;
    static_assert(x_copies * threads * chunk_bytes == x_bytes && copies * threads * chunk_bytes == shape.stage_bytes());
    static_assert(shape.rows * shape.columns * sizeof(float) <= linear8bit_stages * shape.stage_bytes());
    static_assert(outliers_at_once * (shape.rows + shape.columns) * sizeof(float) <= linear8bit_stages * shape.stage_bytes());

    const linear8bit_parameters& p;
    unsigned char* shared;
    uint32_t first_row = blockIdx.x * shape.rows, first_column = blockIdx.y * shape.columns;
    uint32_t warp_row = warp() / shape.warp_columns * a_tiles * 16, warp_column = warp() % shape.warp_columns * b_tiles * tile_rows;
    int32_t sums[a_tiles][2 * b_tiles][4] = {};

    struct copy {
        uint32_t to;  // byte of the stage
        const void* from;
        bool valid;  // else zeros
    };
    // Copy i of this thread for the stage whose first tile of columns is `column_tile`.
    NQ_DEVICE copy copy_of(uint32_t i, uint32_t column_tile) const {
        if (i < x_copies) {
            const uint32_t index = i * threads + threadIdx.x, row = index / chunks, chunk = index % chunks;
            const size_t column = static_cast<size_t>(column_tile) * tile_columns + chunk * chunk_bytes;
            const bool valid = first_row + row < p.rows && column < p.code_stride;
            return {row * row_bytes + swizzled_chunk(row, chunk, chunks) * chunk_bytes,
                    p.codes + (valid ? (first_row + row) * p.code_stride + column : 0), valid};
        }
        const uint32_t at = ((i - x_copies) * threads + threadIdx.x) * chunk_bytes;
        const uint32_t row_tile = first_column / tile_rows + at / row_tile_bytes, tile = column_tile + at % row_tile_bytes / tile_bytes;
        const bool valid = row_tile * tile_rows < p.columns && tile < p.column_tiles;
        return {x_bytes + at,
                p.fragments + (valid ? (static_cast<size_t>(row_tile) * p.column_tiles + tile) * tile_bytes + at % tile_bytes : 0), valid};
    }

    // Multiplies what a stage holds.
    NQ_DEVICE void multiply(const unsigned char* stage) {
        NQ_UNROLL
        for (uint32_t step = 0; step < stage_column_tiles; step++) {
            uint32_t a[a_tiles][4];
            NQ_UNROLL
            for (uint32_t i = 0; i < a_tiles; i++) {
                const uint32_t row = warp_row + i * 16 + lane() % 16, chunk = step * 2 + lane() / 16;
                load_matrix_x4(a[i], stage + row * row_bytes + swizzled_chunk(row, chunk, chunks) * chunk_bytes);
            }
            NQ_UNROLL
            for (uint32_t j = 0; j < b_tiles; j++) {
                const uint32_t row_tile = warp_column / tile_rows + j;
                const uint4 b =
                    *reinterpret_cast<const uint4*>(stage + x_bytes + row_tile * row_tile_bytes + step * tile_bytes + lane() * 16);
                NQ_UNROLL
                for (uint32_t i = 0; i < a_tiles; i++) {
                    multiply_add(sums[i][2 * j], a[i], {b.x, b.y});
                    multiply_add(sums[i][2 * j + 1], a[i], {b.z, b.w});
                }
            }
        }
    }

    // The integer sums over tiles begin .. end - 1 of columns.
    NQ_DEVICE void run(uint32_t begin, uint32_t end) {
        const uint32_t steps = (end - begin + stage_column_tiles - 1) / stage_column_tiles;
#if NQ_ARCHITECTURE >= 800
        const auto load = [&](uint32_t step) {
            NQ_UNROLL
            for (uint32_t i = 0; step < steps && i < copies; i++) {
                const copy c = copy_of(i, begin + step * stage_column_tiles);
                copy_async16(shared + step % linear8bit_stages * shape.stage_bytes() + c.to, c.from, c.valid ? chunk_bytes : 0);
            }
            copy_async_commit();
        };
        for (uint32_t step = 0; step < linear8bit_stages - 1; step++) load(step);
        for (uint32_t step = 0; step < steps; step++) {
            copy_async_wait<linear8bit_stages - 2>();
            sync_block();
            load(step + linear8bit_stages - 1);  // where the stage before this one was
            multiply(shared + step % linear8bit_stages * shape.stage_bytes());
        }
        copy_async_wait<0>();
#else
        uint4 next[copies];
        const auto fetch = [&](uint32_t step) {
            NQ_UNROLL
            for (uint32_t i = 0; i < copies; i++) {
                const copy c = copy_of(i, begin + step * stage_column_tiles);
                next[i] = c.valid ? *static_cast<const uint4*>(c.from) : uint4{};
            }
        };
        const auto store = [&](uint32_t step) {
            NQ_UNROLL
            for (uint32_t i = 0; i < copies; i++) {
                *reinterpret_cast<uint4*>(shared + step % 2 * shape.stage_bytes() + copy_of(i, begin + step * stage_column_tiles).to) =
                    next[i];
            }
        };
        fetch(0);
        store(0);
        for (uint32_t step = 0; step < steps; step++) {
            sync_block();
            if (step + 1 < steps) fetch(step + 1);
            multiply(shared + step % 2 * shape.stage_bytes());
            if (step + 1 < steps) store(step + 1);  // where the stage before this one was
        }
#endif
    }

    // body(sum, row, column of the tile) for the elements of this thread; `sum` in any array of their shape.
    template <class Sums, class Body>
    NQ_DEVICE void for_each_sum(Sums& all, const Body& body) const {
        NQ_UNROLL
        for (uint32_t i = 0; i < a_tiles; i++) {
            NQ_UNROLL
            for (uint32_t j = 0; j < 2 * b_tiles; j++) {
                NQ_UNROLL
                for (uint32_t e = 0; e < 4; e++)
                    body(all[i][j][e], warp_row + i * 16 + e / 2 * 8 + lane() / 4, warp_column + j * 8 + lane() % 4 * 2 + e % 2);
            }
        }
    }

    // Adds up the sums of the blocks that share this tile; false for all but the last of them.
    NQ_DEVICE bool join_splits() {
        if (p.splits == 1) return true;
        constexpr size_t elements = shape.rows * shape.columns;
        const uint32_t tile = blockIdx.y * gridDim.x + blockIdx.x;
        int32_t* partial = p.partial_sums + tile * p.splits * elements + threadIdx.x;
        uint32_t at = 0;
        for_each_sum(sums, [&](int32_t sum, uint32_t, uint32_t) { partial[blockIdx.z * elements + threads * at++] = sum; });
        if (!last_to_arrive(p.tickets + tile, p.splits, reinterpret_cast<uint32_t*>(shared))) return false;
        sync_block();  // the stages are free again
        for_each_sum(sums, [](int32_t& sum, uint32_t, uint32_t) { sum = 0; });
        for (uint32_t s = 0; s < p.splits; s++) {
            at = 0;
            for_each_sum(sums, [&](int32_t& sum, uint32_t, uint32_t) { sum += partial[s * elements + threads * at++]; });
        }
        return true;
    }

    // Adds the products of outlier columns to `results`.
    NQ_DEVICE void add_outliers(uint32_t count, float (&results)[a_tiles][2 * b_tiles][4]) const {
        float* x = reinterpret_cast<float*>(shared);
        float* w = x + outliers_at_once * shape.rows;
        for (uint32_t first = 0; first < count; first += outliers_at_once) {
            const uint32_t n = count - first < outliers_at_once ? count - first : outliers_at_once;
            for (uint32_t i = threadIdx.x; i < n * shape.rows; i += threads) {
                const size_t row = first_row + i % shape.rows, column = p.outlier_columns[first + i / shape.rows];
                x[i] = row < p.rows ? load_as_f32(p.x.data, p.x.dtype, row * p.x.row_stride + column) : 0;
            }
            for (uint32_t i = threadIdx.x; i < n * shape.columns; i += threads) {
                const size_t row = first_column + i % shape.columns, column = p.outlier_columns[first + i / shape.columns];
                float weight = 0;
                if (row < p.columns) {
                    const float code = static_cast<int8_t>(p.fragments[offset(row, column, p.column_tiles)]);
                    weight = code * p.weight_absmax[row] * formats::one_over_127;
                }
                w[i] = weight;
            }
            sync_block();
            for (uint32_t o = 0; o < n; o++) {
                for_each_sum(results, [&](float& sum, uint32_t row, uint32_t column) {
                    sum = fused_multiply_add(x[o * shape.rows + row], w[o * shape.columns + column], sum);
                });
            }
            sync_block();
        }
    }

    // Stores the tile by rows: store(row, column, value) of y.
    template <class T, class Sums, class Store>
    NQ_DEVICE void store_tile(Sums& values, const Store& store) const {
        T* tile = reinterpret_cast<T*>(shared);
        // Every other column of eight neighbours, of eight rows: what a warp writes at once lies in different banks.
        const auto place = [](uint32_t row, uint32_t column) { return row * shape.columns + (column ^ row % 4 * 8 ^ row / 4 % 2); };
        for_each_sum(values, [&](T value, uint32_t row, uint32_t column) { tile[place(row, column)] = value; });
        sync_block();
        for (uint32_t i = threadIdx.x; i < shape.rows * shape.columns; i += threads) {
            const uint32_t row = i / shape.columns, column = i % shape.columns;
            if (first_row + row < p.rows && first_column + column < p.columns)
                store(first_row + row, first_column + column, tile[place(row, column)]);
        }
    }

    NQ_DEVICE void finish_tile() {
        if (p.sums != nullptr) {
            store_tile<int32_t>(sums, [&](uint32_t row, uint32_t column, int32_t sum) { p.sums[row * p.sums_stride + column] = sum; });
            return;
        }
        float row_scale[a_tiles][2], column_scale[2 * b_tiles][2], results[a_tiles][2 * b_tiles][4];
        NQ_UNROLL
        for (uint32_t half = 0; half < 2; half++) {
            NQ_UNROLL
            for (uint32_t i = 0; i < a_tiles; i++) {
                const uint32_t m = first_row + warp_row + i * 16 + half * 8 + lane() / 4;
                row_scale[i][half] = m < p.rows ? p.row_absmax[m] : 0;
            }
            NQ_UNROLL
            for (uint32_t j = 0; j < 2 * b_tiles; j++) {
                const uint32_t n = first_column + warp_column + j * 8 + lane() % 4 * 2 + half;
                column_scale[j][half] = n < p.columns ? p.weight_absmax[n] : 0;
            }
        }
        NQ_UNROLL
        for (uint32_t i = 0; i < a_tiles; i++) {
            NQ_UNROLL
            for (uint32_t j = 0; j < 2 * b_tiles; j++) {
                NQ_UNROLL
                for (uint32_t e = 0; e < 4; e++) {
                    const float scale = row_scale[i][e / 2] * column_scale[j][e % 2];
                    results[i][j][e] = static_cast<float>(sums[i][j][e]) * scale * formats::one_over_127_squared;
                }
            }
        }
        add_outliers(*p.outlier_count, results);
        store_tile<float>(results, [&](uint32_t row, uint32_t column, float value) { finish(p.out, row, column, value); });
    }
};

template <uint32_t which>
NQ_DEVICE void run_gemm(const linear8bit_parameters& p, unsigned char* shared) {
    gemm<which> block{p, shared};
    const uint32_t begin = blockIdx.z * p.split_tiles, limit = begin + p.split_tiles;
    block.run(begin, limit < p.column_tiles ? limit : p.column_tiles);
    sync_block();  // the stages are free
    if (block.join_splits()) block.finish_tile();
}

}  // namespace

NQ_KERNEL(nq_linear8bit_gemm_16, linear8bit_parameters, linear8bit_tiles[0].threads()) {
    NQ_DYNAMIC_SHARED(unsigned char, shared);
    run_gemm<0>(p, shared);
}

NQ_KERNEL(nq_linear8bit_gemm_64, linear8bit_parameters, linear8bit_tiles[1].threads()) {
    NQ_DYNAMIC_SHARED(unsigned char, shared);
    run_gemm<1>(p, shared);
}

NQ_KERNEL(nq_linear8bit_gemm_128, linear8bit_parameters, linear8bit_tiles[2].threads()) {
    NQ_DYNAMIC_SHARED(unsigned char, shared);
    run_gemm<2>(p, shared);
}

}  // namespace nq::cuda
