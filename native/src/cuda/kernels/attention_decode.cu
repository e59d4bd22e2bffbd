// Attention of few query rows over a KV cache.
//
//   nq_attention_decode_R  y = softmax(scale * q K^T) V for up to R query rows that share a key-value head, over a span of its positions
//   nq_attention_merge     puts the spans of a row together
// q, y: views of f32, f16 or bf16; keys and values f32, bf16 or int8 (device/kv_layout.h), read once for all rows of a block. Arithmetic
// f32. Online softmax: per row the largest score m so far, l = sum e^(s - m), acc = sum e^(s - m) v; a larger m' rescales both by
// e^(m - m'). A row counts only positions of its own (causal, window): others are left out, not multiplied by 0. Spans are merged first to
// last, sums within a block are in an order that depends on the shapes alone, so results repeat bit for bit on a device.
//
// Launch: blocks of 128 threads (256 for heads of more than 128 elements; heads of more than 256 are taken 256 elements of acc at a time,
// with the scores computed anew for each). Spans: as many as fill the device, each of at least a tile. Per tile of as many positions as
// threads: a thread multiplies all rows with the key of its position, in granules of 16 bytes; warps turn the rows' scores into weights;
// then threads own elements, `width` of them in threads / width subsets of the positions, and add up values.
//
// Shared memory: 4 R (round_up(head_dim, 16) + threads) bytes for q and scores, 256 for the softmax. Registers: 57, 76, 87, 112 for R = 1,
// 2, 4, 8; 4 blocks of 128 threads a multiprocessor or more, a warp with two loads of 512 bytes in flight.
//
// Cost: reads keys and values once for each R rows, 2 P kv_heads head_dim e bytes, with 2 R operations an element: 16 a byte for R = 8 and
// int8, where an A100 has 12 in f32. So bandwidth is the limit up to R = 4 in int8 and 8 in bf16: expected at 70 % of that of device memory
// and more from about 4 MiB of keys and values on.
//
// Source: arXiv 1805.02867 (online softmax), 2305.13245 (grouped queries); the split over positions is that of flash-decoding.
#include "cuda/kernels/attention_decode.h"

#include "cuda/device/block_reduce.h"
#include "cuda/device/kv_granules.h"
#include "cuda/device/numbers.h"

namespace nq::cuda {

// The weight of a position that a row does not attend to: -0, which no other has. Its value must not even be multiplied by 0.
NQ_DEVICE float left_out() { return float_of(0x80000000); }
NQ_DEVICE bool is_left_out(float weight) { return bits_of(weight) == 0x80000000; }

// Sixteen bytes of shared memory in one access.
NQ_DEVICE void load_four(const float* from, float (&x)[4]) { f32_granule::expand(*reinterpret_cast<const uint4*>(from), x); }

// A query row of the block: its positions, and how far its softmax has come.
struct decode_row {
    uint64_t first, last;
    float largest, sum;
    float factor;  // what the tile multiplies acc by
    float unused;
};

template <uint32_t rows>
struct decode_block {
    const attention_decode_parameters& p;
    const attention_operation& a;
    uint32_t span, head;
    uint64_t first_row;
    uint32_t valid;  // rows that exist; the rest repeat the last
    uint64_t element;
    uint64_t begin, end;  // positions of the span that a row attends to
    uint64_t tile;        // first position of the first tile
    float* q;
    float* scores;
    decode_row* state;

    NQ_DEVICE uint64_t row(uint32_t r) const { return first_row + (r < valid ? r : valid - 1); }

    NQ_DEVICE bool attends(uint32_t r, uint64_t position) const {
        return position >= state[r].first && position < state[r].last && position >= begin && position < end;
    }

    // Scores of this thread's position of a tile with every row, -infinity where a row does not attend to it.
    template <class Granule>
    NQ_DEVICE void score(uint64_t base) const {
        const uint64_t position = base + threadIdx.x;
        float sum[rows] = {};
        if (position >= begin && position < end) {
            uint8_t* const memory = kv_head(a.cache, position / page_positions, head);
            const uint32_t slot = static_cast<uint32_t>(position % page_positions);
            const uint4* const keys = reinterpret_cast<const uint4*>(memory) + slot;
            const uint32_t columns = static_cast<uint32_t>(kv_key_columns(a.cache.head_dim));
            const uint32_t granules = columns / Granule::count;
            uint4 next = load_once(keys);
            NQ_LOOP
            for (uint32_t c = 0; c < granules; c++) {
                float key[Granule::count];
                Granule::expand(next, key);
                if (c + 1 < granules) next = load_once(keys + (c + 1) * page_positions);
                NQ_UNROLL
                for (uint32_t e = 0; e < Granule::count; e += 4) {
                    NQ_UNROLL
                    for (uint32_t r = 0; r < rows; r++) {
                        float query[4];
                        load_four(q + r * columns + c * Granule::count + e, query);
                        NQ_UNROLL
                        for (uint32_t i = 0; i < 4; i++) sum[r] = fused_multiply_add(query[i], key[e + i], sum[r]);
                    }
                }
            }
            const float scale = a.cache.dtype == NQ_DTYPE_I8 ? a.scale * kv_key_scales(a.cache, memory)[slot] : a.scale;
            NQ_UNROLL
            for (uint32_t r = 0; r < rows; r++) sum[r] *= scale;
        }
        NQ_UNROLL
        for (uint32_t r = 0; r < rows; r++) scores[r * blockDim.x + threadIdx.x] = attends(r, position) ? sum[r] : -float_of(0x7f800000);
    }

