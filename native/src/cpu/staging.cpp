#include "cpu/staging.h"

namespace nq::cpu {

size_t element_size(nq_dtype dtype) {
    switch (dtype) {
        case NQ_DTYPE_F16:
        case NQ_DTYPE_BF16:
            return 2;
        case NQ_DTYPE_I8:
        case NQ_DTYPE_U8:
            return 1;
        default:
            return 4;
    }
}

f32_input::f32_input(cpu_backend& device, const tensor& t, nq_dtype through)
    : data_(static_cast<const float*>(t.data)), stride_(t.row_stride) {
    if (t.dtype == NQ_DTYPE_F32 && through == NQ_DTYPE_F32) return;
    scratch_ = device.scratch().take_array<float>(t.count());
    float* staged = scratch_.as<float>();
    const kernels& k = device.kernel();
    device.parallel(t.rows, t.columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t r = begin; r < end; r++) {
            float* row = staged + r * t.columns;
            k.convert_to_f32(row_address(t, r), t.dtype, row, t.columns);
            if (through != NQ_DTYPE_F32 && through != t.dtype) k.round_through(row, through, row, t.columns);
        }
    });
    data_ = staged;
    stride_ = t.columns;
}

f32_output::f32_output(cpu_backend& device, const tensor& t)
    : device_(device), tensor_(t), data_(static_cast<float*>(t.data)), stride_(t.row_stride) {
    if (t.dtype == NQ_DTYPE_F32) return;
    scratch_ = device.scratch().take_array<float>(t.count());
    data_ = scratch_.as<float>();
    stride_ = t.columns;
}

void f32_output::load() {
    if (tensor_.dtype == NQ_DTYPE_F32) return;
    const kernels& k = device_.kernel();
    device_.parallel(tensor_.rows, tensor_.columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t r = begin; r < end; r++) k.convert_to_f32(row_address(tensor_, r), tensor_.dtype, row(r), tensor_.columns);
    });
}

void f32_output::store(nq_dtype through) {
    const bool round = through != NQ_DTYPE_F32 && through != tensor_.dtype;
    const bool convert = tensor_.dtype != NQ_DTYPE_F32;
    if (!round && !convert) return;
    const kernels& k = device_.kernel();
    device_.parallel(tensor_.rows, tensor_.columns, [&](size_t begin, size_t end, uint32_t) {
        for (size_t r = begin; r < end; r++) {
            if (round) k.round_through(row(r), through, row(r), tensor_.columns);
            if (convert) k.convert_from_f32(row(r), row_address(tensor_, r), tensor_.dtype, tensor_.columns);
        }
    });
}

}  // namespace nq::cpu
