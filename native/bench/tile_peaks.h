// The peak of the matrix tiles (AMX): products of 16 rows by 16 columns with all operands in tiles, and in the 2 x 2 arrangement of the
// kernels, where each four products take four loads, here all from the first-level cache.
#pragma once

#include <cstddef>

#include "cpu/amx/tile.h"
#include "cpu/processors.h"

namespace nq::bench {

namespace tiles = cpu::amx::tiles;

inline bool tiles_usable() { return cpu::has_cpu_features("amx-tile amx-bf16 amx-int8"); }

// Configured for the life of the object: eight full tiles, cleared.
class full_tiles {
public:
    full_tiles() {
        cpu::amx::tile_configuration c;
        for (int tile = 0; tile < 8; ++tile) c.row_bytes[tile] = 64, c.rows[tile] = 16;
        tiles::configure(c);
    }
    full_tiles(const full_tiles&) = delete;
    full_tiles& operator=(const full_tiles&) = delete;
    ~full_tiles() { tiles::release(); }
};

struct bf16_tiles {
    template <int c, int a, int b>
    static void multiply() {
        tiles::multiply_bf16<c, a, b>();
    }
};

struct int8_tiles {
    template <int c, int a, int b>
    static void multiply() {
        tiles::multiply_u8s8<c, a, b>();
    }
};

// Four products a round.
template <class Products>
void tile_registers(size_t rounds) {
    const full_tiles configured;
    for (size_t i = 0; i < rounds; ++i) {
        Products::template multiply<0, 6, 4>();
        Products::template multiply<1, 6, 5>();
        Products::template multiply<2, 7, 4>();
        Products::template multiply<3, 7, 5>();
    }
}

// The same from 16 KiB: four tiles of columns of two tiles each of x and W.
template <class Products>
void tile_loads(size_t rounds) {
    alignas(64) static constexpr char zeros[16][1024] = {};
    const full_tiles configured;
    for (size_t i = 0; i < rounds; ++i) {
        const size_t step = i % 4 * 4;
        tiles::load<4>(zeros[step], 64);
        tiles::load<5>(zeros[step + 1], 64);
        tiles::load<6>(zeros[step + 2], 64);
        Products::template multiply<0, 6, 4>();
        Products::template multiply<1, 6, 5>();
        tiles::load<7>(zeros[step + 3], 64);
        Products::template multiply<2, 7, 4>();
        Products::template multiply<3, 7, 5>();
    }
}

constexpr double bf16_tile_operations = 4 * 16 * 16 * 32 * 2, int8_tile_operations = 4 * 16 * 16 * 64 * 2;

}  // namespace nq::bench
