// The AVX-512 table, for its own implementation and for those that add to it.
#pragma once

#include "cpu/avx512/functions.h"

namespace nq::cpu::avx512 {

static constexpr kernels table = {
    .name = "avx512",
    .description = "512-bit vectors and 8-bit dot products (VNNI)",
    .requires_features = "avx512f avx512bw avx512dq avx512vl avx512vnni fma f16c",
    .convert_to_f32 = avx512::convert_to_f32,
    .convert_from_f32 = avx512::convert_from_f32,
    .round_through = avx512::round_through,
    .absmax = avx512::absmax,
    .quantize_4bit = avx512::quantize_4bit,
    .dequantize_4bit = avx512::dequantize_4bit,
    .quantize_8bit_block = avx512::quantize_8bit_block,
    .dequantize_8bit_block = avx512::dequantize_8bit_block,
    .int8_row_absmax = avx512::int8_row_absmax,
    .int8_quantize_row = avx512::int8_quantize_row,
    .quantize_activations = avx512::quantize_activations,
    .interleave_rows = avx512::interleave_rows,
    .interleave_codes_4bit = avx512::interleave_codes_4bit,
    .quantize_panel_4bit = avx512::quantize_panel_4bit,
    .linear = avx512::linear,
    .linear4bit = avx512::linear4bit,
    .quantize_activation_blocks = avx512::quantize_activation_blocks,
    .linear4bit_int8 = avx512::linear4bit_int8,
    .tabulate4bit = nullptr,
    .linear4bit_tables = nullptr,
    .linear8bit = avx512::linear8bit,
    .dot = avx512::dot,
    .dot_int8 = avx512::dot_int8,
    .rmsnorm_row = avx512::rmsnorm_row,
    .rotary_head = avx512::rotary_head,
    .gated_silu = avx512::gated_silu,
    .add = avx512::add,
    .exp_sum = avx512::exp_sum,
    .largest = avx512::largest,
    .log_sum_exp = avx512::log_sum_exp,
    .attention_page = avx512::attention_page,
};

}  // namespace nq::cpu::avx512
