// The inner kernels of the CPU backend: one table per instruction set. The driver (cpu_backend.cpp and its neighbours) owns threads,
// staging buffers and types; a kernel works on f32 rows, or panels, of one thread's share. Kernels never allocate, never throw, and give
// the same bits whatever the share. The scalar table is the specification of the others.
//
// Rounding rules that make implementations agree: quantizers and dequantizers must be bit-identical to scalar (separate multiply and
// add, never fused; compile with -ffp-contract=off). Linear, norm, attention and softmax kernels may order sums as they like.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/kv_page.h"
#include "cpu/panels.h"
#include "formats/map_search.h"
#include "nativequant/nativequant.h"

namespace nq::cpu {

// Products on matrix tiles. The driver asks how x is wanted, brings it into that form once for all shares, and calls the product instead of
// the kernel of the same name.
struct tile_products {
    // activations_bf16::parts for m rows of x; 0: the vector kernel is the better one.
    size_t (*linear_parts)(const dense_panels& weights, size_t m);
    size_t (*linear4bit_parts)(const panels4bit& weights, nq_dtype compute_dtype, size_t m);
    // Row `row` of K columns into `data`, laid out as `to` says (1 part: x is rounded to bf16). False if the row is irregular.
    bool (*split_row)(const float* x, size_t columns, size_t row, const activations_bf16& to, uint16_t* data);
    void (*linear)(const dense_panels& weights, const activations_bf16& x, const float* bias, float* y, size_t y_stride, size_t panel_begin,
                   size_t panel_end);
    void (*linear4bit)(const panels4bit& weights, const activations_bf16& x, const float* bias, nq_dtype compute_dtype, float* y,
                       size_t y_stride, size_t panel_begin, size_t panel_end);
};

struct kernels {
    const char* name;
    const char* description;
    const char* requires_features;  // space-separated names as nq_cpu_features() prints them

    // --- conversion: n elements, any alignment; f32 <-> f16 / bf16 / f32, round to nearest even, NaN stays NaN, f16 overflow gives
    // infinity
    void (*convert_to_f32)(const void* source, nq_dtype dtype, float* destination, size_t n);
    void (*convert_from_f32)(const float* source, void* destination, nq_dtype dtype, size_t n);
    // destination[i] = f32(T(source[i])), T = dtype: one rounding through a narrower type. In place allowed.
    void (*round_through)(const float* source, nq_dtype dtype, float* destination, size_t n);

    // --- formats
    // Largest |x|; NaN if a value is NaN, infinity if one is infinite.
    float (*absmax)(const float* x, size_t n);
    // n values of type dtype at any address, in blocks of `blocksize` (a multiple of 32; the last may be shorter): absmax[b] = largest |x|,
    // packed codes with the first of two in the high nibble, an odd n ending with the code of 0. False if a value is NaN or infinite: then
    // the absmax of its block is not finite and the codes of that block are of no use.
    bool (*quantize_4bit)(const void* source, nq_dtype dtype, size_t n, uint32_t blocksize, nq_quant_type type, uint8_t* packed,
                          float* absmax);
    // values[i] = codebook[code of flat element first + i] * absmax[(first + i) / blocksize]
    void (*dequantize_4bit)(const uint8_t* packed, size_t first, size_t n, const float* codebook, const float* absmax, uint32_t blocksize,
                            float* values);
    // One 8-bit block: nearest entry of the searched map, ties to the even index. |x| <= absmax.
    void (*quantize_8bit_block)(const float* x, size_t n, float absmax, const formats::map_search& search, uint8_t* codes);
    // values[i] = map[codes[i]] * absmax
    void (*dequantize_8bit_block)(const uint8_t* codes, size_t n, const float* map, float absmax, float* values);
    // Largest |x| below threshold (threshold > 0) or of all (0); NaN if threshold is 0 and a value is not finite.
    // Outliers (threshold > 0 and not |x| < threshold) set outlier_columns[i] = 1; others leave it. outlier_columns may be null if
    // threshold is 0.
    float (*int8_row_absmax)(const float* x, size_t n, float threshold, uint8_t* outlier_columns);
    // codes[i] = round_to_nearest_even(x[i] * (127 / row_absmax)), 0 for |x| >= threshold > 0, NaN, skip[i] != 0, or row_absmax 0 or NaN.
    // skip may be null. Where 127 / row_absmax overflows, infinite products are clamped to +-127 and 0 gives 0.
    void (*int8_quantize_row)(const float* x, size_t n, float row_absmax, float threshold, const uint8_t* skip, int8_t* codes);

    // A row of activations8bit: codes[i] = 128 + round_to_nearest_even(f16(x[i]) * (127 / row_absmax)), finite x saturating at +-65504 in
    // f16; 128 where skip[i] != 0 (skip may be null), everywhere if row_absmax is 0 or NaN, and from n up to a multiple of 64.
    // |f16(x[i])| <= row_absmax wherever skip[i] is 0.
    void (*quantize_activations)(const float* x, size_t n, float row_absmax, const uint8_t* skip, uint8_t* codes);

