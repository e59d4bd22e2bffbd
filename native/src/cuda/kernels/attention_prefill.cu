// Attention of many query rows over a KV cache, on tensor cores.
//
//   nq_attention_prefill_TYPE_D  y = softmax(scale * q K^T) V over a cache of f32, bf16 or int8 with heads of at most D elements
// q, y: views of f32, f16 or bf16; cache: device/kv_layout.h; rows and positions: kernels/attention.h. Exact-tier f32 arithmetic: operands
// go into mma.sync as sums of bf16 parts that are exact (device/bf16_parts.h), products are exact, sums f32. q and the weights of the
// softmax are three parts, bf16 keys and values and int8 codes one: three products for one. f32 keys and values are three parts: six
// products, the three below 2^-24 of the whole are left out. Scales of int8 multiply scores and weights. Online softmax as in
// attention_decode.cu. Deviation from f64 in the emulation: below 2e-6 of the norm of y, and in each element 5e-6 of the sum of magnitudes,
// as f32 dot products have; tensor cores cut off where the emulation rounds, by an amount of the same order.
//
// What is not finite stays with the rows that attend to it, as in the definition: keys and values enter the products with 0 in its place;
// scores of such keys are computed anew, such values added afterwards.
//
// Launch: a block of 4 warps (2 for D = 256) takes 16 query rows a warp of one key-value head, all heads of the group, page after page of
// 64 positions; blocks with most pages first. A page's granules are rows of matrix loads as they lie: 8 positions or elements are 128
// consecutive bytes of shared memory, free of bank conflicts.
// Shared memory: 2 round_up(head_dim, 16) (3 rows + 64 or 192) bytes: 64 KiB for 128 elements of bf16, 96 KiB of f32.
// Registers for D = 64, 128, 256: 127, 167, 223 with bf16, 166, 188, 242 with int8, 162, 168, 253 with f32 (nvcc 12.4, sm_80): two or
// three blocks a multiprocessor. clang's code takes up to 255 and, for D = 256 with bf16 and f32, keeps some 100 bytes a thread in memory.
// Cost: 4 rows positions head_dim operations a head, in 3 (f32: 6) tensor-core products of bf16: expected at half their rate, 50 TFLOP/s
// on an A100, 5 times what its f32 units could do.
//
// Not for compute capability 7.5, which multiplies no bf16; nor for heads of more than 256 elements: attention_decode.cu takes those.
// Source: arXiv 2205.14135, 2307.08691 (tiles, online softmax in registers), 2204.03065 (f32 from low-precision parts).
#include "cuda/kernels/attention_prefill.h"

#include "cuda/device/bf16_parts.h"
#include "cuda/device/block_reduce.h"
#include "cuda/device/kv_granules.h"
#include "cuda/device/numbers.h"

namespace nq::cuda {

#if NQ_ARCHITECTURE >= 800

// Positions of a page with something not finite, a bit each.
struct broken_positions {
    uint32_t keys[2], values[2];
};

// elements: most of a head, a multiple of 16. Granule: of the cache.
template <uint32_t elements, class Granule>
struct prefill_block {
    static constexpr bool wide = Granule::count == f32_granule::count, coded = Granule::count == int8_granule::count;
    static constexpr uint32_t parts = wide ? bf16_parts : 1;

    const attention_operation& a;
    uint64_t first_row;
    uint32_t head;
    uint32_t columns;  // round_up(head_dim, 16)
    uint4* q;          // [part][columns / 8][rows]
    uint4* page;       // keys [part][columns / 8][64], values [part][64 / 8][columns]
    broken_positions* broken;

    NQ_DEVICE uint32_t block_rows() const { return prefill_block_rows(blockDim.x); }

    // --- operands into shared memory

