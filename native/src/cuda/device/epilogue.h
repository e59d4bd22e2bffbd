// What every linear kernel does with a finished sum: bias, rounding to the compute type, then the result is stored, added to y, or
// multiplied by the activation of a gate. One definition for all of them, so that they agree bit for bit.
#pragma once

#include "cuda/device/view.h"

#if defined(NQ_DEVICE_CODE) || defined(NQ_SIMT)
#include "cuda/device/numbers.h"
#endif

namespace nq::cuda {

enum class epilogue_kind : uint32_t {
    store,  // y = result
    add,    // y = y + result
    gate,   // y = result; gated = gate / (1 + exp(-gate)) * result
};

struct epilogue {
    view y;            // [M, N]
    const void* bias;  // N elements, or null
    nq_dtype bias_dtype;
    nq_dtype through;  // the result, bias and all, is rounded to it: the compute type of a 4-bit layer, else f32
    epilogue_kind kind;
    const float* gate;  // kind gate: [M, N] contiguous
    view gated;         // kind gate: [M, N]
};

#if defined(NQ_DEVICE_CODE) || defined(NQ_SIMT)

// The last steps for element (m, n).
NQ_DEVICE void finish(const epilogue& e, size_t m, size_t n, float sum) {
    if (e.bias != nullptr) sum += round_through(load_as_f32(e.bias, e.bias_dtype, n), e.through);
    const float result = round_through(sum, e.through);
    const size_t i = m * e.y.row_stride + n;
    if (e.kind == epilogue_kind::add) {
        store_from_f32(e.y.data, e.y.dtype, i, load_as_f32(e.y.data, e.y.dtype, i) + result);
        return;
    }
    store_from_f32(e.y.data, e.y.dtype, i, result);
    if (e.kind == epilogue_kind::gate) {
        const float gate = e.gate[m * e.y.columns + n];
        store_from_f32(e.gated.data, e.gated.dtype, m * e.gated.row_stride + n, divide(gate, 1 + exponential(-gate)) * result);
    }
}

#endif

}  // namespace nq::cuda
