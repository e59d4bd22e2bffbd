// 4-bit layers: which kernel, in what shape.
#include <algorithm>
#include <optional>

#include "cuda/dense_matrix.h"
#include "cuda/device/fragments4bit.h"
#include "cuda/kernels/linear4bit_flat.h"
#include "cuda/kernels/linear4bit_gemm.h"
#include "cuda/kernels/linear4bit_gemv.h"
#include "cuda/kernels/linear4bit_int8.h"
#include "cuda/linear_layers.h"
#include "cuda/matrix4bit.h"

namespace nq::cuda {

namespace {

unsigned groups_of(size_t count, size_t size) { return static_cast<unsigned>((count + size - 1) / size); }

// Logarithm of the copies of the pair table (device/code_pairs.h): sixteen keep up with stacked memory; four do otherwise and leave room
// for more blocks.
uint32_t table_copies_log2(const device_context& device) { return device.stacked_memory() ? 4 : 2; }

view rows_of(const view& v, size_t first, size_t rows) {
    return {static_cast<char*>(v.data) + first * v.row_stride * element_size(v.dtype), rows, v.columns, v.row_stride, v.dtype};
}

// How a vector product is shared out; what its kernels have in common.
struct gemv_plan {
    gemv_plan(cuda_backend& device, const matrix4bit& m, const view& x, const epilogue& e)
        : variant(x.rows == 1   ? 0
                  : x.rows == 2 ? 1
                                : 2) {
        const unsigned tiles = groups_of(m.layout().rows, fragments4bit::tile_rows), rows = 1u << variant;
        const unsigned row_groups = groups_of(x.rows, rows), most_blocks = device.device().multiprocessors() * (rows == 1 ? 2 : 1);
        // K is split until the device is full, as long as every warp has a unit.
        const unsigned units = groups_of(m.layout().columns, gemv4bit_unit);
        const unsigned splits = std::clamp(most_blocks / (tiles * row_groups), 1u, std::max(1u, units / gemv4bit_warps));
        if (splits > 1)
            parts.emplace(device.blocks(), size_t{tiles} * row_groups * splits * rows * fragments4bit::tile_rows * sizeof(float));
        const uint32_t copies = table_copies_log2(device.device());
        shape = {.grid_x = tiles * splits,
                 .grid_y = row_groups,
                 .threads = gemv4bit_threads,
                 .dynamic_shared_bytes = gemv4bit_shared_bytes(rows, copies)};
        parameters = {m.weights(), x, e, copies, splits, parts ? parts->as<float>() : nullptr, device.tickets()};
    }

