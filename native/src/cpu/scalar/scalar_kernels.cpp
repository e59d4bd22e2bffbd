#include "cpu/scalar/scalar.h"

namespace nq::cpu {

const kernels scalar_kernels = {
    .name = "scalar",
    .description = "plain C++, the reference; runs on any processor",
    .requires_features = "",
    .convert_to_f32 = scalar::convert_to_f32,
    .convert_from_f32 = scalar::convert_from_f32,
    .round_through = scalar::round_through,
    .absmax = scalar::absmax,
    .quantize_4bit = scalar::quantize_4bit,
    .dequantize_4bit = scalar::dequantize_4bit,
    .quantize_8bit_block = scalar::quantize_8bit_block,
    .dequantize_8bit_block = scalar::dequantize_8bit_block,
    .int8_row_absmax = scalar::int8_row_absmax,
    .int8_quantize_row = scalar::int8_quantize_row,
    .quantize_activations = scalar::quantize_activations,
    .interleave_rows = scalar::interleave_rows,
    .interleave_codes_4bit = scalar::interleave_codes_4bit,
    .quantize_panel_4bit = nullptr,
    .linear = scalar::linear,
    .linear4bit = scalar::linear4bit,
    .quantize_activation_blocks = scalar::quantize_activation_blocks,
    .linear4bit_int8 = scalar::linear4bit_int8,
    .tabulate4bit = nullptr,
    .linear4bit_tables = nullptr,
    .linear8bit = scalar::linear8bit,
    .dot = scalar::dot,
    .dot_int8 = scalar::dot_int8,
    .rmsnorm_row = scalar::rmsnorm_row,
    .rotary_head = scalar::rotary_head,
    .gated_silu = scalar::gated_silu,
    .add = scalar::add,
    .exp_sum = scalar::exp_sum,
    .largest = scalar::largest,
    .log_sum_exp = scalar::log_sum_exp,
    .attention_page = scalar::attention_page,
};

}  // namespace nq::cpu
