// LLM.int8() layers: the activations are quantized, then multiplied; two launches.
#include "cuda/linear8bit.h"

#include <algorithm>

#include "cuda/linear_layers.h"
#include "cuda/matrix8bit.h"

namespace nq::cuda {

namespace {

// Parts that each of `tiles` of a result is cut into along K so that there is a block and a bit for every multiprocessor; each part of at
// least `least` tiles of columns, and a multiple of `step`.
void split(linear8bit_parameters& p, uint32_t tiles, uint32_t least, uint32_t step, unsigned multiprocessors) {
    const uint32_t wanted = std::max(2 * multiprocessors / tiles, 1u), most = std::max(p.column_tiles / least, 1u);
    const uint32_t parts = std::min(wanted, most);
    p.split_tiles = ((p.column_tiles + parts - 1) / parts + step - 1) / step * step;
    p.splits = (p.column_tiles + p.split_tiles - 1) / p.split_tiles;
}

// Bytes of p.partial_sums.
size_t partial_bytes(const linear8bit_parameters& p, size_t tiles, size_t tile_elements) {
    return p.splits > 1 ? tiles * p.splits * tile_elements * sizeof(int32_t) : 1;
}

void enqueue_gemv(cuda_backend& device, linear8bit_parameters p) {
    constexpr uint32_t least_tiles = 32;  // four loads for each of eight warps
    const uint32_t tiles = (p.columns + fragments8bit::tile_rows - 1) / fragments8bit::tile_rows;
    split(p, tiles, least_tiles, 1, device.device().multiprocessors());
    const device_block sums = device.scratch(partial_bytes(p, tiles, linear8bit_gemv_elements));
    p.partial_sums = sums.as<int32_t>();
    if (p.splits > 1) p.tickets = device.tickets();
    device.device().launch(linear8bit_gemv_kernel, {.grid_x = tiles, .grid_y = p.splits, .threads = linear8bit_gemv_threads}, p);
}

}  // namespace

int8_activations::int8_activations(cuda_backend& device, const tensor& x, float threshold)
    : column_tiles((x.columns + fragments8bit::tile_columns - 1) / fragments8bit::tile_columns),
      codes(device.scratch(x.rows * column_tiles * fragments8bit::tile_columns)),
      row_absmax(device.scratch(x.rows * sizeof(float))),
      outliers(device.scratch((1 + (threshold > 0 ? x.columns : 0)) * sizeof(uint32_t))) {
    int8_rows_parameters p{};
    p.x = view_of(x);
    p.threshold = threshold;
    p.round_to_f16 = 1;
    p.codes = codes.as<int8_t>();
    p.code_stride = p.padded_columns = column_tiles * fragments8bit::tile_columns;
    p.row_absmax = row_absmax.as<float>();
    p.outlier_count = outliers.as<uint32_t>();
    p.outlier_columns = outliers.as<uint32_t>() + 1;
    enqueue_int8_rows(device, p);
}

void enqueue_linear8bit_gemm(cuda_backend& device, linear8bit_parameters p) {
    constexpr uint32_t least_tiles = 8;
    const size_t which = p.rows <= linear8bit_tiles[0].rows ? 0 : p.rows <= linear8bit_tiles[1].rows ? 1 : 2;
    const linear8bit_tile& tile = linear8bit_tiles[which];
    const uint32_t across = (p.rows + tile.rows - 1) / tile.rows, along = (p.columns + tile.columns - 1) / tile.columns;
    split(p, across * along, least_tiles, tile.depth / fragments8bit::tile_columns, device.device().multiprocessors());
    const device_block sums = device.scratch(partial_bytes(p, size_t{across} * along, tile.rows * tile.columns));
    p.partial_sums = sums.as<int32_t>();
    if (p.splits > 1) p.tickets = device.tickets();
    device.device().launch(linear8bit_gemm_kernels[which],
                           {.grid_x = across,
                            .grid_y = along,
                            .grid_z = p.splits,
                            .threads = tile.threads(),
                            .dynamic_shared_bytes = linear8bit_stages * tile.stage_bytes()},
                           p);
}

void enqueue_linear8bit(cuda_backend& device, const matrix& weights, const tensor& x, const int8_activations& activations,
                        const epilogue& e) {
    const matrix8bit& w = as_8bit(weights);
    linear8bit_parameters p{};
    p.fragments = w.fragments();
    p.weight_absmax = w.row_absmax();
    p.codes = activations.codes.as<int8_t>();
    p.code_stride = activations.column_tiles * fragments8bit::tile_columns;
    p.row_absmax = activations.row_absmax.as<float>();
    p.x = view_of(x);
    p.outlier_count = activations.outliers.as<uint32_t>();
    p.outlier_columns = activations.outliers.as<uint32_t>() + 1;
    p.out = e;
    p.rows = static_cast<uint32_t>(x.rows);
    p.columns = static_cast<uint32_t>(w.rows());
    p.column_tiles = static_cast<uint32_t>(w.column_tiles());
    if (p.rows <= linear8bit_gemv_rows) {
        enqueue_gemv(device, p);
    } else {
        enqueue_linear8bit_gemm(device, p);
    }
}

void enqueue_linear8bit(cuda_backend& device, const matrix& weights, const tensor& x, float threshold, const epilogue& e) {
    enqueue_linear8bit(device, weights, x, int8_activations(device, x, threshold), e);
}

void cuda_backend::linear8bit_forward(const matrix& weights, const tensor& x, const tensor* bias, float threshold, const tensor& y) {
    enqueue_linear8bit(*this, weights, x, threshold, store_to(y, bias));
}

}  // namespace nq::cuda
