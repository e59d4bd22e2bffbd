// Activations in bf16 parts, as products on matrix tiles read them.
#pragma once

#include "cpu/staging.h"

namespace nq::cpu {

class tile_activations {
public:
    // `parts` as the implementation's tile_products asked for, not 0. x must outlive this.
    tile_activations(cpu_backend& device, const f32_input& x, size_t rows, size_t columns, size_t parts);

    const activations_bf16& view() const noexcept { return view_; }

private:
    scratch_pool::lease data_, irregular_;
    activations_bf16 view_;
};

}  // namespace nq::cpu