    NQ_DEVICE void load_queries() const {
        const uint64_t all = attention_rows(a);
        NQ_LOOP
        for (uint32_t i = threadIdx.x; i < block_rows() * (columns / 8); i += blockDim.x) {
            const uint32_t r = i % block_rows(), first = i / block_rows() * 8;
            float x[8];
            const uint64_t row = first_row + r, from = row < all ? row_offset(a, a.q, head, row) + first : 0;
            NQ_UNROLL
            for (uint32_t e = 0; e < 8; e++)
                x[e] = row < all && first + e < a.cache.head_dim ? load_as_f32(a.q.data, a.q.dtype, from + e) : 0;
            const part_granules g = split_granule(x);
            NQ_UNROLL
            for (uint32_t part = 0; part < bf16_parts; part++) q[part * (columns / 8) * block_rows() + i] = g.parts[part];
        }
    }

    // Stores granule `to` of a page, 0 for what is not finite. Says which of the eight elements were not.
    NQ_DEVICE uint32_t store(uint32_t to, float (&x)[8]) const {
        uint32_t not_finite = 0;
        NQ_UNROLL
        for (uint32_t e = 0; e < 8; e++) {
            if (is_finite(x[e])) continue;
            not_finite |= 1u << e;
            x[e] = 0;
        }
        if constexpr (wide) {
            const part_granules g = split_granule(x);
            NQ_UNROLL
            for (uint32_t part = 0; part < parts; part++) page[part * page_positions * columns / 8 + to] = g.parts[part];
        } else {
            page[to] = {bf16_pair(x[0], x[1]), bf16_pair(x[2], x[3]), bf16_pair(x[4], x[5]), bf16_pair(x[6], x[7])};
        }
        return not_finite;
    }

    // Sixteen terms of int8: two granules of the page.
    NQ_DEVICE void store_codes(uint32_t to, uint32_t distance, const uint4& codes) const {
        NQ_UNROLL
        for (uint32_t half = 0; half < 2; half++) {
            float x[4], z[4];
            int8_granule::expand(half == 0 ? codes.x : codes.z, x);
            int8_granule::expand(half == 0 ? codes.y : codes.w, z);
            page[to + half * distance] = {bf16_pair(x[0], x[1]), bf16_pair(x[2], x[3]), bf16_pair(z[0], z[1]), bf16_pair(z[2], z[3])};
        }
    }

    // Granule i of the eight terms of one sum, from granules `distance` apart in an f32 cache.
    NQ_DEVICE static void load_terms(const uint4* from, uint64_t distance, float (&x)[8]) {
        if constexpr (wide) {
            float half[4];
            f32_granule::expand(from[0], half);
            for (uint32_t e = 0; e < 4; e++) x[e] = half[e];
            f32_granule::expand(from[distance], half);
            for (uint32_t e = 0; e < 4; e++) x[4 + e] = half[e];
        } else {
            bf16_granule::expand(from[0], x);
        }
    }

    NQ_DEVICE void load_keys(uint32_t index) const {
        const uint4* const keys = reinterpret_cast<const uint4*>(kv_head(a.cache, index, head));
        if constexpr (coded) {
            NQ_LOOP
            for (uint32_t i = threadIdx.x; i < columns / 16 * page_positions; i += blockDim.x)
                store_codes(i / page_positions * 2 * page_positions + i % page_positions, page_positions, keys[i]);
            return;
        }
        NQ_LOOP
        for (uint32_t i = threadIdx.x; i < columns / 8 * page_positions; i += blockDim.x) {
            const uint32_t p = i % page_positions;
            float x[8];
            load_terms(keys + (wide ? i / page_positions * 2 * page_positions + p : i), page_positions, x);
            if (store(i, x) != 0) atomic_or(&broken->keys[p / 32], 1u << p % 32);
        }
    }

