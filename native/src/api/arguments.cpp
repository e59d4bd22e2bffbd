#include "api/arguments.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <iterator>

namespace nq::api {

namespace {

constexpr uint64_t most_elements = uint64_t{1} << 50;

struct type_name {
    const char* name;
    size_t size;
};
constexpr type_name types[] = {{"f32", 4}, {"f16", 2}, {"bf16", 2}, {"i8", 1}, {"u8", 1}, {"i32", 4}, {"u32", 4}};

// Whether two views share an element. Exact for disjoint ranges and for columns of one row-major matrix (equal strides, or a single row of
// it); views that interleave in another way count as overlapping.
bool overlap(const tensor& a, const tensor& b) {
    const auto begin = [](const tensor& t) { return reinterpret_cast<uintptr_t>(t.data); };
    const auto width = [](const tensor& t) { return t.columns * element_size(t.dtype); };
    const auto stride = [](const tensor& t) { return t.row_stride * element_size(t.dtype); };
    const auto end = [&](const tensor& t) { return begin(t) + (t.rows - 1) * stride(t) + width(t); };
    if (end(a) <= begin(b) || end(b) <= begin(a)) return false;
    if (a.rows == 1 && b.rows == 1) return true;
    if (a.rows > 1 && b.rows > 1 && stride(a) != stride(b)) return true;
    const size_t period = a.rows > 1 ? stride(a) : stride(b);
    // b's columns begin `after` bytes into a row of a; they must begin after a's columns and end before a's next row.
    const size_t after = begin(b) >= begin(a) ? (begin(b) - begin(a)) % period : (period - (begin(a) - begin(b)) % period) % period;
    return after < width(a) || after + width(b) > period;
}

bool same_view(const tensor& a, const tensor& b) {
    return a.data == b.data && a.rows == b.rows && a.columns == b.columns && a.dtype == b.dtype &&
           (a.row_stride == b.row_stride || a.rows == 1);
}

}  // namespace

const char* name_of(nq_dtype dtype) { return static_cast<uint32_t>(dtype) < std::size(types) ? types[dtype].name : "no element type"; }

size_t element_size(nq_dtype dtype) { return types[dtype].size; }

void require_type(nq_dtype dtype, type_set allowed, const char* what) {
    if (static_cast<uint32_t>(dtype) < std::size(types) && (allowed >> dtype & 1) != 0) return;
    char expected[64] = "";
    size_t length = 0;
    for (uint32_t t = 0; t < std::size(types); t++) {
        if ((allowed >> t & 1) == 0) continue;
        length +=
            static_cast<size_t>(std::snprintf(expected + length, sizeof expected - length, "%s%s", length > 0 ? ", " : "", types[t].name));
    }
    throw error(NQ_STATUS_INVALID_ARGUMENT, "%s has element type %u (%s), expected %s", what, static_cast<uint32_t>(dtype), name_of(dtype),
                expected);
}

void require_quant_type(nq_quant_type type) {
    if (type != NQ_QUANT_TYPE_NF4 && type != NQ_QUANT_TYPE_FP4) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "quant_type is %u, expected 0 (NF4) or 1 (FP4)", static_cast<uint32_t>(type));
    }
}

void require_4bit_blocksize(uint32_t blocksize) {
    const bool power_of_two = blocksize != 0 && (blocksize & (blocksize - 1)) == 0;
    if (!power_of_two || blocksize < 32 || blocksize > 4096) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "blocksize is %" PRIu32 ", expected 32, 64, 128, 256, 512, 1024, 2048 or 4096", blocksize);
    }
}

void require_positive(uint64_t value, const char* what) {
    if (value == 0) throw error(NQ_STATUS_INVALID_ARGUMENT, "%s is 0, expected at least 1", what);
}

void require_threshold(float threshold) {
    if (!(threshold >= 0) || !std::isfinite(threshold)) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "threshold is %g, expected a finite number of at least 0", static_cast<double>(threshold));
    }
}

size_t require_count(uint64_t rows, uint64_t columns, const char* what) {
    if (rows == 0 || columns == 0 || columns > most_elements / rows) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "%s is %" PRIu64 " x %" PRIu64 ", expected at least 1 x 1 and at most %" PRIu64 " elements",
                    what, rows, columns, most_elements);
    }
    return rows * columns;
}

static const char* name_of(nq_matrix_kind kind) {
    switch (kind) {
        case NQ_MATRIX_DENSE:
            return "dense";
        case NQ_MATRIX_4BIT:
            return "4-bit";
        case NQ_MATRIX_8BIT:
            return "8-bit";
    }
    return "unknown";
}

