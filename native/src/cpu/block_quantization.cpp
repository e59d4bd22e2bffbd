#include "cpu/block_quantization.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "cpu/staging.h"
#include "error.h"
#include "formats/map_search.h"

namespace nq::cpu {

namespace {

constexpr size_t chunk_values = 4096;  // the largest 4-bit block; 16 KiB of f32 stay in the first-level cache

const void* element(const flat_values& source, size_t index) {
    return static_cast<const char*>(source.data) + index * element_size(source.dtype);
}

}  // namespace

float load_block(const kernels& k, const flat_values& source, size_t first, size_t n, float* values) {
    k.convert_to_f32(element(source, first), source.dtype, values, n);
    return k.absmax(values, n);
}

size_t index_of_not_finite(const float* values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!std::isfinite(values[i])) return i;
    }
    return n;
}

size_t index_of_not_finite(const kernels& k, const flat_values& source, size_t first, size_t n) {
    float values[chunk_values];
    for (size_t i = 0; i < n; i += chunk_values) {
        const size_t part = std::min(chunk_values, n - i);
        if (!std::isfinite(load_block(k, source, first + i, part, values))) return i + index_of_not_finite(values, part);
    }
    return n;
}

void round_to_f16_saturating(const kernels& k, float* values, size_t n) {
    constexpr float most = 65504;
    if (k.absmax(values, n) > most) {
        for (size_t i = 0; i < n; i++) values[i] = std::clamp(values[i], -most, most);
    }
    k.round_through(values, NQ_DTYPE_F16, values, n);
}

void fail_not_finite(const flat_values& source, size_t index) {
    float value;
    scalar_kernels.convert_to_f32(element(source, index), source.dtype, &value, 1);
    throw error(NQ_STATUS_INVALID_DATA, "value at flat index %zu is %s, expected a finite number", index,
                std::isnan(value) ? "NaN"
                : value > 0       ? "infinity"
                                  : "-infinity");
}

void quantize_flat_4bit(cpu_backend& device, const flat_values& source, nq_quant_type type, uint32_t blocksize, uint8_t* packed,
                        float* absmax) {
    const kernels& k = device.kernel();
    first_index bad;
    // Pieces of whole blocks, which have an even number of values and so share no byte.
    device.parallel((source.count - 1) / chunk_values + 1, 4 * chunk_values, [&](size_t begin, size_t end, uint32_t) {
        const size_t first = begin * chunk_values, n = std::min(end * chunk_values, source.count) - first;
        if (!k.quantize_4bit(element(source, first), source.dtype, n, blocksize, type, packed + first / 2, absmax + first / blocksize))
            bad.offer(first + index_of_not_finite(k, source, first, n));
    });
    if (bad.found()) fail_not_finite(source, bad.get());
}

void quantize_flat_8bit(cpu_backend& device, const flat_values& source, float offset, const float* map, uint32_t blocksize, uint8_t* codes,
                        float* absmax) {
    const kernels& k = device.kernel();
    std::optional<formats::map_search> own;
    const formats::map_search* search = formats::map_search::of_dynamic_map(map);
    if (search == nullptr) search = &own.emplace(map);
    first_index bad;
    device.parallel((source.count - 1) / blocksize + 1, 4 * size_t{blocksize}, [&](size_t begin, size_t end, uint32_t) {
        float values[chunk_values];
        const auto load = [&](size_t at, size_t n) {
            k.convert_to_f32(element(source, at), source.dtype, values, n);
            if (offset != 0) {
                for (size_t i = 0; i < n; i++) values[i] -= offset;
            }
        };
        for (size_t block = begin; block < end; block++) {
            const size_t first = block * blocksize, last = first + std::min<size_t>(blocksize, source.count - first);
            float largest = 0;
            for (size_t at = first; at < last && std::isfinite(largest); at += chunk_values) {
                const size_t n = std::min(chunk_values, last - at);
                load(at, n);
                const float part = k.absmax(values, n);
                if (!std::isfinite(part)) bad.offer(at + index_of_not_finite(values, n));
                largest = part > largest || !std::isfinite(part) ? part : largest;
            }
            if (!std::isfinite(largest)) continue;
            absmax[block] = largest;
            for (size_t at = first; at < last; at += chunk_values) {
                const size_t n = std::min(chunk_values, last - at);
                if (last - first > chunk_values) load(at, n);  // else still there
                k.quantize_8bit_block(values, n, largest, *search, codes + at);
            }
        }
    });
    if (bad.found()) fail_not_finite(source, bad.get());
}

float mean_of(cpu_backend& device, const flat_values& source) {
    const float* values = static_cast<const float*>(source.data);
    // Sums of pieces, each in eight chains, whoever makes them: the same bits on any number of threads.
    constexpr size_t chains = 8;
    const size_t pieces = (source.count - 1) / chunk_values + 1;
    const auto sums = device.scratch().take_array<double>(pieces);
    device.parallel(pieces, chunk_values, [&](size_t begin, size_t end, uint32_t) {
        for (size_t piece = begin; piece < end; piece++) {
            const size_t first = piece * chunk_values, n = std::min(chunk_values, source.count - first);
            double sum[chains] = {};
            for (size_t i = 0; i < n / chains * chains; i += chains) {
                for (size_t c = 0; c < chains; c++) sum[c] += values[first + i + c];
            }
            for (size_t i = n / chains * chains; i < n; i++) sum[0] += values[first + i];
            for (size_t c = 1; c < chains; c++) sum[0] += sum[c];
            sums.as<double>()[piece] = sum[0];
        }
    });
    double sum = 0;
    for (size_t piece = 0; piece < pieces; piece++) sum += sums.as<double>()[piece];
    if (!std::isfinite(sum)) fail_not_finite(source, index_of_not_finite(values, source.count));
    return static_cast<float>(sum / static_cast<double>(source.count));
}

}  // namespace nq::cpu