    NQ_DEVICE void load_values(uint32_t index) const {
        const uint64_t head_dim = a.cache.head_dim;
        const uint4* const values = reinterpret_cast<const uint4*>(kv_head(a.cache, index, head) + a.cache.key_bytes);
        if constexpr (coded) {
            NQ_LOOP
            for (uint32_t i = threadIdx.x; i < page_positions / 16 * columns; i += blockDim.x) {
                const uint32_t d = i % columns, group = i / columns;
                uint4 codes = {};
                if (d < head_dim) codes = values[group * head_dim + d];
                store_codes(2 * group * columns + d, columns, codes);
            }
            return;
        }
        NQ_LOOP
        for (uint32_t i = threadIdx.x; i < page_positions / 8 * columns; i += blockDim.x) {
            const uint32_t d = i % columns, group = i / columns;
            float x[8] = {};
            if (d < head_dim) load_terms(values + (wide ? 2 : 1) * group * head_dim + d, head_dim, x);
            const uint32_t not_finite = store(i, x);
            if (not_finite != 0) atomic_or(&broken->values[group / 4], not_finite << group % 4 * 8);
        }
    }

    // --- products; lane l of a warp holds rows l / 4 and l / 4 + 8, columns 2 (l % 4) and the next of each 16 x 8 result

    // Part `part` of the warp's queries, elements 16 step to 16 step + 15.
    NQ_DEVICE void load_query_fragment(uint32_t part, uint32_t step, uint32_t (&fragment)[4]) const {
        const uint32_t matrix = lane() / 8, row = warp() * prefill_warp_rows + matrix % 2 * 8 + lane() % 8;
        load_matrix_x4(fragment, q + (part * (columns / 8) + 2 * step + matrix / 2) * block_rows() + row);
    }

    // Where this lane's row of the first matrix load of the page is, for terms of `sums` sums.
    NQ_DEVICE const uint4* lane_row(uint32_t sums) const {
        const uint32_t matrix = lane() / 8;
        return page + matrix % 2 * sums + matrix / 2 * 8 + lane() % 8;
    }

    // Two results of 8 sums += rows (three parts) x 16 terms of the page, small products first. row: lane_row of those terms and sums.
    NQ_DEVICE void multiply(const uint32_t (&rows)[bf16_parts][4], const uint4* row, float (&left)[4], float (&right)[4]) const {
        uint32_t of_page[parts][4];
        NQ_UNROLL
        for (uint32_t part = 0; part < parts; part++) load_matrix_x4(of_page[part], row + part * page_positions * columns / 8);
        NQ_UNROLL
        for (uint32_t order = bf16_parts; order-- > 0;) {
            NQ_UNROLL
            for (uint32_t part = 0; part < parts; part++) {
                if (part > order) continue;
                mma_bf16(left, rows[order - part], {of_page[part][0], of_page[part][1]});
                mma_bf16(right, rows[order - part], {of_page[part][2], of_page[part][3]});
            }
        }
    }

    NQ_DEVICE void multiply_keys(float (&scores)[8][4]) const {
        const uint4* row = lane_row(page_positions);
        NQ_LOOP
        for (uint32_t step = 0; step < columns / 16; step++, row += 2 * page_positions) {
            uint32_t rows[bf16_parts][4];
            NQ_UNROLL
            for (uint32_t part = 0; part < bf16_parts; part++) load_query_fragment(part, step, rows[part]);
            NQ_UNROLL
            for (uint32_t j = 0; j < 4; j++) multiply(rows, row + 16 * j, scores[2 * j], scores[2 * j + 1]);
        }
    }

    NQ_DEVICE void multiply_values(const float (&weights)[8][4], float (&acc)[elements / 8][4]) const {
        const uint4* row = lane_row(columns);
        NQ_UNROLL
        for (uint32_t step = 0; step < 4; step++, row += 2 * columns) {
            uint32_t rows[bf16_parts][4];
            NQ_UNROLL
            for (uint32_t i = 0; i < 4; i++) {
                uint32_t pairs[bf16_parts];
                split_pair(weights[2 * step + i / 2][i % 2 * 2], weights[2 * step + i / 2][i % 2 * 2 + 1], pairs);
                for (uint32_t part = 0; part < bf16_parts; part++) rows[part][i] = pairs[part];
            }
            NQ_UNROLL
            for (uint32_t j = 0; j < elements / 16; j++) {
                if (16 * j < columns) multiply(rows, row + 16 * j, acc[2 * j], acc[2 * j + 1]);
            }
        }
    }

