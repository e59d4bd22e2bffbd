// Matrices: checks only.
#include <cinttypes>

#include "api/arguments.h"

using namespace nq;
using namespace nq::api;

namespace {

host_weights require_source(uint64_t rows, uint64_t columns, nq_dtype dtype, const void* source, uint64_t source_bytes) {
    require_type(dtype, floating, "source");
    const size_t count = require_count(rows, columns, "matrix");
    require_pointer(source, "source");
    if (source_bytes != count * element_size(dtype)) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "source_bytes is %" PRIu64 ", expected %zu for %" PRIu64 " x %" PRIu64 " %s", source_bytes,
                    count * element_size(dtype), rows, columns, name_of(dtype));
    }
    return {source, rows, columns, dtype};
}

nq_matrix* register_matrix(const std::shared_ptr<device_object>& device, std::shared_ptr<matrix> content) {
    auto object = std::make_shared<matrix_object>();
    object->device = device;
    object->info = content->info();
    object->content = std::move(content);
    return add<nq_matrix>(std::move(object));
}

// The pointers that a storage's format needs.
void require_arrays(const nq_matrix4bit_storage& storage) {
    require_pointer(storage.packed, "storage.packed");
    if (storage.nested_blocksize == 0) {
        require_pointer(storage.absmax, "storage.absmax");
    } else {
        require_pointer(storage.absmax_codes, "storage.absmax_codes");
        require_pointer(storage.nested_absmax, "storage.nested_absmax");
        require_pointer(storage.nested_map, "storage.nested_map");
    }
    if (storage.reserved != 0) throw error(NQ_STATUS_INVALID_ARGUMENT, "storage has reserved %" PRIu32 ", expected 0", storage.reserved);
}

void require_field(uint64_t given, uint64_t expected, const char* what) {
    if (given != expected) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "storage.%s is %" PRIu64 ", expected the matrix's %" PRIu64, what, given, expected);
    }
}

}  // namespace

nq_status nq_matrix_create_dense(nq_device* device, uint64_t rows, uint64_t columns, nq_dtype source_dtype, const void* source,
                                 uint64_t source_bytes, nq_dtype dtype, nq_matrix** matrix) noexcept {
    return guarded([&] {
        require_pointer(matrix, "matrix");
        const auto owner = find(device, "device");
        const host_weights weights = require_source(rows, columns, source_dtype, source, source_bytes);
        require_type(dtype, floating, "dtype");
        *matrix = register_matrix(owner, owner->implementation->create_dense(weights, dtype));
    });
}

nq_status nq_matrix_quantize_4bit(nq_device* device, uint64_t rows, uint64_t columns, nq_dtype source_dtype, const void* source,
                                  uint64_t source_bytes, nq_quant_type quant_type, uint32_t blocksize, int32_t nested,
                                  nq_matrix** matrix) noexcept {
    return guarded([&] {
        require_pointer(matrix, "matrix");
        const auto owner = find(device, "device");
        const host_weights weights = require_source(rows, columns, source_dtype, source, source_bytes);
        require_quant_type(quant_type);
        require_4bit_blocksize(blocksize);
        *matrix = register_matrix(owner, owner->implementation->quantize_matrix_4bit(weights, quant_type, blocksize, nested != 0));
    });
}

nq_status nq_matrix_import_4bit(nq_device* device, const nq_matrix4bit_storage* storage, nq_matrix** matrix) noexcept {
    return guarded([&] {
        require_pointer(storage, "storage");
        require_pointer(matrix, "matrix");
        const auto owner = find(device, "device");
        const nq_matrix4bit_storage given = *storage;
        require_count(given.rows, given.columns, "storage");
        require_quant_type(given.quant_type);
        require_type(given.dtype, floating, "storage");
        require_4bit_blocksize(given.blocksize);
        require_arrays(given);
        *matrix = register_matrix(owner, owner->implementation->import_4bit(given));
    });
}

nq_status nq_matrix_export_4bit(nq_matrix* matrix, nq_matrix4bit_storage* storage) noexcept {
    return guarded([&] {
        require_pointer(storage, "storage");
        const auto object = find(matrix, "matrix");
        const nq_matrix_info& info = object->info;
        require_kind(info, NQ_MATRIX_4BIT);
        nq_matrix4bit_storage given = *storage;
        require_field(given.rows, info.rows, "rows");
        require_field(given.columns, info.columns, "columns");
        require_field(given.quant_type, info.quant_type, "quant_type");
        require_field(given.dtype, info.dtype, "dtype");
        require_field(given.blocksize, info.blocksize, "blocksize");
        require_field(given.nested_blocksize, info.nested_blocksize, "nested_blocksize");
        require_arrays(given);
        object->device->implementation->export_4bit(*object->content, given);
        storage->nested_offset = given.nested_offset;
    });
}

nq_status nq_matrix_quantize_8bit(nq_device* device, uint64_t rows, uint64_t columns, nq_dtype source_dtype, const void* source,
                                  uint64_t source_bytes, nq_matrix** matrix) noexcept {
    return guarded([&] {
        require_pointer(matrix, "matrix");
        const auto owner = find(device, "device");
        const host_weights weights = require_source(rows, columns, source_dtype, source, source_bytes);
        *matrix = register_matrix(owner, owner->implementation->quantize_matrix_8bit(weights));
    });
}

nq_status nq_matrix_import_8bit(nq_device* device, uint64_t rows, uint64_t columns, nq_dtype dtype, const int8_t* codes,
                                const float* row_absmax, nq_matrix** matrix) noexcept {
    return guarded([&] {
        require_pointer(matrix, "matrix");
        const auto owner = find(device, "device");
        require_count(rows, columns, "matrix");
        require_type(dtype, floating, "dtype");
        require_pointer(codes, "codes");
        require_pointer(row_absmax, "row_absmax");
        *matrix = register_matrix(owner, owner->implementation->import_8bit(rows, columns, dtype, codes, row_absmax));
    });
}

nq_status nq_matrix_export_8bit(nq_matrix* matrix, int8_t* codes, float* row_absmax) noexcept {
    return guarded([&] {
        require_pointer(codes, "codes");
        require_pointer(row_absmax, "row_absmax");
        const auto object = find(matrix, "matrix");
        require_kind(object->info, NQ_MATRIX_8BIT);
        object->device->implementation->export_8bit(*object->content, codes, row_absmax);
    });
}

nq_status nq_matrix_destroy(nq_matrix* matrix) noexcept { return destroy(matrix, "matrix"); }

nq_status nq_matrix_get_info(nq_matrix* matrix, nq_matrix_info* info) noexcept {
    return guarded([&] {
        require_pointer(info, "info");
        *info = find(matrix, "matrix")->info;
    });
}

nq_status nq_matrix_dequantize(nq_matrix* matrix, const nq_tensor* output) noexcept {
    return guarded([&] {
        operation op;
        const auto object = op.use(matrix, "matrix");
        const tensor& y = op.output(output, "output", floating);
        op.require_shape(y, object->info.rows, object->info.columns);
        op.device().dequantize_matrix(*object->content, y);
    });
}
