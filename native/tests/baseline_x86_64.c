/* Runs a 4-bit linear layer through the shared library, from C. Started under an emulated first-generation x86-64 processor, it proves that
 * the library loads and works without any newer instruction set. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nativequant/nativequant.h"

enum { rows = 20, columns = 64 };

static int check(nq_status status, const char* what) {
    if (status == NQ_STATUS_OK) return 1;
    fprintf(stderr, "%s: %s: %s\n", what, nq_status_name(status), nq_last_error_message());
    return 0;
}

int main(int argc, char** argv) {
    static float w[rows * columns], dequantized[rows * columns], x[columns], y[rows];
    nq_device* device = NULL;
    nq_device_info info;
    nq_buffer* buffer = NULL;
    nq_matrix* matrix = NULL;
    for (int i = 0; i < rows * columns; i++) w[i] = sinf((float)i * 0.37f);
    for (int i = 0; i < columns; i++) x[i] = cosf((float)i * 0.11f);

    printf("features: %s\n", nq_cpu_features());
    if (!check(nq_device_open("cpu", NULL, &device), "open")) return 1;
    if (!check(nq_device_get_info(device, &info), "info")) return 1;
    printf("implementation: %s\n", info.implementation);
    if (argc > 1 && strcmp(info.implementation, argv[1]) != 0) {
        fprintf(stderr, "expected implementation %s\n", argv[1]);
        return 1;
    }
    if (!check(nq_buffer_create(device, sizeof x + sizeof y + sizeof dequantized, &buffer), "buffer")) return 1;
    if (!check(nq_matrix_quantize_4bit(device, rows, columns, NQ_DTYPE_F32, w, sizeof w, NQ_QUANT_TYPE_NF4, 64, 1, &matrix), "quantize"))
        return 1;
    const nq_tensor in = {buffer, 0, 1, columns, columns, NQ_DTYPE_F32, 0};
    const nq_tensor out = {buffer, sizeof x, 1, rows, rows, NQ_DTYPE_F32, 0};
    const nq_tensor weights = {buffer, sizeof x + sizeof y, rows, columns, columns, NQ_DTYPE_F32, 0};
    if (!check(nq_buffer_write(buffer, 0, x, sizeof x), "write")) return 1;
    if (!check(nq_linear4bit_forward(matrix, &in, NULL, NQ_DTYPE_F32, &out), "linear4bit")) return 1;
    if (!check(nq_matrix_dequantize(matrix, &weights), "dequantize")) return 1;
    if (!check(nq_buffer_read(buffer, sizeof x, y, sizeof y), "read")) return 1;
    if (!check(nq_buffer_read(buffer, sizeof x + sizeof y, dequantized, sizeof dequantized), "read")) return 1;
    for (int r = 0; r < rows; r++) {
        double exact = 0;
        for (int c = 0; c < columns; c++) exact += (double)x[c] * dequantized[r * columns + c];
        if (!(fabs(exact - y[r]) < 1e-4)) {
            fprintf(stderr, "row %d: %g, expected %g\n", r, y[r], exact);
            return 1;
        }
    }
    check(nq_matrix_destroy(matrix), "destroy");
    check(nq_buffer_destroy(buffer), "destroy");
    check(nq_device_destroy(device), "destroy");
    puts("ok");
    return 0;
}
