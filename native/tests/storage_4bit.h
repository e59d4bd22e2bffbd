// A 4-bit matrix in the exchange format.
#pragma once

#include "support.h"

namespace nq::test {

inline nq_matrix_info info_of(nq_matrix* weights) {
    nq_matrix_info info{};
    EXPECT_OK(nq_matrix_get_info(weights, &info));
    return info;
}

// The exchange format with memory for its arrays.
struct storage_4bit {
    nq_matrix4bit_storage view{};
    std::vector<uint8_t> packed, absmax_codes;
    std::vector<float> absmax, nested_absmax, nested_map;

    storage_4bit(size_t rows, size_t columns, nq_quant_type type, nq_dtype dtype, uint32_t blocksize, uint32_t nested_blocksize) {
        const size_t n = rows * columns, blocks = (n - 1) / blocksize + 1;
        packed.resize((n + 1) / 2);
        view.rows = rows;
        view.columns = columns;
        view.quant_type = type;
        view.dtype = dtype;
        view.blocksize = blocksize;
        view.nested_blocksize = nested_blocksize;
        view.packed = packed.data();
        if (nested_blocksize == 0) {
            absmax.resize(blocks);
            view.absmax = absmax.data();
        } else {
            absmax_codes.resize(blocks);
            nested_absmax.resize((blocks - 1) / nested_blocksize + 1);
            nested_map.resize(256);
            view.absmax_codes = absmax_codes.data();
            view.nested_absmax = nested_absmax.data();
            view.nested_map = nested_map.data();
        }
    }
    storage_4bit(const storage_4bit&) = delete;
    explicit storage_4bit(nq_matrix* source) : storage_4bit(info_of(source)) { EXPECT_OK(nq_matrix_export_4bit(source, &view)); }

    matrix import(nq_device* device) const {
        matrix result;
        EXPECT_OK(nq_matrix_import_4bit(device, &view, result.out()));
        return result;
    }

private:
    explicit storage_4bit(const nq_matrix_info& i)
        : storage_4bit(i.rows, i.columns, i.quant_type, i.dtype, i.blocksize, i.nested_blocksize) {}
};

}  // namespace nq::test
