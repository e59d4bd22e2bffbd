// Collectives on fragments of matrices, by the layouts of the PTX manual.
#pragma once

#include "block.h"

namespace simt {

// All 32 lanes have come; `lane` is the one that runs.
void load_matrices(warp& w, unsigned lane);
void multiply_matrices(warp& w, unsigned lane);

}  // namespace simt
