// How many threads a kernel is launched with, and how much shared memory beyond what it declares.
#pragma once

namespace nq::cuda {

struct launch_shape {
    unsigned grid_x = 1, grid_y = 1, grid_z = 1;
    unsigned threads = 1;
    unsigned dynamic_shared_bytes = 0;

    bool operator==(const launch_shape&) const = default;
};

}  // namespace nq::cuda
