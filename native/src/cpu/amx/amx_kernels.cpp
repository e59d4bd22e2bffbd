#include "cpu/amx/functions.h"
#include "cpu/avx512/table.h"

namespace nq::cpu {

namespace {

constexpr tile_products products = {
    .linear_parts = amx::NQ_TILES::linear_parts,
    .linear4bit_parts = amx::NQ_TILES::linear4bit_parts,
    .split_row = amx::NQ_TILES::split_row,
    .linear = amx::NQ_TILES::linear,
    .linear4bit = amx::NQ_TILES::linear4bit,
};

// The AVX-512 kernels, and products on tiles.
constexpr kernels with_tiles(const char* name, const char* description, const char* requires_features) {
    kernels table = avx512::table;
    table.name = name;
    table.description = description;
    table.requires_features = requires_features;
    table.linear8bit = amx::NQ_TILES::linear8bit;
    table.tiles = &products;
    return table;
}

}  // namespace

#if defined(NQ_EMULATE_TILES)
extern const kernels amx_emulated_kernels;
const kernels amx_emulated_kernels =
    with_tiles("amx_emulated", "the amx kernels with tile instructions in plain C++, for tests", avx512::table.requires_features);
#else
const kernels amx_kernels = with_tiles("amx", "matrix tiles (AMX) for bf16 and int8 products, 512-bit vectors for the rest",
                                       "avx512f avx512bw avx512dq avx512vl avx512vnni fma f16c amx-tile amx-bf16 amx-int8");
#endif

}  // namespace nq::cpu
