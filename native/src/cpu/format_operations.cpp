// Block-wise and row-wise quantization of tensors.
#include <cstring>

#include "cpu/block_quantization.h"
#include "cpu/staging.h"
#include "formats/quantizers.h"

namespace nq::cpu {

void cpu_backend::quantize_4bit(const tensor& input, nq_quant_type type, uint32_t blocksize, const tensor& packed, const tensor& absmax) {
    const flat_values values{input.data, input.dtype, input.count()};
    quantize_flat_4bit(*this, values, type, blocksize, static_cast<uint8_t*>(packed.data), static_cast<float*>(absmax.data));
}

void cpu_backend::dequantize_4bit(const tensor& packed, const tensor& absmax, nq_quant_type type, uint32_t blocksize,
                                  const tensor& output) {
    const float* codebook = formats::codebook_4bit(type);
    const size_t count = output.count();
    constexpr size_t chunk = 1024;
    parallel((count - 1) / chunk + 1, chunk, [&](size_t begin, size_t end, uint32_t) {
        float values[chunk];
        for (size_t c = begin; c < end; c++) {
            const size_t first = c * chunk, n = std::min(chunk, count - first);
            kernels_.dequantize_4bit(static_cast<const uint8_t*>(packed.data), first, n, codebook, static_cast<const float*>(absmax.data),
                                     blocksize, values);
            kernels_.convert_from_f32(values, static_cast<char*>(output.data) + first * element_size(output.dtype), output.dtype, n);
        }
    });
}

void cpu_backend::quantize_blockwise(const tensor& input, const tensor& map, uint32_t blocksize, const tensor& codes,
                                     const tensor& absmax) {
    const flat_values values{input.data, input.dtype, input.count()};
    quantize_flat_8bit(*this, values, 0.0f, static_cast<const float*>(map.data), blocksize, static_cast<uint8_t*>(codes.data),
                       static_cast<float*>(absmax.data));
}

void cpu_backend::dequantize_blockwise(const tensor& codes, const tensor& map, const tensor& absmax, uint32_t blocksize,
                                       const tensor& output) {
    const size_t count = output.count();
    const size_t chunk = std::min<size_t>(blocksize, 1024);
    const size_t chunks_per_block = (blocksize - 1) / chunk + 1;
    const size_t blocks = (count - 1) / blocksize + 1;
    parallel(blocks * chunks_per_block, chunk, [&](size_t begin, size_t end, uint32_t) {
        float values[1024];
        for (size_t c = begin; c < end; c++) {
            const size_t block = c / chunks_per_block, within = c % chunks_per_block * chunk;
            const size_t first = block * blocksize + within;
            if (first >= count) continue;
            const size_t n = std::min({chunk, blocksize - within, count - first});
            kernels_.dequantize_8bit_block(static_cast<const uint8_t*>(codes.data) + first, n, static_cast<const float*>(map.data),
                                           static_cast<const float*>(absmax.data)[block], values);
            kernels_.convert_from_f32(values, static_cast<char*>(output.data) + first * element_size(output.dtype), output.dtype, n);
        }
    });
}

void cpu_backend::quantize_absmax(const tensor& absmax, const tensor& map, uint32_t nested_blocksize, const tensor& codes,
                                  const tensor& nested_absmax, const tensor& offset) {
    const flat_values values{absmax.data, NQ_DTYPE_F32, absmax.count()};
    const float mean = mean_of(*this, values);
    quantize_flat_8bit(*this, values, mean, static_cast<const float*>(map.data), nested_blocksize, static_cast<uint8_t*>(codes.data),
                       static_cast<float*>(nested_absmax.data));
    *static_cast<float*>(offset.data) = mean;
}

void cpu_backend::dequantize_absmax(const tensor& codes, const tensor& map, const tensor& nested_absmax, const tensor& offset,
                                    uint32_t nested_blocksize, const tensor& absmax) {
    const nested_statistics nested{static_cast<const float*>(map.data), static_cast<const float*>(nested_absmax.data),
                                   *static_cast<const float*>(offset.data), nested_blocksize};
    parallel(absmax.count(), 2, [&](size_t begin, size_t end, uint32_t) {
        for (size_t i = begin; i < end; i++) {
            static_cast<float*>(absmax.data)[i] = nested.absmax(static_cast<const uint8_t*>(codes.data)[i], i);
        }
    });
}

void cpu_backend::quantize_int8_rows(const tensor& input, float threshold, const tensor& codes, const tensor& row_absmax,
                                     const tensor* outlier_columns) {
    const f32_input x(*this, input);
    const size_t columns = input.columns;
    float* absmax = static_cast<float*>(row_absmax.data);
    // One set of flags per worker, joined afterwards: threads must not write the same byte.
    const auto flags_scratch = scratch_.take_array<uint8_t>(threads_ * columns);
    uint8_t* flags = flags_scratch.as<uint8_t>();
    std::memset(flags, 0, threads_ * columns);
    parallel(input.rows, columns, [&](size_t begin, size_t end, uint32_t worker) {
        for (size_t r = begin; r < end; r++) absmax[r] = kernels_.int8_row_absmax(x.row(r), columns, threshold, flags + worker * columns);
    });
    for (uint32_t worker = 1; worker < threads_; worker++) {
        for (size_t c = 0; c < columns; c++) flags[c] |= flags[worker * columns + c];
    }
    const uint8_t* skip = threshold > 0 && input.rows > 1 ? flags : nullptr;
    parallel(input.rows, columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t r = begin; r < end; r++) {
            kernels_.int8_quantize_row(x.row(r), columns, absmax[r], threshold, skip, reinterpret_cast<int8_t*>(row_address(codes, r)));
        }
    });
    if (outlier_columns != nullptr) std::memcpy(outlier_columns->data, flags, columns);
}

void cpu_backend::dequantize_int8_rows(const tensor& codes, const tensor& row_absmax, const tensor& output) {
    f32_output y(*this, output);
    parallel(codes.rows, codes.columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t r = begin; r < end; r++) {
            const int8_t* row = reinterpret_cast<const int8_t*>(row_address(codes, r));
            const float absmax = static_cast<const float*>(row_absmax.data)[r];
            for (size_t c = 0; c < codes.columns; c++) y.row(r)[c] = row[c] * absmax * formats::one_over_127;
        }
    });
    y.store();
}

}  // namespace nq::cpu
