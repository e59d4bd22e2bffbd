// The 4-bit layer with int8 activations (compute type i8 of nq_linear4bit_forward).
#pragma once

#include "cpu/matrices.h"

namespace nq::cpu {

void linear4bit_int8_forward(cpu_backend& device, const matrix4bit& weights, const tensor& x, const tensor* bias, const tensor& y);

}  // namespace nq::cpu
