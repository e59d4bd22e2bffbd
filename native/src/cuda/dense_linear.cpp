// Dense layers: which kernel for which shape and types.
#include "cuda/dense_linear.h"

#include <algorithm>

#include "cuda/dense_matrix.h"
#include "cuda/device/gemm_layout.h"
#include "cuda/kernels/activation_parts.h"
#include "cuda/kernels/dense_gemm.h"
#include "cuda/kernels/dense_gemm_f32.h"
#include "cuda/kernels/dense_gemv.h"
#include "cuda/linear_layers.h"

namespace nq::cuda {

namespace {

unsigned tiles_of(size_t count, size_t tile) { return static_cast<unsigned>((count + tile - 1) / tile); }

void enqueue_gemv(cuda_backend& device, const view& weights, const tensor& x, const epilogue& e) {
    const auto& kernels = weights.dtype == NQ_DTYPE_F32 ? dense_gemv_f32_kernels : dense_gemv_16bit_kernels;
    const launch_shape shape{.grid_x = tiles_of(weights.rows, dense_gemv_rows), .threads = dense_gemv_threads};
    device.device().launch(kernels[x.rows - 1], shape, {view_of(x), weights, e});
}

void enqueue_gemm_f32(cuda_backend& device, const view& weights, const tensor& x, const epilogue& e) {
    const dense_gemm_f32_tile& tile = dense_gemm_f32_tiles[x.rows > dense_gemm_f32_tiles[0].rows];
    const launch_shape shape{
        .grid_x = tiles_of(x.rows, tile.rows), .grid_y = tiles_of(weights.rows, dense_gemm_f32_columns), .threads = dense_gemm_f32_threads};
    device.device().launch(tile.k, shape, {view_of(x), weights, e});
}

// bf16 parts that hold a number of the type exactly.
uint32_t parts_of(nq_dtype dtype) { return dtype == NQ_DTYPE_F32 ? 3 : dtype == NQ_DTYPE_F16 ? 2 : 1; }

// Whether the rows of x may be copied 16 bytes at a time.
bool in_whole_chunks(const tensor& x) {
    return reinterpret_cast<uintptr_t>(x.data) % 16 == 0 && x.row_stride % 8 == 0 && x.columns % 8 == 0;
}

}  // namespace

std::optional<nq_dtype> dense_activations::type_for(cuda_backend& device, const matrix& weights, const tensor& x) {
    const nq_dtype held = weights.info().dtype;
    if (x.rows <= dense_gemv_most_x_rows || held == NQ_DTYPE_F32) return {};
    if (held == NQ_DTYPE_F16 && x.dtype == NQ_DTYPE_F16) return NQ_DTYPE_F16;
    if (device.device().compute_capability() < 80) return {};  // has none of bf16
    return NQ_DTYPE_BF16;
}

dense_activations::dense_activations(cuda_backend& device, const tensor& x, nq_dtype type)
    : type_(type), parts_(type == NQ_DTYPE_F16 ? 1 : parts_of(x.dtype)) {
    if (x.dtype == type && in_whole_chunks(x)) {
        data_ = static_cast<const uint16_t*>(x.data);
        stride_ = x.row_stride;
        columns_ = x.columns;
        return;
    }
    stride_ = columns_ = dense_stride(x.columns);
    made_.emplace(device.blocks(), parts_ * x.rows * stride_ * sizeof(uint16_t));
    data_ = made_->as<const uint16_t>();
    constexpr size_t most_grid_y = 65535;
    const launch_shape shape{.grid_x = tiles_of(stride_, 4 * activation_parts_threads),
                             .grid_y = static_cast<unsigned>(std::min(x.rows, most_grid_y)),
                             .threads = activation_parts_threads};
    device.device().launch(activation_parts_kernel, shape, {view_of(x), made_->as<uint16_t>(), stride_, parts_, type});
}

void enqueue_linear(cuda_backend& device, const matrix& weights, const dense_activations& x, const epilogue& e) {
    const view w = as_dense(weights).weights();
    dense_gemm_parameters p{};
    p.x = x.data();
    p.x_stride = x.stride();
    p.x_parts = x.parts();
    p.x_columns = static_cast<uint32_t>(x.columns());
    p.weights = static_cast<const uint16_t*>(w.data);
    p.weight_stride = w.row_stride;
    p.weights_in_parts = w.dtype != x.type();
    p.rows = static_cast<uint32_t>(e.y.rows);
    p.columns = static_cast<uint32_t>(w.rows);
    p.slices = static_cast<uint32_t>(w.row_stride / slice_columns);
    p.e = e;

    // The largest tile that is not mostly empty.
    const dense_gemm_tile& tile = dense_gemm_tiles[p.rows <= 16 ? 0 : p.rows <= 64 ? 1 : 2];
    const bool async = device.device().compute_capability() >= 80;
    launch_shape shape{
        .grid_x = tiles_of(p.rows, tile.rows),
        .grid_y = tiles_of(p.columns, dense_gemm_columns),
        .threads = dense_gemm_threads,
        .dynamic_shared_bytes = (tile.rows * p.x_parts + dense_gemm_columns) * slice_row_bytes * (async ? dense_gemm_stages : 2)};
    // Parts of K for the multiprocessors that the tiles leave without work, as long as a part is worth its partial sums.
    constexpr unsigned least_slices = 8;
    const unsigned tiles = shape.grid_x * shape.grid_y;
    shape.grid_z = std::max(1u, std::min(tile.blocks * device.device().multiprocessors() / tiles, p.slices / least_slices));
    const size_t count = e.y.rows * e.y.columns;
    std::optional<device_block> partial_sums;
    if (shape.grid_z > 1) p.partial_sums = partial_sums.emplace(device.blocks(), shape.grid_z * count * sizeof(float)).as<float>();
    device.device().launch(x.type() == NQ_DTYPE_F16 ? tile.f16 : tile.bf16, shape, p);
    if (shape.grid_z > 1) {
        device.device().launch(dense_reduce_kernel, device.device().covering(count, dense_gemm_threads), {p.partial_sums, shape.grid_z, e});
    }
}

void enqueue_linear(cuda_backend& device, const matrix& weights, const tensor& x, const epilogue& e) {
    if (const auto type = dense_activations::type_for(device, weights, x)) {
        enqueue_linear(device, weights, dense_activations(device, x, *type), e);
    } else if (x.rows <= dense_gemv_most_x_rows) {
        enqueue_gemv(device, as_dense(weights).weights(), x, e);
    } else {
        enqueue_gemm_f32(device, as_dense(weights).weights(), x, e);
    }
}

}  // namespace nq::cuda
