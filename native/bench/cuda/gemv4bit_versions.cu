// y = x W^T for one row of x and a 4-bit W in the exchange layout, f32 throughout: the versions before kernels/linear4bit_gemv.cu.
//
//   thread_per_row  the definition, a thread for each row of W. The lanes of a warp read bytes K / 2 apart: 32 sectors of 32 bytes for
//                   32 bytes; what L1 keeps of them decides.
//   warp_per_row    a warp for each row, 16 bytes a lane, 512 contiguous bytes a load. Gain: every byte of a sector is used, up to 32
//                   times fewer sectors; sums of a block before the absmax, one product for 64 weights instead of one for each. Cost:
//                   5 shuffles a row. Now limited by decoding, a load from shared memory for each weight (16 entries in 16 banks:
//                   lanes meet), and by x, of which 4 bytes are read for each half byte of weight.
//   pair_table      the same with a table of pairs: one 8-byte load and one address for two weights. Gain: half the loads and
//                   addresses. Lanes still meet in banks, x still comes once for each row.
//   final           fragments: a warp takes 64 rows, and each x from shared memory serves eight of a lane's rows (x traffic / 8, from
//                   shared memory instead of L1); a table in 16 copies: no lane meets another; the next 2 KiB on their way while
//                   these are decoded; K split over warps and blocks, so that small N fills the device.
//
// Launch: thread_per_row ceil(N / 256) blocks, the others ceil(N / 8), of 256 threads.
#include "cuda/device/code_pairs.h"
#include "versions.h"

namespace nq::cuda::lab {

NQ_KERNEL(nq_lab_gemv4bit_thread_per_row, version_parameters, gemv_threads) {
    const weights4bit& w = p.weights;
    const size_t n = static_cast<size_t>(blockIdx.x) * gemv_threads + threadIdx.x;
    if (n >= w.rows) return;
    const float* x = static_cast<const float*>(p.x.data);
    float sum = 0;
    for (size_t k = 0; k < w.columns; k++) sum = fused_multiply_add(flat_weight(w, n * w.columns + k), x[k], sum);
    static_cast<float*>(p.y.data)[n] = sum;
}

// decode(byte) gives the pair of values of a byte.
template <class Decode>
NQ_DEVICE void warp_per_row(const version_parameters& p, const Decode& decode) {
    constexpr uint32_t piece = 32;  // weights in 16 bytes; within one block
    const weights4bit& w = p.weights;
    const size_t n = static_cast<size_t>(blockIdx.x) * (gemv_threads / 32) + warp();
    if (n >= w.rows) return;
    const auto* codes = reinterpret_cast<const uint4*>(w.codes + n * w.columns / 2);
    const float* x = static_cast<const float*>(p.x.data);
    float total = 0;
    for (size_t i = lane(); i < w.columns / piece; i += 32) {
        const uint4 four = load_once(codes + i);
        const uint32_t words[4] = {four.x, four.y, four.z, four.w};
        float sum = 0;
        NQ_UNROLL for (uint32_t byte = 0; byte < 16; byte++) {
            const code_pair pair = decode(words[byte / 4] >> byte % 4 * 8 & 255);
            sum = fused_multiply_add(pair.first, x[i * piece + 2 * byte], sum);
            sum = fused_multiply_add(pair.second, x[i * piece + 2 * byte + 1], sum);
        }
        total = fused_multiply_add(sum, w.absmax[(n * w.columns + i * piece) >> w.blocksize_log2], total);
    }
    for (uint32_t distance = 16; distance > 0; distance /= 2) total += shuffle_xor(total, distance);
    if (lane() == 0) static_cast<float*>(p.y.data)[n] = total;
}

NQ_KERNEL(nq_lab_gemv4bit_warp_per_row, version_parameters, gemv_threads) {
    NQ_SHARED(float, codebook, 16);
    if (threadIdx.x < 16) codebook[threadIdx.x] = p.weights.codebook[threadIdx.x];
    sync_block();
    warp_per_row(p, [&](uint32_t byte) { return code_pair{codebook[byte >> 4], codebook[byte & 15]}; });
}

NQ_KERNEL(nq_lab_gemv4bit_pair_table, version_parameters, gemv_threads) {
    NQ_SHARED(code_pair, table, code_bytes);
    fill_code_pairs(table, 0, p.weights.codebook, gemv_threads);
    sync_block();
    warp_per_row(p, [&](uint32_t byte) { return table[byte]; });
}

}  // namespace nq::cuda::lab