    // The scores of a row become weights; one warp.
    NQ_DEVICE void weigh(uint64_t base, uint32_t r) const {
        const float infinity = float_of(0x7f800000);
        float* const of_row = scores + r * blockDim.x;
        const float before = state[r].largest;
        float most = before;
        for (uint32_t i = lane(); i < blockDim.x; i += 32) most = largest_of()(most, of_row[i]);
        most = reduce_warp(most, largest_of());
        const float shift = most == -infinity ? 0 : most;  // nothing but -infinity so far: any finite shift gives weights 0
        float sum = 0;
        for (uint32_t i = lane(); i < blockDim.x; i += 32) {
            const uint64_t position = base + i;
            float weight = exponential(of_row[i] - shift);
            sum += weight;
            if (!attends(r, position)) {
                weight = left_out();
            } else if (a.cache.dtype == NQ_DTYPE_I8) {
                weight *= kv_value_scales(a.cache, kv_head(a.cache, position / page_positions, head))[position % page_positions];
            }
            of_row[i] = weight;
        }
        sum = reduce_warp(sum, sum_of());
        const float factor = before == most ? 1 : exponential(before - shift);
        sync_warp();  // all have read the row's state
        if (lane() == 0) {
            state[r].factor = factor;
            state[r].largest = most;
            state[r].sum = factor * state[r].sum + sum;
        }
    }

    // Adds this thread's element of a tile's values to acc, positions of one subset.
    template <class Granule>
    NQ_DEVICE void accumulate(uint64_t base, float (&acc)[rows]) const {
        const uint32_t subset = threadIdx.x / p.width, subsets = blockDim.x / p.width;
        NQ_UNROLL
        for (uint32_t r = 0; r < rows; r++) acc[r] *= state[r].factor;
        if (element >= a.cache.head_dim) return;
        // Positions that every row attends to.
        const uint64_t common_first = state[rows - 1].first > begin ? state[rows - 1].first : begin;
        const uint64_t common_last = state[0].last < end ? state[0].last : end;
        NQ_LOOP
        for (uint32_t g = subset; g < blockDim.x / Granule::count; g += subsets) {
            const uint64_t first = base + g * Granule::count;
            if (first + Granule::count <= begin || first >= end) continue;
            const uint8_t* const values = kv_head(a.cache, first / page_positions, head) + a.cache.key_bytes;
            const uint64_t granule = first % page_positions / Granule::count * a.cache.head_dim + element;
            float value[Granule::count];
            Granule::expand(load_once(reinterpret_cast<const uint4*>(values) + granule), value);
            const float* const weights = scores + g * Granule::count;
            if (first >= common_first && first + Granule::count <= common_last) {
                add_values<Granule, false>(weights, value, acc);
            } else {
                add_values<Granule, true>(weights, value, acc);
            }
        }
    }

    // acc += weights of a granule's positions times its values; some: rows may leave some out.
    template <class Granule, bool some>
    NQ_DEVICE static void add_values(const float* weights, const float (&value)[Granule::count], float (&acc)[rows]) {
        NQ_UNROLL
        for (uint32_t e = 0; e < Granule::count; e += 4) {
            NQ_UNROLL
            for (uint32_t r = 0; r < rows; r++) {
                float weight[4];
                load_four(weights + r * blockDim.x + e, weight);
                NQ_UNROLL
                for (uint32_t i = 0; i < 4; i++)
                    acc[r] = some && is_left_out(weight[i]) ? acc[r] : fused_multiply_add(weight[i], value[e + i], acc[r]);
            }
        }
    }

    template <class Granule>
    NQ_DEVICE void run() const {
        const uint32_t columns = static_cast<uint32_t>(kv_key_columns(a.cache.head_dim));
        for (uint32_t i = threadIdx.x; i < rows * columns; i += blockDim.x) {
            const uint32_t column = i % columns;
            q[i] = column < a.cache.head_dim ? load_as_f32(a.q.data, a.q.dtype, row_offset(a, a.q, head, row(i / columns)) + column) : 0;
        }
        if (threadIdx.x < rows) {
            const uint64_t t = row(threadIdx.x) / a.group;
            state[threadIdx.x] = {first_position(a, t), last_position(a, t), -float_of(0x7f800000), 0, 0, 0};
        }
        sync_block();
        float acc[rows] = {};
        for (uint64_t base = tile; base < end; base += blockDim.x) {
            score<Granule>(base);
            sync_block();
            for (uint32_t r = warp(); r < rows; r += blockDim.x / 32) weigh(base, r);
            sync_block();
            accumulate<Granule>(base, acc);
            sync_block();
        }
        finish(acc);
    }

