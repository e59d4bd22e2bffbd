// Writing a KV cache.
//
//   nq_kv_append     positions first .. first + T - 1 of a layer = rows of keys and values, in the type of the cache
//   nq_kv_set_pages  pages[first + i] = addresses[i]: the page table, when the cache has grown
// keys, values: views [T, kv_heads * head_dim] of f32, f16 or bf16. Cache: device/kv_layout.h. bf16 is rounded once. int8, per position
// and head: scale = absmax / 127, code = round(x * (127 / absmax)), ties to even; absmax below 2^-120 counts as 0; a NaN or an infinity
// makes the scale NaN or infinite and all codes 0, so that the head reads back as NaN. Codes and scales are bit for bit those of the
// scalar CPU kernel.
//
// Launch of nq_kv_append: blocks of 128 threads, one for each page touched, head, and keys or values; 256 bytes of shared memory; at most
// 40 registers. A thread writes one granule of 16 bytes at a time; granules of values shared with positions that stay are written by
// element. int8 first finds the largest |x| of each position, a warp each.
// Cost: reads T * kv_heads * head_dim elements twice (int8: three times, again from cache), writes them once. Launch time for a token; for
// prompts expected at half the bandwidth of device memory or more: rows of keys are read 16 to 64 bytes at a time.
// nq_kv_set_pages: one block.
// Source: arXiv 2309.06180 (pages), 2208.07339 (scales per row).
#include "cuda/kernels/kv_cache.h"

#include "cuda/device/block_reduce.h"
#include "cuda/device/numbers.h"

namespace nq::cuda {

// One head of keys or of values, and the part of a page that becomes it.
struct append_task {
    const view& from;
    uint64_t row;         // of `from` that is position begin of the page
    uint64_t column;      // of `from`
    uint32_t begin, end;  // positions of the page
    uint32_t head_dim;
    void* to;       // keys or values
    float* scales;  // int8

    NQ_DEVICE float load(uint32_t position, uint32_t element) const {
        return load_as_f32(from.data, from.dtype, (row + position - begin) * from.row_stride + column + element);
    }
};

struct f32_code {
    using element = float;
    NQ_DEVICE float operator()(float x, uint32_t) const { return x; }
};
struct bf16_code {
    using element = uint16_t;
    NQ_DEVICE uint16_t operator()(float x, uint32_t) const { return bf16_from_f32(x); }
};
struct int8_code {
    using element = int8_t;
    const float* factors;  // of each position of the page: 127 / absmax, or 0
    NQ_DEVICE int8_t operator()(float x, uint32_t position) const {
        const float scaled = x * factors[position];
        if (scaled != scaled) return 0;
        return static_cast<int8_t>(round_to_int(scaled < -127 ? -127 : scaled > 127 ? 127 : scaled));
    }
};

template <class Element>
struct alignas(16) granule_of {
    static constexpr uint32_t count = 16 / sizeof(Element);
    Element elements[count];
};

template <class Code>
NQ_DEVICE void append_keys(const append_task& t, const Code& code) {
    using granule = granule_of<typename Code::element>;
    const uint32_t positions = t.end - t.begin, granules = static_cast<uint32_t>(kv_key_columns(t.head_dim)) / granule::count;
    NQ_LOOP
    for (uint64_t i = threadIdx.x; i < uint64_t{granules} * positions; i += blockDim.x) {
        const uint32_t position = t.begin + static_cast<uint32_t>(i % positions),
                       first = static_cast<uint32_t>(i / positions) * granule::count;
        granule g;
        NQ_UNROLL
        for (uint32_t e = 0; e < granule::count; e++)
            g.elements[e] = code(first + e < t.head_dim ? t.load(position, first + e) : 0, position);
        static_cast<granule*>(t.to)[kv_key_index(granule::count, position, first) / granule::count] = g;
    }
}

template <class Code>
NQ_DEVICE void append_values(const append_task& t, const Code& code) {
    using element = typename Code::element;
    using granule = granule_of<element>;
    const uint32_t first_granule = t.begin / granule::count, granules = (t.end - 1) / granule::count - first_granule + 1;
    NQ_LOOP
    for (uint64_t i = threadIdx.x; i < uint64_t{granules} * t.head_dim; i += blockDim.x) {
        const uint32_t first = (first_granule + static_cast<uint32_t>(i / t.head_dim)) * granule::count;
        const uint32_t column = static_cast<uint32_t>(i % t.head_dim);
        const uint64_t index = kv_value_index(granule::count, t.head_dim, first, column);
        if (first >= t.begin && first + granule::count <= t.end) {
            granule g;
            NQ_UNROLL
            for (uint32_t e = 0; e < granule::count; e++) g.elements[e] = code(t.load(first + e, column), first + e);
            static_cast<granule*>(t.to)[index / granule::count] = g;
        } else {
            NQ_LOOP
            for (uint32_t e = 0; e < granule::count; e++) {
                const uint32_t position = first + e;
                if (position >= t.begin && position < t.end)
                    static_cast<element*>(t.to)[index + e] = code(t.load(position, column), position);
            }
        }
    }
}

// factors[position] for the codes of each position, and its scale for the page.
NQ_DEVICE void scale_positions(const append_task& t, float* factors) {
    for (uint32_t position = t.begin + warp(); position < t.end; position += blockDim.x / 32) {
        float absmax = 0;
        for (uint32_t i = lane(); i < t.head_dim; i += 32) absmax = largest_of()(absmax, __builtin_fabsf(t.load(position, i)));
        absmax = reduce_warp(absmax, largest_of());
        if (absmax < 0x1p-120f) absmax = 0;
        if (lane() == 0) {
            factors[position] = absmax > 0 ? divide(127, absmax) : 0;
            t.scales[position] = divide(absmax, 127);
        }
    }
    sync_block();
}

NQ_KERNEL(nq_kv_append, kv_append_parameters, kv_append_threads) {
    NQ_SHARED(float, factors, page_positions);
    const bool values = blockIdx.x % 2 != 0;
    const uint32_t head = blockIdx.x / 2 % p.cache.kv_heads;
    const uint64_t page = p.first / page_positions + blockIdx.x / 2 / p.cache.kv_heads, start = page * page_positions;
    const uint64_t after = p.first + p.keys.rows, begin = p.first > start ? p.first : start;
    uint8_t* const memory = kv_head(p.cache, page, head);
    const append_task t{values ? p.values : p.keys,
                        begin - p.first,
                        uint64_t{head} * p.cache.head_dim,
                        static_cast<uint32_t>(begin - start),
                        static_cast<uint32_t>(after < start + page_positions ? after - start : page_positions),
                        p.cache.head_dim,
                        values ? memory + p.cache.key_bytes : memory,
                        values ? kv_value_scales(p.cache, memory) : kv_key_scales(p.cache, memory)};
    const auto append = [&](const auto& code) { values ? append_values(t, code) : append_keys(t, code); };
    if (p.cache.dtype == NQ_DTYPE_F32) {
        append(f32_code());
    } else if (p.cache.dtype == NQ_DTYPE_BF16) {
        append(bf16_code());
    } else {
        scale_positions(t, factors);
        append(int8_code{factors});
    }
}

NQ_KERNEL(nq_kv_set_pages, kv_set_pages_parameters, kv_pages_at_once) {
    if (threadIdx.x < p.count) p.pages[p.first + threadIdx.x] = p.addresses[threadIdx.x];
}

}  // namespace nq::cuda
