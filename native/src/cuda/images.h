// The compiled kernels, embedded by the build (cmake/cuda.cmake): for each .cu file one image or more.
#pragma once

#include <cstddef>
#include <span>

namespace nq::cuda {

struct image {
    const char* name;  // of the .cu file, without ending
    int architecture;  // least compute capability, 75 for 7.5
    const void* data;  // PTX ending in a zero byte, or a fat binary
    size_t bytes;
};

std::span<const image> images();

}  // namespace nq::cuda
