// What the tensor cores do when nothing has to be fetched: every warp multiplies fragments that stay in registers.
//
//   nq_lab_tensor_peak_16bit  mma m16n8k16 of f16 with f32 sums; on sm_75 two m16n8k8
//   nq_lab_tensor_peak_int8   mma m16n8k32 of int8; on sm_75 four m8n8k16
//
// Launch: blocks of 256 threads; `rounds` times eight independent products a warp, so that none waits for the one before. The sums are
// written, so that they are computed.
#include "tensor_peak.h"

#include "cuda/device/instructions.h"

namespace nq::cuda::lab {

NQ_DEVICE void multiply(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if NQ_ARCHITECTURE >= 800
    mma_f16(c, a, b);
#else
    const uint32_t left[2] = {a[0], a[1]}, right[2] = {a[2], a[3]};
    mma_f16_k8(c, left, b[0]);
    mma_f16_k8(c, right, b[1]);
#endif
}

NQ_DEVICE void multiply(int32_t (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if NQ_ARCHITECTURE >= 800
    mma_s8(c, a, b);
#else
    int32_t top[2] = {c[0], c[1]}, bottom[2] = {c[2], c[3]};
    NQ_UNROLL
    for (uint32_t k = 0; k < 2; k++) {
        mma_s8_k16(top, a[2 * k], b[k]);
        mma_s8_k16(bottom, a[2 * k + 1], b[k]);
    }
    c[0] = top[0];
    c[1] = top[1];
    c[2] = bottom[0];
    c[3] = bottom[1];
#endif
}

template <class Sum>
NQ_DEVICE void tensor_peak(const tensor_peak_parameters& p) {
    Sum sums[tensor_peak_products][4] = {};
    const uint32_t a[4] = {threadIdx.x, 1, 2, 3}, b[2] = {4, threadIdx.x};
    NQ_LOOP
    for (uint32_t round = 0; round < p.rounds; round++) {
        NQ_UNROLL
        for (uint32_t i = 0; i < tensor_peak_products; i++) multiply(sums[i], a, b);
    }
    Sum sum = 0;
    NQ_UNROLL
    for (uint32_t i = 0; i < tensor_peak_products; i++) sum += sums[i][0] + sums[i][1] + sums[i][2] + sums[i][3];
    p.sums[blockIdx.x * blockDim.x + threadIdx.x] = static_cast<float>(sum);
}

NQ_KERNEL(nq_lab_tensor_peak_16bit, tensor_peak_parameters, tensor_peak_threads) { tensor_peak<float>(p); }
NQ_KERNEL(nq_lab_tensor_peak_int8, tensor_peak_parameters, tensor_peak_threads) { tensor_peak<int32_t>(p); }

}  // namespace nq::cuda::lab