    // --- what is not finite

    // Position (element) of entry e of result j in this lane.
    NQ_DEVICE static uint32_t column_of(uint32_t j, uint32_t e) { return 8 * j + lane() % 4 * 2 + e % 2; }
    NQ_DEVICE uint64_t row_of_lane(uint32_t half) const { return first_row + warp() * prefill_warp_rows + lane() / 4 + 8 * half; }

    NQ_DEVICE static float element_of(const uint8_t* data, uint64_t i) { return load_as_f32(data, wide ? NQ_DTYPE_F32 : NQ_DTYPE_BF16, i); }

    NQ_DEVICE void correct_scores(uint32_t index, float (&scores)[8][4]) const {
        const uint8_t* const keys = kv_head(a.cache, index, head);
        NQ_LOOP
        for (uint32_t p = 0; p < page_positions; p++) {
            if ((broken->keys[p / 32] >> p % 32 & 1) == 0 || p % 8 / 2 != lane() % 4) continue;
            for (uint32_t half = 0; half < 2; half++) {
                if (row_of_lane(half) >= attention_rows(a)) continue;
                const uint64_t from = row_offset(a, a.q, head, row_of_lane(half));
                float sum = 0;
                for (uint32_t d = 0; d < a.cache.head_dim; d++)
                    sum = fused_multiply_add(load_as_f32(a.q.data, a.q.dtype, from + d),
                                             element_of(keys, kv_key_index(Granule::count, p, d)), sum);
                NQ_UNROLL
                for (uint32_t j = 0; j < 8; j++) {
                    NQ_UNROLL
                    for (uint32_t e = 0; e < 4; e++) scores[j][e] = column_of(j, e) == p && e / 2 == half ? sum : scores[j][e];
                }
            }
        }
    }

    // range[half]: positions of the page that the lane's rows attend to.
    NQ_DEVICE void correct_values(uint32_t index, const float (&weights)[8][4], const uint32_t (&begin)[2], const uint32_t (&end)[2],
                                  float (&acc)[elements / 8][4]) const {
        const uint8_t* const values = kv_head(a.cache, index, head) + a.cache.key_bytes;
        NQ_LOOP
        for (uint32_t p = 0; p < page_positions; p++) {
            if ((broken->values[p / 32] >> p % 32 & 1) == 0) continue;
            float mine[2] = {};
            NQ_UNROLL
            for (uint32_t j = 0; j < 8; j++) {
                NQ_UNROLL
                for (uint32_t e = 0; e < 4; e++) mine[e / 2] = 8 * j + lane() % 4 * 2 + e % 2 == p ? weights[j][e] : mine[e / 2];
            }
            float weight[2];
            for (uint32_t half = 0; half < 2; half++) weight[half] = shuffle(mine[half], lane() / 4 * 4 + p % 8 / 2);
            const uint64_t first = kv_value_index(Granule::count, a.cache.head_dim, p, column_of(0, 0));
            NQ_UNROLL
            for (uint32_t j = 0; j < elements / 8; j++) {
                NQ_UNROLL
                for (uint32_t e = 0; e < 4; e++) {
                    if (column_of(j, e) >= a.cache.head_dim || p < begin[e / 2] || p >= end[e / 2]) continue;
                    const float value = element_of(values, first + (8 * j + e % 2) * Granule::count);
                    if (!is_finite(value)) acc[j][e] = fused_multiply_add(weight[e / 2], value, acc[j][e]);
                }
            }
        }
    }

    // --- the operation

    // A position as an offset within a page.
    NQ_DEVICE static uint32_t within(uint32_t position, uint32_t start) {
        if (position <= start) return 0;
        return position - start < page_positions ? position - start : page_positions;
    }

