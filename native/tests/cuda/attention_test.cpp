// Attention on CUDA against f64 arithmetic on what the cache holds, for shapes at the edges of its tiles, spans and row counts.
#include "cuda_testing.h"

namespace nq::test {

namespace {

struct attention_shape {
    size_t kv_heads, group, head_dim, rows, positions, window;
};

// A layer with f32 values, queries, and the result of the device.
struct attention_case {
    attention_shape s;
    nq_dtype dtype;
    std::vector<float> keys, values, queries;
    float scale;

    attention_case(const attention_shape& shape, nq_dtype type)
        : s(shape),
          dtype(type),
          keys(normal_values(s.positions * s.kv_heads * s.head_dim, 1)),
          values(normal_values(s.positions * s.kv_heads * s.head_dim, 2)),
          queries(normal_values(s.rows * s.kv_heads * s.group * s.head_dim, 3, 2)),
          scale(1 / std::sqrt(static_cast<float>(s.head_dim))) {}

    size_t kv_columns() const { return s.kv_heads * s.head_dim; }
    size_t columns() const { return kv_columns() * s.group; }
    size_t last(size_t t) const { return s.positions - s.rows + t; }
    size_t first(size_t t) const { return s.window == 0 || last(t) + 1 < s.window ? 0 : last(t) + 1 - s.window; }

    std::vector<float> run(nq_device* device, nq_dtype y_type = NQ_DTYPE_F32) const {
        kv_cache cache;
        EXPECT_OK(nq_kv_cache_create(device, 1, static_cast<uint32_t>(s.kv_heads), static_cast<uint32_t>(s.head_dim), s.positions, dtype,
                                     cache.out()));
        EXPECT_OK(nq_kv_cache_append(cache, 0, array(device, NQ_DTYPE_F32, s.positions, kv_columns(), keys),
                                     array(device, NQ_DTYPE_F32, s.positions, kv_columns(), values)));
        const array y(device, y_type, s.rows, columns(), 5);
        EXPECT_OK(nq_attention_forward(cache, 0, array(device, NQ_DTYPE_F32, s.rows, columns(), queries, 1), scale, s.window, y));
        return y.floats();
    }

    // What the cache holds.
    std::vector<float> held(const std::vector<float>& x) const {
        if (dtype != NQ_DTYPE_I8) return rounded(x, dtype);
        std::vector<float> result(x.size());
        for (size_t head = 0; head < x.size(); head += s.head_dim) {
            float absmax = 0;
            for (size_t i = 0; i < s.head_dim; i++) absmax = std::max(absmax, std::fabs(x[head + i]));
            for (size_t i = 0; i < s.head_dim; i++)
                result[head + i] = absmax == 0 ? 0 : std::nearbyint(x[head + i] * (127 / absmax)) * (absmax / 127);
        }
        return result;
    }

