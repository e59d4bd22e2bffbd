// The 4-bit layer with int8 activations (compute type i8 of nq_linear4bit_forward).
#pragma once

#include "cpu/matrices.h"
#include "cpu/staging.h"

namespace nq::cpu {

// The activations of such a layer, made once and multiplied with the panels of any number of matrices of the same K and blocksize.
class activation_blocks {
public:
    // Codes of x [rows, columns], block by block; columns is a multiple of `block` (int8_block_columns of the weights' blocksize).
    activation_blocks(cpu_backend& device, const f32_input& x, size_t rows, size_t columns, uint32_t block);

    const activations4bit& view() const noexcept { return view_; }

private:
    scratch_pool::lease codes_, scales_, offsets_;
    activations4bit view_;
};

void linear4bit_int8_forward(cpu_backend& device, const matrix4bit& weights, const tensor& x, const tensor* bias, const tensor& y);

}  // namespace nq::cpu
