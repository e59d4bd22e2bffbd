// Names a kernel for the host: the image (the .cu file) it is in, its symbol, and the type of its one parameter.
#pragma once

namespace nq::cuda {

template <class Parameters>
struct kernel {
    const char* image;
    const char* symbol;
};

}  // namespace nq::cuda