    // Scores become weights; leaves what to multiply acc by.
    NQ_DEVICE void weigh(uint32_t index, float (&scores)[8][4], const uint32_t (&begin)[2], const uint32_t (&end)[2], float (&largest)[2],
                         float (&sum)[2], float (&factor)[2]) const {
        const float infinity = float_of(0x7f800000);
        uint8_t* const memory = kv_head(a.cache, index, head);
        const float* const scales = kv_key_scales(a.cache, memory);
        float most[2] = {largest[0], largest[1]};
        NQ_UNROLL
        for (uint32_t j = 0; j < 8; j++) {
            NQ_UNROLL
            for (uint32_t e = 0; e < 4; e++) {
                const uint32_t p = column_of(j, e), half = e / 2;
                const bool attends = p >= begin[half] && p < end[half];
                const float scale = coded && attends ? a.scale * scales[p] : a.scale;
                scores[j][e] = attends ? scores[j][e] * scale : -infinity;
                most[half] = largest_of()(most[half], scores[j][e]);
            }
        }
        float shift[2];
        NQ_UNROLL
        for (uint32_t half = 0; half < 2; half++) {
            for (uint32_t distance = 1; distance <= 2; distance *= 2)
                most[half] = largest_of()(most[half], shuffle_xor(most[half], distance));
            shift[half] = most[half] == -infinity ? 0 : most[half];  // nothing but -infinity so far: any finite shift gives weights 0
            factor[half] = largest[half] == most[half] ? 1 : exponential(largest[half] - shift[half]);
            largest[half] = most[half];
            sum[half] *= factor[half];
        }
        NQ_UNROLL
        for (uint32_t j = 0; j < 8; j++) {
            NQ_UNROLL
            for (uint32_t e = 0; e < 4; e++) {
                const uint32_t p = column_of(j, e), half = e / 2;
                const bool attends = p >= begin[half] && p < end[half];
                const float weight = attends ? exponential(scores[j][e] - shift[half]) : 0;
                sum[half] += weight;
                scores[j][e] = weight;
            }
        }
    }

    NQ_DEVICE void scale_weights(uint32_t index, const uint32_t (&begin)[2], const uint32_t (&end)[2], float (&weights)[8][4]) const {
        const float* const scales = kv_value_scales(a.cache, kv_head(a.cache, index, head));
        NQ_UNROLL
        for (uint32_t j = 0; j < 8; j++) {
            NQ_UNROLL
            for (uint32_t e = 0; e < 4; e++) {
                const uint32_t p = column_of(j, e);
                if (p >= begin[e / 2] && p < end[e / 2]) weights[j][e] *= scales[p];
            }
        }
    }

    NQ_DEVICE void run() const {
        const uint64_t all = attention_rows(a), after = first_row + block_rows() < all ? first_row + block_rows() : all;
        const uint32_t first_page = static_cast<uint32_t>(first_position(a, first_row / a.group) / page_positions);
        const uint32_t last_page = static_cast<uint32_t>((last_position(a, (after - 1) / a.group) - 1) / page_positions);
        uint32_t first[2], last[2];
        for (uint32_t half = 0; half < 2; half++) {
            const uint64_t row = row_of_lane(half), t = (row < all ? row : all - 1) / a.group;
            first[half] = static_cast<uint32_t>(first_position(a, t));
            last[half] = static_cast<uint32_t>(last_position(a, t));
        }
        float acc[elements / 8][4] = {}, sum[2] = {}, largest[2] = {-float_of(0x7f800000), -float_of(0x7f800000)};
        if (threadIdx.x == 0) *broken = {};
        load_queries();
        for (uint32_t index = first_page; index <= last_page; index++) {
            sync_block();
            if (threadIdx.x == 0) broken->values[0] = broken->values[1] = 0;
            load_keys(index);
            sync_block();
            const uint32_t start = index * page_positions;
            const uint32_t begin[2] = {within(first[0], start), within(first[1], start)};
            const uint32_t end[2] = {within(last[0], start), within(last[1], start)};
            float scores[8][4] = {}, factor[2];
            multiply_keys(scores);
            if (!coded && (broken->keys[0] | broken->keys[1]) != 0) correct_scores(index, scores);
            weigh(index, scores, begin, end, largest, sum, factor);
            sync_block();
            if (threadIdx.x == 0) broken->keys[0] = broken->keys[1] = 0;
            load_values(index);
            sync_block();
            NQ_UNROLL
            for (uint32_t j = 0; j < elements / 8; j++) {
                NQ_UNROLL
                for (uint32_t e = 0; e < 4; e++) acc[j][e] *= factor[e / 2];
            }
            if constexpr (coded) scale_weights(index, begin, end, scores);
            multiply_values(scores, acc);
            if (!coded && (broken->values[0] | broken->values[1]) != 0) correct_values(index, scores, begin, end, acc);
        }
        finish(acc, sum);
    }