void require_kind(const nq_matrix_info& info, nq_matrix_kind kind) {
    if (info.kind != kind) throw error(NQ_STATUS_INVALID_ARGUMENT, "matrix is %s, expected %s", name_of(info.kind), name_of(kind));
}

const tensor& operation::resolve(const nq_tensor* view, const char* what, type_set allowed, bool written) {
    require_pointer(view, what);
    const nq_tensor t = *view;  // once: another thread may change it
    require_type(t.dtype, allowed, what);
    if (t.reserved != 0) throw error(NQ_STATUS_INVALID_ARGUMENT, "%s has reserved %" PRIu32 ", expected 0", what, t.reserved);
    require_count(t.rows, t.columns, what);
    if (t.row_stride < t.columns) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "%s has a row stride of %" PRIu64 ", expected at least its %" PRIu64 " columns", what,
                    t.row_stride, t.columns);
    }
    const size_t size = element_size(t.dtype);
    if (t.offset % size != 0) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "%s has offset %" PRIu64 ", expected a multiple of its element size %zu", what, t.offset,
                    size);
    }
    std::shared_ptr<buffer_object> buffer = find(t.buffer, what, "buffer of ");
    join(buffer->device, what);

    // Bytes after the offset: every step is bounded by the buffer's size before it is multiplied.
    const uint64_t elements = (buffer->bytes - std::min<uint64_t>(t.offset, buffer->bytes)) / size;
    const bool rows_fit = t.rows == 1 || (t.row_stride <= elements && (t.rows - 1) <= elements / t.row_stride);
    if (!rows_fit || t.columns > elements - (t.rows - 1) * (t.rows == 1 ? 0 : t.row_stride)) {
        throw error(NQ_STATUS_INVALID_ARGUMENT,
                    "%s reaches past its buffer: %" PRIu64 " x %" PRIu64 " %s with row stride %" PRIu64 " at offset %" PRIu64
                    ", expected to end within %zu bytes",
                    what, t.rows, t.columns, name_of(t.dtype), t.row_stride, t.offset, buffer->bytes);
    }
    argument& a = arguments_[count_++];
    a.what = what;
    a.written = written;
    a.view = {static_cast<char*>(buffer->content->address()) + t.offset, t.rows, t.columns, t.row_stride, t.dtype};
    a.buffer = std::move(buffer);
    return a.view;
}

void operation::join(const std::shared_ptr<device_object>& device, const char* what) {
    if (device_ == nullptr) {
        device_ = device;
        device_from_ = what;
    } else if (device_ != device) {
        throw error(NQ_STATUS_WRONG_DEVICE, "%s is on another device than %s, expected one device", what, device_from_);
    }
}

const char* operation::name_of_argument(const tensor& t) const {
    for (size_t i = 0; i < count_; i++) {
        if (&arguments_[i].view == &t) return arguments_[i].what;
    }
    return "tensor";
}

void operation::require_shape(const tensor& t, size_t rows, size_t columns) const {
    if (t.rows != rows || t.columns != columns) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "%s is %zu x %zu, expected %zu x %zu", name_of_argument(t), t.rows, t.columns, rows,
                    columns);
    }
}

void operation::require_contiguous(const tensor& t) const {
    if (t.rows != 1 && t.row_stride != t.columns) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "%s has a row stride of %zu for %zu columns, expected contiguous rows", name_of_argument(t),
                    t.row_stride, t.columns);
    }
}

void operation::require_elements(const tensor& t, size_t count) const {
    require_contiguous(t);
    if (t.count() != count) {
        throw error(NQ_STATUS_INVALID_ARGUMENT, "%s has %zu elements, expected %zu", name_of_argument(t), t.count(), count);
    }
}

backend& operation::device(bool in_place) const {
    for (size_t i = 0; i < count_; i++) {
        if (!arguments_[i].written) continue;
        for (size_t j = 0; j < count_; j++) {
            const argument &written = arguments_[i], &other = arguments_[j];
            if (i == j || !overlap(written.view, other.view)) continue;
            if (in_place && !other.written && same_view(written.view, other.view)) continue;
            throw error(NQ_STATUS_INVALID_ARGUMENT, "%s overlaps %s, expected separate memory%s", written.what, other.what,
                        in_place ? " or exactly the same view" : "");
        }
    }
    return *device_->implementation;
}

}  // namespace nq::api
