// One row of activations as tables for 4-bit products, made once and used with the panels of any number of matrices of the same K, codebook
// and blocksize.
#pragma once

#include "cpu/cpu_backend.h"

namespace nq::cpu {

class activation_tables {
public:
    // Whether this device multiplies so many rows of x with these weights by tables.
    static bool worthwhile(const cpu_backend& device, const panels4bit& weights, size_t rows, nq_dtype compute_dtype);

    // x outlives this.
    activation_tables(cpu_backend& device, const panels4bit& weights, const float* x);

    const tables4bit& view() const noexcept { return view_; }

private:
    scratch_pool::lease digits_, units_;
    tables4bit view_;
};

}  // namespace nq::cpu
