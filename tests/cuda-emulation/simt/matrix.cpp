#include "matrix.h"

#include <cstring>
#include <vector>

#include "observer.h"

namespace simt {

namespace {

float f32_from_f16(uint16_t bits) {
    static const std::vector<float> table = [] {
        std::vector<float> values(65536);
        for (uint32_t i = 0; i < values.size(); i++) values[i] = static_cast<float>(__builtin_bit_cast(_Float16, static_cast<uint16_t>(i)));
        return values;
    }();
    return table[bits];
}
float f32_from_bf16(uint16_t bits) { return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16); }

// Four bytes of a register hold 2 elements of 16 bits or 4 of 8.
template <int bits, class Widen>
void unpack(uint32_t word, float* to, size_t stride, const Widen& widen) {
    for (int e = 0; e < 32 / bits; e++) to[static_cast<size_t>(e) * stride] = widen(word >> bits * e);
}

// c[16 or 8][8] of `Sum` += a * b. Register r of A holds row lane / 4 (+ 8 for odd r, if there are 16 rows), columns from
// (lane % 4) * elements on (+ half the depth for the upper registers); register r of B the same of its column lane / 4.
// Integers go through float as well: 32 products of two signed bytes are exact in it.
template <int rows, int depth, int bits, class Sum, class Widen>
void multiply(warp& w, const Widen& widen) {
    constexpr int elements = 32 / bits, registers_across = depth / (4 * elements), row_groups = rows / 8;
    float a[rows][depth], b[depth][8];
    for (unsigned l = 0; l < warp_lanes; l++) {
        const auto* ra = static_cast<const uint32_t*>(w.a[l]);
        const auto* rb = static_cast<const uint32_t*>(w.b[l]);
        const unsigned group = l / 4, column = l % 4 * elements;
        for (int across = 0; across < registers_across; across++) {
            const unsigned k = column + static_cast<unsigned>(across * 4 * elements);
            for (int r = 0; r < row_groups; r++)
                unpack<bits>(ra[across * row_groups + r], &a[group + static_cast<unsigned>(r) * 8][k], 1, widen);
            unpack<bits>(rb[across], &b[k][group], 8, widen);
        }
    }
    float sums[rows][8] = {};
    for (int i = 0; i < rows; i++) {
        for (int k = 0; k < depth; k++) {
            for (int j = 0; j < 8; j++) sums[i][j] += a[i][k] * b[k][j];
        }
    }
    for (unsigned l = 0; l < warp_lanes; l++) {
        auto* c = static_cast<Sum*>(w.c[l]);
        for (unsigned e = 0; e < 2 * row_groups; e++) {
            const float sum = sums[l / 4 + e / 2 * 8][l % 4 * 2 + e % 2];
            if constexpr (bits == 8) {
                c[e] = static_cast<Sum>(static_cast<uint32_t>(c[e]) + static_cast<uint32_t>(static_cast<int32_t>(sum)));
            } else {
                c[e] += sum;
            }
        }
    }
}

}  // namespace

void multiply_matrices(warp& w, unsigned lane) {
    const auto bf16 = [](uint32_t bits) { return f32_from_bf16(static_cast<uint16_t>(bits)); };
    const auto f16 = [](uint32_t bits) { return f32_from_f16(static_cast<uint16_t>(bits)); };
    const auto s8 = [](uint32_t bits) { return static_cast<float>(static_cast<int8_t>(bits)); };
    switch (static_cast<mma_kind>(w.from[lane])) {
        case mma_kind::bf16_m16n8k16:
            return multiply<16, 16, 16, float>(w, bf16);
        case mma_kind::f16_m16n8k16:
            return multiply<16, 16, 16, float>(w, f16);
        case mma_kind::f16_m16n8k8:
            return multiply<16, 8, 16, float>(w, f16);
        case mma_kind::s8_m16n8k32:
            return multiply<16, 32, 8, int32_t>(w, s8);
        case mma_kind::s8_m8n8k16:
            return multiply<8, 16, 8, int32_t>(w, s8);
    }
}

void load_matrices(warp& w, unsigned lane) {
    const unsigned matrices = w.from[lane], first = current.me->index - lane;
    const bool transposed = w.kind[lane] == collective::load_matrix_transposed;
    uint16_t tile[4][8][8];
    for (unsigned m = 0; m < matrices; m++) {
        for (unsigned r = 0; r < 8; r++) {
            const unsigned from = m * 8 + r;
            const void* row = w.a[from];
            if (reinterpret_cast<uintptr_t>(row) % 16 != 0) fail(w.site[lane], "the row of lane %u of a matrix load is misaligned", from);
            if (!in_shared_memory(row)) fail(w.site[lane], "the row of lane %u of a matrix load is not in shared memory", from);
            if (current_observer != nullptr) current_observer->read(first + from, row, 16, w.site[lane]);
            std::memcpy(tile[m][r], row, 16);
        }
    }
    for (unsigned l = 0; l < warp_lanes; l++) {
        auto* result = static_cast<uint32_t*>(w.c[l]);
        for (unsigned m = 0; m < matrices; m++) {
            uint32_t e[2];
            for (unsigned i = 0; i < 2; i++) e[i] = transposed ? tile[m][l % 4 * 2 + i][l / 4] : tile[m][l / 4][l % 4 * 2 + i];
            result[m] = e[0] | e[1] << 16;
        }
    }
}

}  // namespace simt
