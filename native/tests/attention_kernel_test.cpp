// Attention of query rows over pages of keys and values of every type, against f64 arithmetic on what the page holds.
#include <memory>

#include "kernel_testing.h"

namespace nq::cpu::testing {
namespace {

class AttentionKernel : public KernelTest {};
NQ_FOR_EVERY_IMPLEMENTATION(AttentionKernel);

constexpr nq_dtype types[] = {NQ_DTYPE_F32, NQ_DTYPE_BF16, NQ_DTYPE_I8};
constexpr size_t element_bytes(nq_dtype dtype) { return dtype == NQ_DTYPE_F32 ? 4 : dtype == NQ_DTYPE_BF16 ? 2 : 1; }
const float nan_value = std::numeric_limits<float>::quiet_NaN();

// A page whose arrays end at guard pages, and what its elements are.
class test_page {
public:
    test_page(nq_dtype dtype, size_t head_dim, size_t position, uint32_t seed)
        : dtype_(dtype),
          head_dim_(head_dim),
          position_(position),
          keys_(page_key_rows(dtype, head_dim) * page_positions * element_bytes(dtype), 64),
          values_(page_positions * page_columns(head_dim) * element_bytes(dtype), 64),
          key_scales_(page_positions, 64),
          value_scales_(page_positions, 64) {
        const std::vector<float> k = normal_values(page_positions * head_dim, seed), v = normal_values(page_positions * head_dim, seed + 1);
        for (size_t p = 0; p < page_positions; ++p) {
            key_scales_[p] = 0.01f + 0.001f * static_cast<float>(p);
            value_scales_[p] = 0.02f + 0.002f * static_cast<float>(p % 7);
            for (size_t i = 0; i < head_dim; ++i) {
                set(keys_.data(), i, p, page_positions, k[p * head_dim + i]);
                set(values_.data(), p, i, page_columns(head_dim), v[p * head_dim + i]);
            }
        }
    }

    double key(size_t p, size_t i) const { return get(keys_.data(), key_scales_[p], i, p, page_positions); }
    double value(size_t p, size_t i) const { return get(values_.data(), value_scales_[p], p, i, page_columns(head_dim_)); }
    // Makes all of a position's keys or values x; int8 through the scale.
    void fill_keys(size_t p, float x) {
        for (size_t i = 0; i < head_dim_; ++i) set(keys_.data(), i, p, page_positions, x);
        key_scales_[p] = x;
    }
    void fill_values(size_t p, float x) {
        for (size_t i = 0; i < head_dim_; ++i) set(values_.data(), p, i, page_columns(head_dim_), x);
        value_scales_[p] = x;
    }
    kv_page view() const {
        const bool scaled = dtype_ == NQ_DTYPE_I8;
        return {keys_.data(),
                values_.data(),
                scaled ? key_scales_.data() : nullptr,
                scaled ? value_scales_.data() : nullptr,
                dtype_,
                head_dim_,
                position_,
                keys_.size() + values_.size(),
                keys_.data()};
    }
    size_t position() const { return position_; }

private:
    void set(void* data, size_t row, size_t column, size_t columns, float x) const {
        const size_t i = page_index(dtype_, row, column, columns);
        if (dtype_ == NQ_DTYPE_F32) static_cast<float*>(data)[i] = x;
        if (dtype_ == NQ_DTYPE_BF16) static_cast<uint16_t*>(data)[i] = formats::bf16_from_f32(x);
        if (dtype_ == NQ_DTYPE_I8)
            static_cast<int8_t*>(data)[i] = static_cast<int8_t>(std::isfinite(x) ? std::lrint(40 * std::fmin(x, 3)) : 3);
    }
    double get(const void* data, float scale, size_t row, size_t column, size_t columns) const {
        const size_t i = page_index(dtype_, row, column, columns);
        if (dtype_ == NQ_DTYPE_F32) return static_cast<const float*>(data)[i];
        if (dtype_ == NQ_DTYPE_BF16) return formats::f32_from_bf16(static_cast<const uint16_t*>(data)[i]);
        return static_cast<double>(scale) * static_cast<const int8_t*>(data)[i];
    }

