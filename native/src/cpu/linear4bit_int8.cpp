#include "cpu/linear4bit_int8.h"

#include "formats/quantizers.h"

namespace nq::cpu {

namespace {

void forward_panels(cpu_backend& device, const panels4bit& weights, const f32_input& x, size_t rows, const float* bias, f32_output& y) {
    const activation_blocks activations(device, x, rows, weights.columns, int8_block_columns(weights.blocksize));
    device.parallel_panels(panel_count(weights.rows), rows, panel_rows * weights.columns * rows / 8,
                           [&](size_t begin, size_t end, uint32_t) {
                               device.kernel().linear4bit_int8(weights, activations.view(), bias, y.data(), y.stride(), begin, end);
                           });
}

// Columns of a row of W with one absmax of W and one of each row of x.
struct run {
    size_t begin, end;
    float absmax;
};

// Matrices whose blocks run over row ends: a row of W at a time, in runs. codes receives the row's codebook entries.
size_t expand_runs(const matrix4bit& weights, size_t row, uint32_t block, const int8_t* codebook, int8_t* codes, run* runs) {
    const size_t columns = weights.layout().columns, blocksize = weights.layout().blocksize;
    size_t count = 0;
    for (size_t c = 0; c < columns;) {
        const size_t flat = row * columns + c;
        const size_t end = std::min({columns, c + (blocksize - flat % blocksize), c + (block - c % block)});
        runs[count++] = {c, end, weights.absmax_of_block(flat / blocksize)};
        for (; c < end; c++) {
            const size_t element = row * columns + c;
            const uint8_t byte = weights.flat_packed()[element / 2];
            codes[c] = codebook[element % 2 == 0 ? byte >> 4 : byte & 15];
        }
    }
    return count;
}

void forward_flat(cpu_backend& device, const matrix4bit& weights, const f32_input& x, size_t rows, const float* bias, f32_output& y) {
    const kernels& k = device.kernel();
    const size_t columns = weights.layout().columns;
    const uint32_t block = int8_block_columns(weights.layout().blocksize);
    const size_t blocks = (columns - 1) / block + 1;
    const auto x_codes = device.scratch().take_array<int8_t>(rows * columns);
    const auto x_scales = device.scratch().take_array<float>(rows * blocks);
    device.parallel(rows, columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t i = begin * blocks; i < end * blocks; i++) {
            const size_t r = i / blocks, first = i % blocks * block, count = std::min<size_t>(block, columns - first);
            const float absmax = k.int8_row_absmax(x.row(r) + first, count, 0, nullptr);
            k.int8_quantize_row(x.row(r) + first, count, absmax, 0, nullptr, x_codes.as<int8_t>() + r * columns + first);
            x_scales.as<float>()[i] = absmax * formats::one_over_127_squared;
        }
    });
    int8_t codebook[16];
    formats::int8_codebook(formats::codebook_4bit(weights.layout().quant_type), codebook);
    const size_t most_runs = blocks + columns / weights.layout().blocksize + 1;
    const auto code_scratch = device.scratch().take_array<int8_t>(device.thread_count() * columns);
    const auto run_scratch = device.scratch().take_array<run>(device.thread_count() * most_runs);
    device.parallel(weights.layout().rows, columns * (rows + 4), [&](size_t begin, size_t end, uint32_t worker) {
        int8_t* codes = code_scratch.as<int8_t>() + worker * columns;
        run* runs = run_scratch.as<run>() + worker * most_runs;
        for (size_t n = begin; n < end; n++) {
            const size_t count = expand_runs(weights, n, block, codebook, codes, runs);
            for (size_t r = 0; r < rows; r++) {
                double total = bias != nullptr ? bias[n] : 0.0f;
                for (const run* i = runs; i < runs + count; i++) {
                    const int32_t sum = k.dot_int8(x_codes.as<int8_t>() + r * columns + i->begin, codes + i->begin, i->end - i->begin);
                    total += static_cast<double>(sum) * (i->absmax * x_scales.as<float>()[r * blocks + i->begin / block]);
                }
                y.row(r)[n] = static_cast<float>(total);
            }
        }
    });
}

}  // namespace

activation_blocks::activation_blocks(cpu_backend& device, const f32_input& x, size_t rows, size_t columns, uint32_t block)
    : codes_(device.scratch().take_array<int8_t>(rows * columns)),
      scales_(device.scratch().take_array<float>(rows * (columns / block))),
      offsets_(device.scratch().take_array<int32_t>(rows * (columns / block))),
      view_{codes_.as<int8_t>(), scales_.as<float>(), offsets_.as<int32_t>(), rows, block} {
    device.parallel(rows, columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t r = begin; r < end; r++) {
            device.kernel().quantize_activation_blocks(x.row(r), columns, block, r, rows, codes_.as<int8_t>(), scales_.as<float>(),
                                                       offsets_.as<int32_t>());
        }
    });
}

void linear4bit_int8_forward(cpu_backend& device, const matrix4bit& weights, const tensor& x, const tensor* bias, const tensor& y) {
    const f32_input input(device, x);
    const optional_f32_input bias_input(device, bias);
    f32_output output(device, y);
    if (weights.in_panels())
        forward_panels(device, weights.panels(), input, x.rows, bias_input.data(), output);
    else
        forward_flat(device, weights, input, x.rows, bias_input.data(), output);
    output.store();
}

}  // namespace nq::cpu