    // Each element within `tolerance` of the f64 result, relative to the mean magnitude of what was added up.
    void expect(const std::vector<float>& got, double tolerance) const {
        const std::vector<float> k = held(keys), v = held(values);
        for (size_t t = 0; t < s.rows; t++) {
            for (size_t h = 0; h < s.kv_heads * s.group; h++) {
                const float* q = &queries[t * columns() + h * s.head_dim];
                const size_t offset = h / s.group * s.head_dim;
                std::vector<double> weights;
                double most = -1e300, sum = 0;
                for (size_t p = first(t); p <= last(t); p++) {
                    double dot = 0;
                    for (size_t i = 0; i < s.head_dim; i++) dot += static_cast<double>(q[i]) * k[p * kv_columns() + offset + i];
                    weights.push_back(dot * scale);
                    most = std::max(most, weights.back());
                }
                for (double& w : weights) sum += w = std::exp(w - most);
                for (size_t i = 0; i < s.head_dim; i++) {
                    double y = 0, magnitude = 0;
                    for (size_t p = first(t); p <= last(t); p++) {
                        const double term = weights[p - first(t)] / sum * v[p * kv_columns() + offset + i];
                        y += term;
                        magnitude += std::fabs(term);
                    }
                    ASSERT_NEAR(got[t * columns() + h * s.head_dim + i], y, tolerance * magnitude + 1e-30)
                        << "type " << dtype << ", position " << t << ", head " << h << ", element " << i;
                }
            }
        }
    }
};

constexpr nq_dtype cache_types[] = {NQ_DTYPE_F32, NQ_DTYPE_BF16, NQ_DTYPE_I8};
constexpr double f32_tolerance = 5e-6;

void expect_f64(nq_device* device, const attention_shape& s) {
    SCOPED_TRACE(testing::Message() << s.kv_heads << " heads for " << s.group << " each of " << s.head_dim << ", " << s.rows << " rows of "
                                    << s.positions << ", window " << s.window);
    for (nq_dtype dtype : cache_types) {
        const attention_case c(s, dtype);
        c.expect(c.run(device), f32_tolerance);
    }
}

}  // namespace

using attention_on_cuda = cuda_and_scalar;

TEST_F(attention_on_cuda, a_row_agrees_with_f64_for_every_size_of_head) {
    for (size_t head_dim : {1u, 5u, 8u, 16u, 33u, 64u, 72u, 96u, 128u, 136u, 256u, 264u, 520u})
        expect_f64(cuda, {2, 1, head_dim, 1, 67, 0});
}

TEST_F(attention_on_cuda, rows_of_a_group_agree_with_f64_for_every_count) {
    for (size_t group : {1u, 2u, 3u, 4u, 5u, 8u, 9u}) expect_f64(cuda, {2, group, 40, 1, 130, 0});
    for (size_t rows : {2u, 3u}) expect_f64(cuda, {1, 3, 16, rows, 129, 0});
}

TEST_F(attention_on_cuda, contexts_split_into_spans_agree_with_f64) {
    for (size_t positions : {255u, 257u, 1030u}) {
        expect_f64(cuda, {1, 2, 24, 1, positions, 0});
        expect_f64(cuda, {1, 2, 24, 2, positions, 200});
        expect_f64(cuda, {1, 1, 8, 1, positions, 129});
    }
}

// So many heads that their positions are not split.
TEST_F(attention_on_cuda, several_tiles_of_one_span_agree_with_f64) {
    expect_f64(cuda, {17, 1, 8, 1, 300, 0});
    expect_f64(cuda, {17, 1, 8, 1, 300, 150});
}

TEST_F(attention_on_cuda, every_window_leaves_out_exactly_what_lies_before_it) {
    for (size_t window : {1u, 2u, 15u, 16u, 17u, 63u, 64u, 65u, 127u, 140u, 141u, 1000u}) {
        expect_f64(cuda, {1, 2, 12, 1, 140, window});
        expect_f64(cuda, {1, 2, 12, 3, 140, window});
    }
}

// From 17 rows of a head on, with blocks enough for the device.
TEST_F(attention_on_cuda, many_rows_agree_with_f64_for_every_size_of_head) {
    for (size_t head_dim : {1u, 5u, 16u, 40u, 64u, 72u, 128u, 200u, 256u}) expect_f64(cuda, {2, 1, head_dim, 17, 70, 0});
}

TEST_F(attention_on_cuda, many_rows_agree_with_f64_for_every_group_count_and_window) {
    for (size_t group : {2u, 3u, 5u}) expect_f64(cuda, {2, group, 24, 23, 23, 0});
    for (size_t rows : {31u, 64u, 65u, 130u}) expect_f64(cuda, {2, 1, 16, rows, 130, 0});
    for (size_t window : {1u, 5u, 63u, 64u, 65u, 129u}) expect_f64(cuda, {2, 1, 16, 80, 150, window});
    expect_f64(cuda, {2, 2, 32, 40, 333, 100});
}

TEST_F(attention_on_cuda, results_are_rounded_once_to_the_type_of_y) {
    const attention_case c({2, 2, 32, 1, 70, 0}, NQ_DTYPE_F32);
    const std::vector<float> wide = c.run(cuda);
    for (nq_dtype type : {NQ_DTYPE_F16, NQ_DTYPE_BF16}) EXPECT_EQ(c.run(cuda, type), rounded(wide, type));
}

// Values that a row does not attend to may be anything: a NaN or infinity in each position in turn reaches the rows that see it, no other.
TEST_F(attention_on_cuda, nan_and_infinity_reach_exactly_the_rows_that_attend_to_them) {
    for (nq_dtype dtype : cache_types) {
        for (size_t rows : {3u, 40u}) {
            for (size_t bad : {0u, 29u, 62u, 66u, 69u}) {
                for (const bool in_keys : {true, false}) {
                    attention_case c({2, 2, 16, rows, 70, 9}, dtype);
                    const attention_case clean = c;
                    (in_keys ? c.keys : c.values)[bad * c.kv_columns() + 16 + 3] = in_keys ? nan : infinity;  // head 1
                    const std::vector<float> got = c.run(cuda), expected = clean.run(cuda);
                    for (size_t i = 0; i < got.size(); i++) {
                        const size_t t = i / c.columns(), column = i % c.columns();
                        const bool seen = bad >= c.first(t) && bad <= c.last(t) && column >= 32;
                        const bool element_seen = seen && (in_keys || dtype == NQ_DTYPE_I8 || column % 16 == 3);
                        if (element_seen) {
                            EXPECT_FALSE(std::isfinite(got[i])) << i;
                        } else {
                            EXPECT_EQ(got[i], expected[i]) << i;
                        }
                    }
                }
            }
        }
    }
}

TEST_F(attention_on_cuda, infinite_scores_are_those_of_the_definition) {
    for (size_t rows : {1u, 20u}) {
        attention_case c({2, 1, 16, rows, 140, 0}, NQ_DTYPE_F32);
        for (float& q : c.queries) q = std::fabs(q) + 0.01f;
        attention_case without = c;
        for (size_t p = 3; p < 9; p++) {  // scores of -infinity count nothing: as if keys were far away
            for (size_t i = 0; i < 32; i++) {
                c.keys[p * 32 + i] = -infinity;
                without.keys[p * 32 + i] = -1e6f;
            }
        }
        without.expect(c.run(cuda), f32_tolerance);
        c.keys[70 * 32] = infinity;  // infinity - infinity, for head 0
        const std::vector<float> got = c.run(cuda);
        for (size_t i = 0; i < got.size(); i++) EXPECT_EQ(std::isnan(got[i]), i % 32 < 16 && i / 32 + 140 >= 70 + rows) << i;
    }
}

TEST_F(attention_on_cuda, large_scores_overflow_nothing) {
    for (size_t rows : {1u, 20u}) {
        attention_case c({2, 2, 32, rows, 200, 0}, NQ_DTYPE_F32);
        for (float& q : c.queries) q *= 1000;
        c.expect(c.run(cuda), 2e-3);  // scores of some thousands, each to about 2^-22 of itself
    }
}

TEST_F(attention_on_cuda, repeats_bit_for_bit) {
    for (size_t rows : {1u, 33u}) {
        const attention_case c({2, 4, 64, rows, 300, 0}, NQ_DTYPE_BF16);
        EXPECT_EQ(c.run(cuda), c.run(cuda));
    }
}

}  // namespace nq::test
