#include "cuda/dense_matrix.h"

#include <algorithm>

#include "cuda/kernels/conversion.h"
#include "formats/matrix_storage.h"

namespace nq::cuda {

nq_matrix_info dense_matrix::info() const noexcept {
    return formats::info_of(NQ_MATRIX_DENSE, dtype_, rows_, columns_, rows_ * columns_ * element_size(dtype_), data_.bytes());
}

void enqueue_convert(cuda_backend& device, const view& x, const view& y, size_t padded) {
    constexpr size_t most_grid_y = 65535;
    const launch_shape shape{.grid_x = static_cast<unsigned>((padded + conversion_threads - 1) / conversion_threads),
                             .grid_y = static_cast<unsigned>(std::min<size_t>(y.rows, most_grid_y)),
                             .threads = conversion_threads};
    device.device().launch(convert_kernel, shape, {x, y, padded});
}

std::shared_ptr<matrix> cuda_backend::create_dense(const host_weights& source, nq_dtype dtype) {
    auto result = std::make_shared<dense_matrix>(*this, source.rows, source.columns, dtype);
    // Through a staging area, some rows at a time.
    constexpr size_t staging_bytes = 16 << 20;
    const size_t row_bytes = source.columns * element_size(source.dtype);
    const size_t step = std::clamp<size_t>(staging_bytes / row_bytes, 1, source.rows);
    const device_block staging = scratch(step * row_bytes);
    for (size_t row = 0; row < source.rows; row += step) {
        const size_t rows = std::min(step, source.rows - row);
        write(staging.address(), static_cast<const char*>(source.data) + row * row_bytes, rows * row_bytes);
        view y = result->weights();
        y.data = static_cast<char*>(y.data) + row * y.row_stride * element_size(dtype);
        y.rows = rows;
        enqueue_convert(*this, {staging.address(), rows, source.columns, source.columns, source.dtype}, y, y.row_stride);
    }
    return result;
}

}  // namespace nq::cuda
