// What the AMX table has of its own.
#pragma once

#include "cpu/amx/tile.h"
#include "cpu/kernels.h"

namespace nq::cpu::amx::NQ_TILES {

size_t linear_parts(const dense_panels& weights, size_t m);
size_t linear4bit_parts(const panels4bit& weights, nq_dtype compute_dtype, size_t m);
bool split_row(const float* x, size_t columns, size_t row, const activations_bf16& x_parts, uint16_t* data);
void linear(const dense_panels& weights, const activations_bf16& x, const float* bias, float* y, size_t y_stride, size_t panel_begin,
            size_t panel_end);
void linear4bit(const panels4bit& weights, const activations_bf16& x, const float* bias, nq_dtype compute_dtype, float* y, size_t y_stride,
                size_t panel_begin, size_t panel_end);
void linear4bit_exact(const panels4bit& weights, const activations_bf16& x, const float* bias, float* y, size_t y_stride,
                      size_t panel_begin, size_t panel_end);
void linear8bit(const panels8bit& weights, const activations8bit& x, const float* bias, float* y, size_t y_stride, size_t panel_begin,
                size_t panel_end);

}  // namespace nq::cpu::amx::NQ_TILES
