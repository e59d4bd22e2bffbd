// Run under an emulated processor: opens the CPU device, multiplies with a 4-bit matrix of ones, prints the implementation and the sum.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "nativequant/nativequant.h"

static void require(nq_status status) {
    if (status != NQ_STATUS_OK) {
        std::fprintf(stderr, "%s: %s\n", nq_status_name(status), nq_last_error_message());
        std::exit(1);
    }
}

int main() {
    const unsigned width = 64;
    const std::vector<float> ones(width, 1.0f);
    nq_device* device = nullptr;
    require(nq_device_open("cpu", nullptr, &device));
    nq_device_info info{};
    require(nq_device_get_info(device, &info));
    nq_matrix* matrix = nullptr;
    require(nq_matrix_quantize_4bit(device, 1, width, NQ_DTYPE_F32, ones.data(), width * sizeof(float), NQ_QUANT_TYPE_NF4, 64, 0, &matrix));
    nq_buffer* x = nullptr;
    nq_buffer* y = nullptr;
    require(nq_buffer_create(device, width * sizeof(float), &x));
    require(nq_buffer_create(device, sizeof(float), &y));
    require(nq_buffer_write(x, 0, ones.data(), width * sizeof(float)));
    const nq_tensor input{x, 0, 1, width, width, NQ_DTYPE_F32, 0};
    const nq_tensor output{y, 0, 1, 1, 1, NQ_DTYPE_F32, 0};
    require(nq_linear4bit_forward(matrix, &input, nullptr, NQ_DTYPE_F32, &output));
    float sum = 0;
    require(nq_buffer_read(y, 0, &sum, sizeof sum));
    std::printf("%s %g\n", info.implementation, sum);
}
