#include "cpu/tile_activations.h"

namespace nq::cpu {

tile_activations::tile_activations(cpu_backend& device, const f32_input& x, size_t rows, size_t columns, size_t parts)
    : data_(device.scratch().take_array<uint16_t>(parts * rows * ((columns + 31) / 32 * 32))),
      irregular_(device.scratch().take_array<uint8_t>(rows)),
      view_{data_.as<uint16_t>(), parts, rows, (columns + 31) / 32 * 32, irregular_.as<uint8_t>(), x.data(), x.stride()} {
    device.parallel(rows, columns * parts / 4, [&](size_t begin, size_t end, uint32_t) {
        for (size_t row = begin; row < end; row++) {
            const bool regular = device.kernel().tiles->split_row(x.row(row), columns, row, view_, data_.as<uint16_t>());
            irregular_.as<uint8_t>()[row] = regular ? 0 : 1;
        }
    });
}

}  // namespace nq::cpu
