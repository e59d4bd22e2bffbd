// Rows of a table.
//
//   nq_embedding  y[t] = table[ids[t]], rounded once to the type of y
// table: view [vocabulary, C] of f32, f16 or bf16. ids: u32, one a row of y. y: view [T, C] of f32, f16 or bf16. A row
// whose id is out of range stays as it is; block 0 notes the first such id.
//
// Launch: a block of 128 threads a row, four elements a thread at a time; 4 bytes of shared memory; at most 32 registers.
// Cost: reads and writes the rows once; a few microseconds for a prompt, launch time for a token.
#include "cuda/kernels/embedding.h"

#include "cuda/device/rows.h"

namespace nq::cuda {

NQ_KERNEL(nq_embedding, embedding_parameters, embedding_threads) {
    if (blockIdx.x == 0) check_indices(p.ids, p.y.rows, p.table.rows, index_kind::token_id, p.error);
    for (uint64_t t = blockIdx.x; t < p.y.rows; t += gridDim.x) {
        const uint32_t id = p.ids[t];
        if (id >= p.table.rows) continue;
        const row from = row_of(p.table, id), to = row_of(p.y, t);
        for (uint64_t i = 4 * threadIdx.x; i < to.columns; i += 4 * blockDim.x) {
            float x[4];
            load_quad(from, i, 0, x);
            store_quad(to, i, x);
        }
    }
}

}  // namespace nq::cuda