    // Adds up the subsets, first to last, and stores the result or leaves it to be merged.
    NQ_DEVICE void finish(float (&acc)[rows]) const {
        const uint32_t column = threadIdx.x % p.width, subsets = blockDim.x / p.width;
        NQ_UNROLL
        for (uint32_t r = 0; r < rows; r++) scores[r * blockDim.x + threadIdx.x] = acc[r];
        sync_block();
        for (uint32_t r = threadIdx.x / p.width; r < valid; r += subsets) {
            float sum = scores[r * blockDim.x + column];
            for (uint32_t s = 1; s < subsets; s++) sum += scores[r * blockDim.x + s * p.width + column];
            if (p.spans == 1) {
                if (element < a.cache.head_dim)
                    store_from_f32(a.y.data, a.y.dtype, row_offset(a, a.y, head, row(r)) + element, divide(sum, state[r].sum));
                continue;
            }
            float* const record = p.partial + ((head * attention_rows(a) + row(r)) * p.spans + span) * (a.cache.head_dim + 2);
            if (element < a.cache.head_dim) record[element] = sum;
            if (element == 0) {
                record[a.cache.head_dim] = state[r].largest;
                record[a.cache.head_dim + 1] = state[r].sum;
            }
        }
    }
};

template <uint32_t rows>
NQ_DEVICE void attend(const attention_decode_parameters& p) {
    NQ_DYNAMIC_SHARED(float, memory);
    NQ_SHARED(decode_row, state, rows);
    const attention_operation& a = p.operation;
    const uint32_t span = blockIdx.x % p.spans, head = blockIdx.x / p.spans % a.cache.kv_heads;
    const uint32_t chunk = blockIdx.x / p.spans / a.cache.kv_heads;
    const uint64_t all = attention_rows(a), first_row = uint64_t{chunk % p.row_chunks} * rows;
    const uint32_t valid = all - first_row < rows ? static_cast<uint32_t>(all - first_row) : rows;
    // Spans begin at a page border, so that a tile lies in whole pages.
    const uint64_t start = first_position(a, 0) / page_positions * page_positions + uint64_t{span} * p.span_positions;
    const uint64_t stop = start + p.span_positions;
    const uint64_t first = first_position(a, first_row / a.group), last = last_position(a, (first_row + valid - 1) / a.group);
    const uint64_t begin = first > start ? first : start;
    const decode_block<rows> block{p,
                                   a,
                                   span,
                                   head,
                                   first_row,
                                   valid,
                                   uint64_t{chunk / p.row_chunks} * p.width + threadIdx.x % p.width,
                                   begin,
                                   last < stop ? last : stop,
                                   start + (begin - start) / blockDim.x * blockDim.x,
                                   memory,
                                   memory + rows * kv_key_columns(a.cache.head_dim),
                                   state};
    if (a.cache.dtype == NQ_DTYPE_F32) {
        block.template run<f32_granule>();
    } else if (a.cache.dtype == NQ_DTYPE_BF16) {
        block.template run<bf16_granule>();
    } else {
        block.template run<int8_granule>();
    }
}

NQ_KERNEL(nq_attention_decode_1, attention_decode_parameters, most_decode_threads) { attend<1>(p); }
NQ_KERNEL(nq_attention_decode_2, attention_decode_parameters, most_decode_threads) { attend<2>(p); }
NQ_KERNEL(nq_attention_decode_4, attention_decode_parameters, most_decode_threads) { attend<4>(p); }
NQ_KERNEL(nq_attention_decode_8, attention_decode_parameters, most_decode_threads) { attend<8>(p); }

NQ_KERNEL(nq_attention_merge, attention_decode_parameters, attention_merge_threads) {
    NQ_SHARED(float, factors, most_decode_spans);
    const attention_operation& a = p.operation;
    const uint32_t head_dim = a.cache.head_dim, stride = head_dim + 2;
    const uint64_t rows = attention_rows(a);
    const float* const records = p.partial + uint64_t{blockIdx.x} * p.spans * stride;
    const float infinity = float_of(0x7f800000);
    float most = -infinity;
    for (uint32_t s = 0; s < p.spans; s++) most = largest_of()(most, records[uint64_t{s} * stride + head_dim]);
    const float shift = most == -infinity ? 0 : most;
    for (uint32_t s = threadIdx.x; s < p.spans; s += blockDim.x) factors[s] = exponential(records[uint64_t{s} * stride + head_dim] - shift);
    sync_block();
    float weights = 0;
    for (uint32_t s = 0; s < p.spans; s++) weights += factors[s] * records[uint64_t{s} * stride + head_dim + 1];
    const uint64_t to = row_offset(a, a.y, blockIdx.x / rows, blockIdx.x % rows);
    for (uint32_t i = threadIdx.x; i < head_dim; i += blockDim.x) {
        float sum = 0;
        for (uint32_t s = 0; s < p.spans; s++) sum = fused_multiply_add(factors[s], records[uint64_t{s} * stride + i], sum);
        store_from_f32(a.y.data, a.y.dtype, to + i, divide(sum, weights));
    }
}

}  // namespace nq::cuda