    unsigned variant;  // of the kernels for 1, 2 and 4 rows
    std::optional<device_block> parts;
    launch_shape shape;
    gemv4bit_parameters parameters;
};

void enqueue_gemv(cuda_backend& device, const matrix4bit& m, const view& x, nq_dtype type, const epilogue& e) {
    const gemv_plan plan(device, m, x, e);
    const auto& kernels = type == NQ_DTYPE_F32 ? gemv4bit_f32_kernels : type == NQ_DTYPE_F16 ? gemv4bit_f16_kernels : gemv4bit_bf16_kernels;
    device.device().launch(kernels[plan.variant], plan.shape, plan.parameters);
}

void enqueue_flat(cuda_backend& device, const matrix4bit& m, const view& x, const epilogue& e) {
    device.device().launch(linear4bit_flat_kernel,
                           {.grid_x = groups_of(m.layout().rows, linear4bit_flat_threads / 32),
                            .grid_y = groups_of(x.rows, linear4bit_flat_rows),
                            .threads = linear4bit_flat_threads},
                           {m.weights(), x, e});
}

void enqueue_int8(cuda_backend& device, const matrix4bit& m, const view& x, const epilogue& e) {
    constexpr size_t alignment = 16, blocks_per_multiprocessor = 8;
    const uint32_t block = int8_block_columns(m.layout().blocksize);
    const size_t stride = (x.columns + alignment - 1) / alignment * alignment, blocks = groups_of(x.columns, block);
    const device_block codes = device.scratch(x.rows * stride), scales = device.scratch(x.rows * blocks * sizeof(float));
    const activations4bit activations{codes.as<int8_t>(), scales.as<float>(), stride, blocks};
    const unsigned covering = groups_of(x.rows * blocks, quantize_activations4bit_threads / 32);
    device.device().launch(quantize_activations4bit_kernel,
                           {.grid_x = std::min<unsigned>(covering, device.device().multiprocessors() * blocks_per_multiprocessor),
                            .threads = quantize_activations4bit_threads},
                           {x, activations, block, m.in_fragments()});
    if (m.in_fragments()) {
        const gemv_plan plan(device, m, x, e);
        device.device().launch(gemv4bit_int8_kernels[plan.variant], plan.shape, {plan.parameters, activations});
    } else {
        device.device().launch(linear4bit_flat_int8_kernel,
                               {.grid_x = groups_of(m.layout().rows, flat_int8_threads / 32),
                                .grid_y = groups_of(x.rows, flat_int8_rows),
                                .threads = flat_int8_threads},
                               {m.weights(), activations, x.rows, block, e});
    }
}

// Rows of x as the matrix product reads them: in T and aligned. Given ones are taken as they are if they will do.
class gemm_input {
public:
    gemm_input(cuda_backend& device, const view& x, nq_dtype type) : x_(x) {
        if (x.dtype == type && reinterpret_cast<uintptr_t>(x.data) % 16 == 0 && x.row_stride % 8 == 0) return;
        converted_.emplace(device.blocks(), x.rows * x.columns * 2);
        x_ = {converted_->address(), x.rows, x.columns, x.columns, type};
        enqueue_convert(device, x, x_, x.columns);
    }
    const uint16_t* data() const noexcept { return static_cast<const uint16_t*>(x_.data); }
    size_t stride() const noexcept { return x_.row_stride; }

private:
    view x_;
    std::optional<device_block> converted_;
};

void enqueue_gemm(cuda_backend& device, const matrix4bit& m, const view& x, nq_dtype type, const epilogue& e) {
    constexpr uint64_t least_steps = 2;  // of a stripe
    const device_context& context = device.device();
    const unsigned variant = x.rows <= 16 ? 0 : x.rows <= 32 ? 1 : 2, rows = 16u << variant;
    stripes work{uint64_t{groups_of(x.rows, rows)} * groups_of(m.layout().rows, gemm4bit_n), groups_of(m.layout().columns, gemm4bit_k), 0};
    const uint64_t most_blocks = context.multiprocessors() * (variant == 2 ? 1 : 2);
    work.count = static_cast<uint32_t>(std::clamp<uint64_t>(work.total() / least_steps, 1, most_blocks));
    const gemm_input input(device, x, type);
    const device_block parts = device.scratch(work.parts() * rows * gemm4bit_n * sizeof(float));
    const uint32_t copies = table_copies_log2(context);
    device.device().launch((type == NQ_DTYPE_F16 ? gemm4bit_f16_kernels : gemm4bit_bf16_kernels)[variant],
                           {.grid_x = work.count,
                            .threads = gemm4bit_threads,
                            .dynamic_shared_bytes = gemm4bit_shared_bytes(rows, copies, gemm4bit_stages(context.compute_capability()))},
                           {m.weights(), input.data(), x.rows, input.stride(), e, work, copies, parts.as<float>(), device.tickets()});
}

// Tensor cores multiply f16, and from compute capability 8.0 on bf16.
bool has_matrix_product(const device_context& device, nq_dtype type) {
    return type == NQ_DTYPE_F16 || (type == NQ_DTYPE_BF16 && device.compute_capability() >= 80);
}

}  // namespace

void enqueue_linear4bit(cuda_backend& device, const matrix& weights, const tensor& x, nq_dtype compute_dtype, const epilogue& e) {
    constexpr size_t most_rows = size_t{65535} * std::min({linear4bit_flat_rows, flat_int8_rows, gemv4bit_most_rows});
    const matrix4bit& m = as_4bit(weights);
    if (m.in_fragments() && x.rows > gemv4bit_most_rows && has_matrix_product(device.device(), compute_dtype)) {
        return enqueue_gemm(device, m, view_of(x), compute_dtype, e);
    }
    for (size_t first = 0; first < x.rows; first += most_rows) {  // one grid each
        const size_t rows = std::min(most_rows, x.rows - first);
        const view part = rows_of(view_of(x), first, rows);
        epilogue f = e;
        f.y = rows_of(e.y, first, rows);
        if (e.kind == epilogue_kind::gate) {
            f.gate += first * e.y.columns;
            f.gated = rows_of(e.gated, first, rows);
        }
        if (compute_dtype == NQ_DTYPE_I8) {
            enqueue_int8(device, m, part, f);
        } else if (m.in_fragments()) {
            enqueue_gemv(device, m, part, compute_dtype, f);
        } else {
            enqueue_flat(device, m, part, f);
        }
    }
}

void cuda_backend::linear4bit_forward(const matrix& weights, const tensor& x, const tensor* bias, nq_dtype compute_dtype, const tensor& y) {
    enqueue_linear4bit(*this, weights, x, compute_dtype, store_to(y, bias, compute_dtype == NQ_DTYPE_I8 ? NQ_DTYPE_F32 : compute_dtype));
}

}  // namespace nq::cuda
