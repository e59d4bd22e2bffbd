#include "cpu/avx2/functions.h"

namespace nq::cpu {

const kernels avx2_kernels = {
    .name = "avx2",
    .description = "256-bit vectors",
    .requires_features = "avx2 fma f16c",
    .convert_to_f32 = avx2::convert_to_f32,
    .convert_from_f32 = avx2::convert_from_f32,
    .round_through = avx2::round_through,
    .absmax = avx2::absmax,
    .quantize_4bit = avx2::quantize_4bit,
    .dequantize_4bit = avx2::dequantize_4bit,
    .quantize_8bit_block = avx2::quantize_8bit_block,
    .dequantize_8bit_block = avx2::dequantize_8bit_block,
    .int8_row_absmax = avx2::int8_row_absmax,
    .int8_quantize_row = avx2::int8_quantize_row,
    .quantize_activations = avx2::quantize_activations,
    .interleave_rows = avx2::interleave_rows,
    .interleave_codes_4bit = avx2::interleave_codes_4bit,
    .quantize_panel_4bit = nullptr,
    .linear = avx2::linear,
    .linear4bit = avx2::linear4bit,
    .quantize_activation_blocks = avx2::quantize_activation_blocks,
    .linear4bit_int8 = avx2::linear4bit_int8,
    .tabulate4bit = avx2::tabulate4bit,
    .linear4bit_tables = avx2::linear4bit_tables,
    .linear8bit = avx2::linear8bit,
    .dot = avx2::dot,
    .dot_int8 = avx2::dot_int8,
    .rmsnorm_row = avx2::rmsnorm_row,
    .rotary_head = avx2::rotary_head,
    .gated_silu = avx2::gated_silu,
    .add = avx2::add,
    .exp_sum = avx2::exp_sum,
    .largest = avx2::largest,
    .log_sum_exp = avx2::log_sum_exp,
    .attention_page = avx2::attention_page,
};

}  // namespace nq::cpu