    // --- panels: `valid` (1 to 16) rows that begin `stride` bytes apart, at any address, become the 16 lanes; other lanes are 0
    // panel[i * 16 + lane] = element i of row `lane`, for count elements of `width` 2 or 4 bytes
    void (*interleave_rows)(const void* rows, size_t stride, size_t valid, size_t count, size_t width, void* panel);
    // The same for count dwords of eight packed codes each (high nibble first), which get the nibble order of panels4bit.
    void (*interleave_codes_4bit)(const uint8_t* rows, size_t stride, size_t valid, size_t count, uint32_t* nibbles);
    // 16 rows of n values (whole blocks of up to 4096) at once, `stride` values apart: their codes as quantize_4bit and
    // interleave_codes_4bit leave them, absmax of block b of row r at absmax[r * absmax_stride + b]. nibbles lie on a 64-byte boundary.
    // False as quantize_4bit. Null where those two are as fast.
    bool (*quantize_panel_4bit)(const void* source, size_t stride, nq_dtype dtype, size_t n, uint32_t blocksize, nq_quant_type type,
                                uint32_t* nibbles, float* absmax, size_t absmax_stride);

    // --- linear: y[m][n] for the panels panel_begin <= p < panel_end and all M rows of x; bias (N values) may be null
    void (*linear)(const dense_panels& weights, const float* x, size_t m, size_t x_stride, const float* bias, float* y, size_t y_stride,
                   size_t panel_begin, size_t panel_end);
    // compute_dtype F32, F16 or BF16: weights are rounded through it; x and bias already are, y is rounded by the caller.
    void (*linear4bit)(const panels4bit& weights, const float* x, size_t m, size_t x_stride, const float* bias, nq_dtype compute_dtype,
                       float* y, size_t y_stride, size_t panel_begin, size_t panel_end);
    // Row `row` of x.rows, whose K columns are whole blocks, into arrays laid out as activations4bit says: int8_row_absmax and
    // int8_quantize_row of each block.
    void (*quantize_activation_blocks)(const float* x, size_t columns, uint32_t block, size_t row, size_t rows, int8_t* codes,
                                       float* scales, int32_t* offsets);
    // Integer sum of each block, times (absmax of the weights * scale of x), added up in f32 (see nq_linear4bit_forward).
    void (*linear4bit_int8)(const panels4bit& weights, const activations4bit& x, const float* bias, float* y, size_t y_stride,
                            size_t panel_begin, size_t panel_end);
    // linear4bit of one row of x in F32 by tables made of it beforehand: blocks begin <= b < end of x, then panels. Null where linear4bit
    // is as fast. |codebook| at most 1.
    void (*tabulate4bit)(const float* codebook, const float* x, uint32_t block, size_t begin, size_t end, uint8_t* digits, float* units);
    void (*linear4bit_tables)(const panels4bit& weights, const tables4bit& x, const float* bias, float* y, size_t panel_begin,
                              size_t panel_end);
    void (*linear8bit)(const panels8bit& weights, const activations8bit& x, const float* bias, float* y, size_t y_stride,
                       size_t panel_begin, size_t panel_end);
    // sum x[i] * y[i]
    float (*dot)(const float* x, const float* y, size_t n);
    // exact sum of a[i] * b[i]
    int32_t (*dot_int8)(const int8_t* a, const int8_t* b, size_t n);

    // --- transformer operations on one row
    void (*rmsnorm_row)(const float* x, const float* weight, float epsilon, float* y, size_t n);
    // one head: half = number of rotated pairs
    void (*rotary_head)(float* x, const float* cosine, const float* sine, size_t half);
    void (*gated_silu)(const float* gate, const float* up, float* y, size_t n);
    void (*add)(const float* x, float* y, size_t n);  // y += x
    // y[i] = exp(x[i] - largest) for all i, returns the sum; in place allowed
    float (*exp_sum)(const float* x, float largest, float* y, size_t n);
    float (*largest)(const float* x, size_t n);  // NaN if a value is NaN
    // log(sum(exp(x))), summed in f64
    double (*log_sum_exp)(const float* x, size_t n);
    // Takes the softmax of the rows over one more page: see kv_page.h. scratch: page_scratch(head_dim) floats, 64-byte aligned.
    void (*attention_page)(const kv_page& page, const attention_rows& rows, float* scratch);

    const tile_products* tiles = nullptr;  // null: none
};

// Best first; the last is the scalar reference, which runs anywhere. Adding an implementation: its folder, its CMake line, one line in
// dispatch.cpp.
extern const kernels scalar_kernels;
#if defined(NQ_X86_64)
extern const kernels avx2_kernels;
extern const kernels avx512_kernels;
extern const kernels amx_kernels;
#endif

}  // namespace nq::cpu