    NQ_DEVICE void finish(const float (&acc)[elements / 8][4], float (&sum)[2]) const {
        for (uint32_t half = 0; half < 2; half++)
            for (uint32_t distance = 1; distance <= 2; distance *= 2) sum[half] += shuffle_xor(sum[half], distance);
        NQ_UNROLL
        for (uint32_t half = 0; half < 2; half++) {
            if (row_of_lane(half) >= attention_rows(a)) continue;
            const uint64_t to = row_offset(a, a.y, head, row_of_lane(half));
            NQ_UNROLL
            for (uint32_t j = 0; j < elements / 8; j++) {
                NQ_UNROLL
                for (uint32_t e = 2 * half; e < 2 * half + 2; e++) {
                    const uint32_t d = column_of(j, e);
                    if (d < a.cache.head_dim) store_from_f32(a.y.data, a.y.dtype, to + d, divide(acc[j][e], sum[half]));
                }
            }
        }
    }
};

#endif

template <uint32_t elements, class Granule>
NQ_DEVICE void attend(const attention_prefill_parameters& p) {
#if NQ_ARCHITECTURE >= 800
    NQ_DYNAMIC_SHARED(uint4, memory);
    NQ_SHARED(broken_positions, broken, 1);
    const attention_operation& a = p.operation;
    const uint32_t columns = static_cast<uint32_t>(kv_key_columns(a.cache.head_dim)), rows = prefill_block_rows(blockDim.x);
    const uint32_t block = p.row_blocks - 1 - blockIdx.x / a.cache.kv_heads;
    prefill_block<elements, Granule>{
        a, uint64_t{block} * rows, blockIdx.x % a.cache.kv_heads, columns, memory, memory + bf16_parts * columns / 8 * rows, broken}
        .run();
#else
    (void)p;
#endif
}

NQ_KERNEL(nq_attention_prefill_f32_64, attention_prefill_parameters, 128) { attend<64, f32_granule>(p); }
NQ_KERNEL(nq_attention_prefill_f32_128, attention_prefill_parameters, 128) { attend<128, f32_granule>(p); }
NQ_KERNEL(nq_attention_prefill_f32_256, attention_prefill_parameters, 64) { attend<256, f32_granule>(p); }
NQ_KERNEL(nq_attention_prefill_bf16_64, attention_prefill_parameters, 128) { attend<64, bf16_granule>(p); }
NQ_KERNEL(nq_attention_prefill_bf16_128, attention_prefill_parameters, 128) { attend<128, bf16_granule>(p); }
NQ_KERNEL(nq_attention_prefill_bf16_256, attention_prefill_parameters, 64) { attend<256, bf16_granule>(p); }
NQ_KERNEL(nq_attention_prefill_int8_64, attention_prefill_parameters, 128) { attend<64, int8_granule>(p); }
NQ_KERNEL(nq_attention_prefill_int8_128, attention_prefill_parameters, 128) { attend<128, int8_granule>(p); }
NQ_KERNEL(nq_attention_prefill_int8_256, attention_prefill_parameters, 64) { attend<256, int8_granule>(p); }

}  // namespace nq::cuda
