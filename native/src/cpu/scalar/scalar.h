// The scalar implementation: the specification of every kernel, in plain C++ that runs on any processor. Sums are f64, so that the other
// implementations are judged against something better than themselves. See kernels.h for what each function computes.
#pragma once

#include "cpu/kernels.h"

namespace nq::cpu::scalar {

void convert_to_f32(const void* source, nq_dtype dtype, float* destination, size_t n);
void convert_from_f32(const float* source, void* destination, nq_dtype dtype, size_t n);
void round_through(const float* source, nq_dtype dtype, float* destination, size_t n);

float absmax(const float* x, size_t n);
void quantize_4bit_block(const float* x, size_t n, float absmax, nq_quant_type type, uint8_t* codes);
void dequantize_4bit(const uint8_t* packed, size_t first, size_t n, const float* codebook, const float* absmax, uint32_t blocksize,
                     float* values);
void quantize_8bit_block(const float* x, size_t n, float absmax, const float* map, uint8_t* codes);
void dequantize_8bit_block(const uint8_t* codes, size_t n, const float* map, float absmax, float* values);
float int8_row_absmax(const float* x, size_t n, float threshold, uint8_t* outlier_columns);
void int8_quantize_row(const float* x, size_t n, float row_absmax, float threshold, const uint8_t* skip, int8_t* codes);

void linear(const dense_panels& weights, const float* x, size_t m, size_t x_stride, const float* bias, float* y, size_t y_stride,
            size_t panel_begin, size_t panel_end);
void linear4bit(const panels4bit& weights, const float* x, size_t m, size_t x_stride, const float* bias, nq_dtype compute_dtype, float* y,
                size_t y_stride, size_t panel_begin, size_t panel_end);
void linear8bit(const panels8bit& weights, const activations8bit& x, const float* bias, float* y, size_t y_stride, size_t panel_begin,
                size_t panel_end);
float dot(const float* x, const float* y, size_t n);
int32_t dot_int8(const int8_t* a, const int8_t* b, size_t n);

void rmsnorm_row(const float* x, const float* weight, float epsilon, float* y, size_t n);
void rotary_head(float* x, const float* cosine, const float* sine, size_t half);
void gated_silu(const float* gate, const float* up, float* y, size_t n);
void add(const float* x, float* y, size_t n);
float exp_sum(const float* x, float largest, float* y, size_t n);
float largest(const float* x, size_t n);
double log_sum_exp(const float* x, size_t n);
void attention_scores(const float* q, const float* k, size_t key_stride, size_t count, size_t head_dim, float scale, float* scores);
void attention_values(const float* weights, const float* v, size_t value_stride, size_t count, size_t head_dim, float* acc);

}  // namespace nq::cpu::scalar
