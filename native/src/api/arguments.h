// Checks of arguments. Each message says what is wrong, what was expected and what was given.
#pragma once

#include <memory>

#include "api/objects.h"
#include "backend.h"

namespace nq::api {

// Sets of element types, one bit per nq_dtype.
using type_set = uint32_t;
constexpr type_set only(nq_dtype dtype) { return 1u << dtype; }
inline constexpr type_set floating = only(NQ_DTYPE_F32) | only(NQ_DTYPE_F16) | only(NQ_DTYPE_BF16);

const char* name_of(nq_dtype dtype);
void require_type(nq_dtype dtype, type_set allowed, const char* what);
void require_quant_type(nq_quant_type type);
void require_4bit_blocksize(uint32_t blocksize);
void require_positive(uint64_t value, const char* what);
void require_threshold(float threshold);
void require_kind(const nq_matrix_info& info, nq_matrix_kind kind);
// Bytes of one element.
size_t element_size(nq_dtype dtype);
// rows * columns of a matrix: both at least 1, and small enough that no size computed from it overflows.
size_t require_count(uint64_t rows, uint64_t columns, const char* what);
inline size_t blocks_of(size_t count, uint32_t blocksize) { return (count - 1) / blocksize + 1; }

// One call of an operation: resolves its tensors, keeps their buffers alive, and sees that all belong to one device.
class operation {
public:
    // The object behind a handle, on this operation's device.
    template <class Handle>
    std::shared_ptr<typename handle_traits<Handle>::object> use(Handle* handle, const char* what) {
        auto object = find(handle, what);
        join(object->device, what);
        return object;
    }

    // A tensor of one of the `allowed` types, inside its buffer.
    const tensor& input(const nq_tensor* view, const char* what, type_set allowed) { return resolve(view, what, allowed, false); }
    const tensor& output(const nq_tensor* view, const char* what, type_set allowed) { return resolve(view, what, allowed, true); }
    // Null if `view` is.
    const tensor* optional_input(const nq_tensor* view, const char* what, type_set allowed) {
        return view == nullptr ? nullptr : &resolve(view, what, allowed, false);
    }

    void require_shape(const tensor& t, size_t rows, size_t columns) const;
    void require_contiguous(const tensor& t) const;
    // Contiguous, with `count` elements, whatever its shape: vectors and flat arrays.
    void require_elements(const tensor& t, size_t count) const;

    // The device, once every output is known to share no element with another tensor. In place: it may be exactly the view of an input.
    backend& device(bool in_place = false) const;

private:
    static constexpr size_t most_tensors = 1 + 2 * most_group_layers;
    struct argument {
        const char* what;
        bool written;
        std::shared_ptr<buffer_object> buffer;
        tensor view;
    };

    const tensor& resolve(const nq_tensor* view, const char* what, type_set allowed, bool written);
    void join(const std::shared_ptr<device_object>& device, const char* what);
    const char* name_of_argument(const tensor& t) const;

    std::shared_ptr<device_object> device_;
    const char* device_from_ = "";
    argument arguments_[most_tensors];
    size_t count_ = 0;
};

}  // namespace nq::api
