// The activations of an 8-bit linear layer, made once and multiplied with the panels of any number of matrices of the same K.
#pragma once

#include "cpu/cpu_backend.h"

namespace nq::cpu {

class quantized_activations {
public:
    // Row-wise int8 codes of f16(x); the outlier columns of the whole batch (threshold > 0) are left to the f32 product.
    quantized_activations(cpu_backend& device, const tensor& x, float threshold);

    const activations8bit& view() const noexcept { return view_; }

private:
    scratch_pool::lease codes_, row_absmax_, outliers_, outlier_values_;
    activations8bit view_;
};

}  // namespace nq::cpu
