// Block-wise quantization of tensors.
#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "cuda/block_quantization.h"
#include "cuda/dense_matrix.h"
#include "cuda/fail.h"
#include "cuda/kernels/absmax.h"
#include "cuda/kernels/blockwise.h"
#include "cuda/kernels/dequantize4bit.h"
#include "cuda/kernels/quantize4bit.h"
#include "formats/codebooks.h"
#include "formats/half.h"

namespace nq::cuda {

namespace {

// A warp for every quantization block.
launch_shape warp_per_block(cuda_backend& device, size_t count, uint32_t blocksize, unsigned threads) {
    return device.device().covering(32 * ((count - 1) / blocksize + 1), threads);
}

float f32_of(const std::vector<uint8_t>& bytes, nq_dtype dtype, size_t i) {
    if (dtype == NQ_DTYPE_F32) return reinterpret_cast<const float*>(bytes.data())[i];
    const uint16_t half = reinterpret_cast<const uint16_t*>(bytes.data())[i];
    return dtype == NQ_DTYPE_F16 ? formats::f32_from_f16(half) : formats::f32_from_bf16(half);
}

void enqueue_quantize_blockwise(cuda_backend& device, const flat_values& values, const float* map, const float* offset, uint32_t blocksize,
                                uint8_t* codes, float* absmax, const first_bad_block& bad) {
    device.device().launch(quantize_blockwise_kernel, warp_per_block(device, values.count, blocksize, blockwise_threads),
                           {values.data, values.count, map, offset, codes, absmax, bad.address(), values.dtype, blocksize});
}

void enqueue_dequantize_blockwise(cuda_backend& device, const dequantize_blockwise_parameters& p) {
    device.device().launch(dequantize_blockwise_kernel, warp_per_block(device, p.count, p.blocksize, blockwise_threads), p);
}

}  // namespace

first_bad_block::first_bad_block(cuda_backend& device) : device_(device), place_(device.scratch(sizeof(uint32_t))) {
    device.device().make_current();
    device.device().check(device.device().api().set_bytes(reinterpret_cast<driver::device_pointer>(place_.address()), 0xff,
                                                          sizeof(uint32_t), device.device().stream()),
                          "clearing device memory");
}

void first_bad_block::check(const flat_values& values, size_t blocksize, size_t first, float offset) const {
    uint32_t block;
    device_.read(&block, place_.address(), sizeof block);
    if (block == UINT32_MAX) return;
    const size_t begin = block * blocksize, n = std::min(blocksize, values.count - begin), size = element_size(values.dtype);
    std::vector<uint8_t> bytes(n * size);
    device_.read(bytes.data(), static_cast<const char*>(values.data) + begin * size, bytes.size());
    size_t i = 0;
    while (i + 1 < n && std::isfinite(f32_of(bytes, values.dtype, i) - offset)) i++;
    fail_not_finite(first + begin + i, f32_of(bytes, values.dtype, i));
}

void enqueue_quantize_4bit(cuda_backend& device, const flat_values& values, nq_quant_type type, uint32_t blocksize, uint8_t* packed,
                           float* absmax, const first_bad_block& bad) {
    quantize4bit_parameters p{};
    p.input = values.data;
    p.count = values.count;
    p.packed = packed;
    p.absmax = absmax;
    p.bad_block = bad.address();
    p.dtype = values.dtype;
    p.type = type;
    p.blocksize = blocksize;
    p.zero_code = formats::zero_code_4bit(type);
    if (type == NQ_QUANT_TYPE_FP4) {
        for (uint32_t i = 0; i < 8; i++) p.magnitude_codes |= uint32_t{formats::fp4_magnitude_codes[i]} << 4 * i;
        std::copy_n(formats::fp4_thresholds, std::size(formats::fp4_thresholds), p.thresholds);
    } else {
        std::copy_n(formats::nf4_thresholds, std::size(formats::nf4_thresholds), p.thresholds);
    }
    device.device().launch(quantize4bit_kernel, warp_per_block(device, values.count, blocksize, quantize4bit_threads), p);
}

void quantize_absmax_values(cuda_backend& device, const float* absmax, size_t count, const float* map, uint32_t nested_blocksize,
                            uint8_t* codes, float* nested_absmax, float* offset) {
    const flat_values values{absmax, NQ_DTYPE_F32, count};
    const size_t pieces = (count - 1) / absmax_piece + 1;
    const device_block sums = device.scratch(pieces * sizeof(double));
    const first_bad_block bad_piece(device), bad_block(device);
    const absmax_mean_parameters p{absmax, count, sums.as<double>(), offset, bad_piece.address()};
    const launch_shape all_pieces{.grid_x = static_cast<unsigned>((pieces - 1) / absmax_pieces_per_block + 1), .threads = absmax_threads};
    device.device().launch(absmax_piece_sums_kernel, all_pieces, p);
    device.device().launch(absmax_mean_kernel, {}, p);
    enqueue_quantize_blockwise(device, values, map, offset, nested_blocksize, codes, nested_absmax, bad_block);
    bad_piece.check(values, absmax_piece);
    float mean;
    device.read(&mean, offset, sizeof mean);
    bad_block.check(values, nested_blocksize, 0, mean);
}

void cuda_backend::quantize_4bit(const tensor& input, nq_quant_type type, uint32_t blocksize, const tensor& packed, const tensor& absmax) {
    const flat_values values{input.data, input.dtype, input.count()};
    const first_bad_block bad(*this);
    enqueue_quantize_4bit(*this, values, type, blocksize, static_cast<uint8_t*>(packed.data), static_cast<float*>(absmax.data), bad);
    bad.check(values, blocksize);
}

void cuda_backend::dequantize_4bit(const tensor& packed, const tensor& absmax, nq_quant_type type, uint32_t blocksize,
                                   const tensor& output) {
    dequantize4bit_parameters p{static_cast<const uint8_t*>(packed.data),
                                static_cast<const float*>(absmax.data),
                                output.data,
                                output.count(),
                                output.dtype,
                                static_cast<uint32_t>(std::countr_zero(blocksize)),
                                {}};
    const float* codebook = formats::codebook_4bit(type);
    std::copy_n(codebook, std::size(p.codebook), p.codebook);
    device_->launch(dequantize4bit_kernel, device_->covering((p.count + 1) / 2, dequantize4bit_threads), p);
}

void cuda_backend::quantize_blockwise(const tensor& input, const tensor& map, uint32_t blocksize, const tensor& codes,
                                      const tensor& absmax) {
    const flat_values values{input.data, input.dtype, input.count()};
    const first_bad_block bad(*this);
    enqueue_quantize_blockwise(*this, values, static_cast<const float*>(map.data), nullptr, blocksize, static_cast<uint8_t*>(codes.data),
                               static_cast<float*>(absmax.data), bad);
    bad.check(values, blocksize);
}

void cuda_backend::dequantize_blockwise(const tensor& codes, const tensor& map, const tensor& absmax, uint32_t blocksize,
                                        const tensor& output) {
    enqueue_dequantize_blockwise(
        *this, {static_cast<const uint8_t*>(codes.data), static_cast<const float*>(map.data), static_cast<const float*>(absmax.data),
                nullptr, output.data, output.count(), output.dtype, blocksize});
}

void cuda_backend::quantize_absmax(const tensor& absmax, const tensor& map, uint32_t nested_blocksize, const tensor& codes,
                                   const tensor& nested_absmax, const tensor& offset) {
    quantize_absmax_values(*this, static_cast<const float*>(absmax.data), absmax.count(), static_cast<const float*>(map.data),
                           nested_blocksize, static_cast<uint8_t*>(codes.data), static_cast<float*>(nested_absmax.data),
                           static_cast<float*>(offset.data));
}

void cuda_backend::dequantize_absmax(const tensor& codes, const tensor& map, const tensor& nested_absmax, const tensor& offset,
                                     uint32_t nested_blocksize, const tensor& absmax) {
    enqueue_dequantize_blockwise(
        *this, {static_cast<const uint8_t*>(codes.data), static_cast<const float*>(map.data), static_cast<const float*>(nested_absmax.data),
                static_cast<const float*>(offset.data), absmax.data, absmax.count(), NQ_DTYPE_F32, nested_blocksize});
}

}  // namespace nq::cuda