    nq_dtype dtype_;
    size_t head_dim_, position_;
    guarded<uint8_t> keys_, values_;
    guarded<float> key_scales_, value_scales_;
};

// Query rows and their state, ending at guard pages.
struct test_rows {
    test_rows(size_t count, size_t head_dim, uint32_t seed)
        : count(count),
          head_dim(head_dim),
          stride(page_columns(head_dim)),
          q(count * stride, 64),
          acc(count * stride, 64),
          largest(count),
          sum(count),
          first(count),
          last(count),
          scratch(page_scratch(head_dim), 64) {
        const std::vector<float> values = normal_values(count * head_dim, seed);
        for (size_t r = 0; r < count; ++r) {
            for (size_t i = 0; i < head_dim; ++i) q[r * stride + i] = values[r * head_dim + i];
            largest[r] = -INFINITY;
        }
    }
    void take(const kernels& k, const test_page& page) const {
        k.attention_page(page.view(), {q.data(), acc.data(), largest.data(), sum.data(), first.data(), last.data(), count, stride, scale},
                         scratch.data());
    }
    float result(size_t r, size_t i) const { return acc[r * stride + i] / sum[r]; }

    static constexpr float scale = 0.3f;
    size_t count, head_dim, stride;
    guarded<float> q, acc, largest, sum;
    guarded<size_t> first, last;
    guarded<float> scratch;
};

// The row's attention over all pages; magnitude: what errors are relative to.
void expect_row(const test_rows& rows, size_t r, const std::vector<const test_page*>& pages) {
    std::vector<double> weights, y(rows.head_dim), magnitude(rows.head_dim);
    double most = -INFINITY, sum = 0;
    const auto each = [&](auto body) {
        for (const test_page* page : pages)
            for (size_t p = 0; p < page_positions; ++p)
                if (page->position() + p >= rows.first[r] && page->position() + p < rows.last[r]) body(*page, p);
    };
    double reach = 0;  // sum |q k|, which scores err in proportion to
    each([&](const test_page& page, size_t p) {
        double dot = 0, absolute = 0;
        for (size_t i = 0; i < rows.head_dim; ++i) {
            dot += rows.q[r * rows.stride + i] * page.key(p, i);
            absolute += std::fabs(rows.q[r * rows.stride + i] * page.key(p, i));
        }
        weights.push_back(static_cast<double>(test_rows::scale) * dot);
        most = std::fmax(most, weights.back());
        reach = std::fmax(reach, test_rows::scale * absolute);
    });
    for (double& w : weights) sum += w = std::exp(w - most);
    size_t n = 0;
    each([&](const test_page& page, size_t p) {
        for (size_t i = 0; i < rows.head_dim; ++i) {
            y[i] += weights[n] / sum * page.value(p, i);
            magnitude[i] += weights[n] / sum * std::fabs(page.value(p, i));
        }
        ++n;
    });
    for (size_t i = 0; i < rows.head_dim; ++i)
        ASSERT_NEAR(rows.result(r, i), y[i], (2e-6 + 2e-7 * reach) * magnitude[i])
            << "row " << r << " of " << rows.count << ", element " << i;
}

TEST_P(AttentionKernel, MatchesF64OnEveryTypeAndShape) {
    for (const nq_dtype dtype : types) {
        for (const size_t head_dim : {1, 2, 5, 16, 20, 32, 48, 64, 80, 96, 128, 200, 256}) {
            const test_page first(dtype, head_dim, 64, 1), second(dtype, head_dim, 128, 3);
            for (const size_t count : {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 29}) {
                const test_rows rows(count, head_dim, 5);
                for (size_t r = 0; r < count; ++r) {
                    rows.first[r] = count == 8 ? 67 + r : 0;
                    rows.last[r] = count == 4 ? 192 : 150 + r;
                }
                rows.take(kernel(), first);
                rows.take(kernel(), second);
                for (size_t r = 0; r < count; ++r)
                    ASSERT_NO_FATAL_FAILURE(expect_row(rows, r, {&first, &second})) << "type " << dtype << " " << head_dim;
                for (size_t r = 0; r < count; ++r)
                    for (size_t i = head_dim; i < rows.stride; ++i) ASSERT_EQ(rows.acc[r * rows.stride + i], 0.0f) << "padding";
            }
        }
    }
}

TEST_P(AttentionKernel, EveryRangeOfPositionsIsMaskedExactly) {
    for (const nq_dtype dtype : types) {
        for (const size_t head_dim : {16, 33}) {
            test_page page(dtype, head_dim, 0, 1);
            for (const size_t begin : {0, 1, 2, 15, 16, 17, 31, 62, 63}) {
                for (size_t end = begin + 1; end <= page_positions; end += end - begin < 4 ? 1 : 5) {
                    // What lies outside may be anything.
                    test_page dirty = test_page(dtype, head_dim, 0, 1);
                    for (size_t p = 0; p < page_positions; ++p)
                        if (p < begin || p >= end) dirty.fill_keys(p, nan_value), dirty.fill_values(p, p % 2 == 0 ? nan_value : INFINITY);
                    const test_rows rows(3, head_dim, 7);
                    for (size_t r = 0; r < 3; ++r) rows.first[r] = begin, rows.last[r] = end;
                    rows.take(kernel(), dirty);
                    for (size_t r = 0; r < 3; ++r)
                        ASSERT_NO_FATAL_FAILURE(expect_row(rows, r, {&page})) << "type " << dtype << " " << begin << "-" << end;
                }
            }
        }
    }
}

TEST_P(AttentionKernel, NanAndInfinityReachOnlyTheRowsThatSeeThem) {
    for (const nq_dtype dtype : types) {
        for (const size_t count : {5, 40}) {
            for (const bool in_keys : {true, false}) {
                const size_t head_dim = 32;
                const test_page clean(dtype, head_dim, 0, 1);
                test_page page(dtype, head_dim, 0, 1);
                if (in_keys)
                    page.fill_keys(20, nan_value);
                else
                    page.fill_values(20, nan_value);
                const test_rows rows(count, head_dim, 7);
                for (size_t r = 0; r < count; ++r)
                    rows.first[r] = 0, rows.last[r] = 18 + r;  // the fourth row is the first to see position 20
                rows.take(kernel(), page);
                for (size_t r = 0; r < count; ++r) {
                    if (r < 3) {
                        ASSERT_NO_FATAL_FAILURE(expect_row(rows, r, {&clean})) << "type " << dtype;
                        continue;
                    }
                    for (size_t i = 0; i < head_dim; ++i)
                        ASSERT_TRUE(std::isnan(rows.result(r, i))) << "type " << dtype << " " << r << ' ' << i;
                }
            }
        }
    }
}

TEST_P(AttentionKernel, RowsThatSeeNothingOfAPageStayAsTheyAre) {
    for (const size_t count : {3, 20}) {
        const size_t head_dim = 64;
        const test_page before(NQ_DTYPE_BF16, head_dim, 0, 1), after(NQ_DTYPE_BF16, head_dim, 64, 3);
        const test_rows rows(count, head_dim, 7);
        for (size_t r = 0; r < count; ++r) rows.first[r] = 0, rows.last[r] = r < 2 ? 64 : 65 + r;
        rows.take(kernel(), before);
        const std::vector<float> acc = rows.acc.values(), sum = rows.sum.values(), largest = rows.largest.values();
        rows.take(kernel(), after);
        EXPECT_TRUE(same_values(rows.acc.data(), acc.data(), 2 * rows.stride));
        EXPECT_TRUE(same_values(rows.sum.data(), sum.data(), 2));
        EXPECT_TRUE(same_values(rows.largest.data(), largest.data(), 2));
        for (size_t r = 0; r < count; ++r) expect_row(rows, r, {&before, &after});
    }
}

TEST_P(AttentionKernel, InfiniteScoresAreThoseOfTheDefinition) {
    const size_t head_dim = 16;
    test_page low(NQ_DTYPE_F32, head_dim, 0, 1), high(NQ_DTYPE_F32, head_dim, 64, 3);
    const test_page clean(NQ_DTYPE_F32, head_dim, 64, 3);
    for (size_t p = 0; p < page_positions; ++p) low.fill_keys(p, -INFINITY);
    test_rows rows(1, head_dim, 7);
    for (size_t i = 0; i < head_dim; ++i) rows.q[i] = std::fabs(rows.q[i]) + 0.01f;
    rows.last[0] = 128;
    rows.take(kernel(), low);
    EXPECT_EQ(rows.largest[0], -INFINITY);
    EXPECT_EQ(rows.sum[0], 0.0f);
    rows.take(kernel(), high);  // scores of -infinity count nothing beside finite ones
    expect_row(rows, 0, {&clean});
    high.fill_keys(9, INFINITY);  // infinity - infinity
    rows.take(kernel(), high);
    EXPECT_TRUE(std::isnan(rows.result(0, 0)));
}

TEST_P(AttentionKernel, LargeScoresOverflowNothing) {
    const size_t head_dim = 64;
    const test_page first(NQ_DTYPE_F32, head_dim, 0, 1), second(NQ_DTYPE_F32, head_dim, 64, 3);
    for (const size_t count : {1, 24}) {
        const test_rows rows(count, head_dim, 7);
        for (size_t i = 0; i < count * rows.stride; ++i) rows.q[i] *= 1000.0f;
        for (size_t r = 0; r < count; ++r) rows.last[r] = 128;
        rows.take(kernel(), first);
        rows.take(kernel(), second);
        for (size_t r = 0; r < count; ++r) expect_row(rows, r, {&first, &second});
    }
}

}  // namespace
}  // namespace nq::cpu::testing
