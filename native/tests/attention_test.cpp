// KV cache and attention against f64 arithmetic, on every implementation.
#include <algorithm>

#include "support.h"

namespace nq::test {
namespace {

class Attention : public EveryImplementation {};
NQ_RUN_ON_EVERY_IMPLEMENTATION(Attention);

struct shape {
    size_t kv_heads, group, head_dim;
};

constexpr nq_dtype cache_types[] = {NQ_DTYPE_F32, NQ_DTYPE_BF16, NQ_DTYPE_I8};

kv_cache make_cache(nq_device* device, uint32_t layers, const shape& s, uint64_t capacity, nq_dtype dtype = NQ_DTYPE_F32) {
    kv_cache cache;
    EXPECT_OK(nq_kv_cache_create(device, layers, static_cast<uint32_t>(s.kv_heads), static_cast<uint32_t>(s.head_dim), capacity, dtype,
                                 cache.out()));
    return cache;
}

uint64_t bytes_of(nq_kv_cache* cache) {
    uint64_t bytes = 99;
    EXPECT_OK(nq_kv_cache_bytes(cache, &bytes));
    return bytes;
}

// Values as a cache of that type reads them back: the definition in the header.
std::vector<float> held(const std::vector<float>& values, size_t head_dim, nq_dtype dtype) {
    if (dtype == NQ_DTYPE_F32) return values;
    if (dtype == NQ_DTYPE_BF16) return rounded(values, dtype);
    std::vector<float> result(values.size());
    for (size_t head = 0; head < values.size(); head += head_dim) {
        float absmax = 0;
        for (size_t i = 0; i < head_dim; i++) absmax = std::max(absmax, std::fabs(values[head + i]));
        for (size_t i = 0; i < head_dim && absmax > 0; i++)
            result[head + i] = std::nearbyint(values[head + i] * (127 / absmax)) * (absmax / 127);
    }
    return result;
}

uint64_t length_of(nq_kv_cache* cache, uint32_t layer) {
    uint64_t length = 99;
    EXPECT_OK(nq_kv_cache_length(cache, layer, &length));
    return length;
}

// Attention of the last rows of q over keys and values [positions][kv_heads * head_dim].
std::vector<double> reference(const std::vector<float>& q, const std::vector<float>& k, const std::vector<float>& v, const shape& s,
                              size_t rows, size_t positions, double scale, size_t window) {
    const size_t heads = s.kv_heads * s.group, kv_columns = s.kv_heads * s.head_dim, columns = heads * s.head_dim;
    std::vector<double> y(rows * columns);
    for (size_t t = 0; t < rows; t++) {
        const size_t last = positions - rows + t;
        const size_t first = window == 0 || last + 1 < window ? 0 : last + 1 - window;
        for (size_t h = 0; h < heads; h++) {
            const float* query = &q[t * columns + h * s.head_dim];
            const size_t offset = h / s.group * s.head_dim;
            std::vector<double> weights;
            double most = -1e300, sum = 0;
            for (size_t p = first; p <= last; p++) {
                double dot = 0;
                for (size_t i = 0; i < s.head_dim; i++) dot += static_cast<double>(query[i]) * k[p * kv_columns + offset + i];
                weights.push_back(dot * scale);
                most = std::max(most, weights.back());
            }
            for (double& w : weights) sum += w = std::exp(w - most);
            for (size_t p = first; p <= last; p++) {
                for (size_t i = 0; i < s.head_dim; i++)
                    y[t * columns + h * s.head_dim + i] += weights[p - first] / sum * v[p * kv_columns + offset + i];
            }
        }
    }
    return y;
}

TEST_P(Attention, MatchesTheDefinitionInPrefillAndDecode) {
    const shape shapes[] = {{1, 1, 8}, {2, 3, 20}, {4, 1, 64}, {1, 8, 5}, {1, 2, 80}};
    const std::vector<size_t> windows = on_emulated_device() ? std::vector<size_t>{0, 10} : std::vector<size_t>{0, 1, 10, 64, 1000};
    for (size_t i = 0; i < 3 * std::size(shapes); i++) {
        const shape s = shapes[i / 3];
        const nq_dtype dtype = cache_types[i % 3];
        const size_t kv_columns = s.kv_heads * s.head_dim, columns = kv_columns * s.group;
        const kv_cache cache = make_cache(device_, 2, s, 300, dtype);
        std::vector<float> keys, values;
        uint32_t seed = 1;
        for (size_t rows : {1u, 5u, 57u, 1u, 1u, 70u, 64u, 1u}) {  // ends before, on and after page borders
            const std::vector<float> k = normal_values(rows * kv_columns, seed++), v = normal_values(rows * kv_columns, seed++);
            const std::vector<float> held_k = held(k, s.head_dim, dtype), held_v = held(v, s.head_dim, dtype);
            keys.insert(keys.end(), held_k.begin(), held_k.end());
            values.insert(values.end(), held_v.begin(), held_v.end());
            const array key_array(device_, NQ_DTYPE_F32, rows, kv_columns, k, 3), value_array(device_, NQ_DTYPE_F32, rows, kv_columns, v);
            ASSERT_OK(nq_kv_cache_append(cache, 1, key_array, value_array));
            const size_t positions = keys.size() / kv_columns;
            ASSERT_EQ(length_of(cache, 1), positions);
            const std::vector<float> q = normal_values(rows * columns, seed++);
            const array q_array(device_, NQ_DTYPE_F32, rows, columns, q, 1), y(device_, NQ_DTYPE_F32, rows, columns, 2);
            const float scale = 1 / std::sqrt(static_cast<float>(s.head_dim));
            for (size_t window : windows) {
                ASSERT_OK(nq_attention_forward(cache, 1, q_array, scale, window, y));
                ASSERT_LE(relative_error(y.floats(), reference(q, keys, values, s, rows, positions, scale, window)), 2e-6)
                    << rows << " of " << positions << ", window " << window << ", type " << dtype;
            }
        }
        EXPECT_EQ(length_of(cache, 0), 0u) << "layers are separate";
    }
}

TEST_P(Attention, FewerQueriesThanPositionsAreTheLastOnes) {
    const shape s{1, 2, 16};
    const kv_cache cache = make_cache(device_, 1, s, 100);
    const std::vector<float> k = normal_values(90 * 16, 1), v = normal_values(90 * 16, 2), q = normal_values(3 * 32, 3);
    ASSERT_OK(nq_kv_cache_append(cache, 0, array(device_, NQ_DTYPE_F32, 90, 16, k), array(device_, NQ_DTYPE_F32, 90, 16, v)));
    const array y(device_, NQ_DTYPE_F32, 3, 32);
    ASSERT_OK(nq_attention_forward(cache, 0, array(device_, NQ_DTYPE_F32, 3, 32, q), 0.3f, 0, y));
    EXPECT_LE(relative_error(y.floats(), reference(q, k, v, s, 3, 90, 0.3f, 0)), 2e-6);
}

TEST_P(Attention, LargeScoresDoNotOverflow) {
    const shape s{1, 1, 8};
    const kv_cache cache = make_cache(device_, 1, s, 10);
    std::vector<float> k = normal_values(5 * 8, 1, 1000), v = normal_values(5 * 8, 2), q = normal_values(8, 3, 1000);
    ASSERT_OK(nq_kv_cache_append(cache, 0, array(device_, NQ_DTYPE_F32, 5, 8, k), array(device_, NQ_DTYPE_F32, 5, 8, v)));
    const array y(device_, NQ_DTYPE_F32, 1, 8);
    ASSERT_OK(nq_attention_forward(cache, 0, array(device_, NQ_DTYPE_F32, 1, 8, q), 1, 0, y));
    EXPECT_LE(relative_error(y.floats(), reference(q, k, v, s, 1, 5, 1, 0)), 1e-5);
}

TEST_P(Attention, NanReachesExactlyTheOutputsThatDependOnIt) {
    const shape s{2, 2, 8};
    constexpr size_t positions = 70, kv_columns = 16, columns = 32, bad = 66;
    std::vector<float> k = normal_values(positions * kv_columns, 1), v = normal_values(positions * kv_columns, 2);
    k[bad * kv_columns + 9] = nan;  // a key of head 1
    const kv_cache cache = make_cache(device_, 1, s, positions);
    ASSERT_OK(nq_kv_cache_append(cache, 0, array(device_, NQ_DTYPE_F32, positions, kv_columns, k),
                                 array(device_, NQ_DTYPE_F32, positions, kv_columns, v)));
    const array q(device_, NQ_DTYPE_F32, positions, columns, normal_values(positions * columns, 3)),
        y(device_, NQ_DTYPE_F32, positions, columns);
    ASSERT_OK(nq_attention_forward(cache, 0, q, 0.35f, 0, y));
    const std::vector<float> result = y.floats();
    for (size_t t = 0; t < positions; t++) {
        for (size_t c = 0; c < columns; c++) EXPECT_EQ(std::isnan(result[t * columns + c]), t >= bad && c >= 16) << t << ' ' << c;
    }
}

TEST_P(Attention, TruncatingForgetsAndAppendingAgainGoesOn) {
    const shape s{1, 1, 4};
    const kv_cache cache = make_cache(device_, 3, s, 200);
    const std::vector<float> k = normal_values(150 * 4, 1), v = normal_values(150 * 4, 2);
    const array keys(device_, NQ_DTYPE_F32, 150, 4, k), values(device_, NQ_DTYPE_F32, 150, 4, v);
    ASSERT_OK(nq_kv_cache_append(cache, 0, keys, values));
    ASSERT_OK(nq_kv_cache_append(cache, 1, array(device_, NQ_DTYPE_F32, 10, 4), array(device_, NQ_DTYPE_F32, 10, 4)));
    const uint64_t full = device_.info().allocated_bytes;
    ASSERT_OK(nq_kv_cache_truncate(cache, 100));
    EXPECT_EQ(length_of(cache, 0), 100u);
    EXPECT_EQ(length_of(cache, 1), 10u);
    EXPECT_EQ(length_of(cache, 2), 0u);
    EXPECT_LT(device_.info().allocated_bytes, full) << "pages not needed are freed";
    EXPECT_EQ(nq_kv_cache_append(cache, 0, keys, values), NQ_STATUS_INVALID_ARGUMENT) << "100 + 150 do not fit";
    nq_tensor tail = *static_cast<const nq_tensor*>(keys), value_tail = *static_cast<const nq_tensor*>(values);
    tail.rows = value_tail.rows = 50;
    tail.offset = value_tail.offset = 100 * 4 * 4;
    ASSERT_OK(nq_kv_cache_append(cache, 0, &tail, &value_tail));
    const std::vector<float> q = normal_values(4, 5);
    const array y(device_, NQ_DTYPE_F32, 1, 4);
    ASSERT_OK(nq_attention_forward(cache, 0, array(device_, NQ_DTYPE_F32, 1, 4, q), 0.5f, 0, y));
    EXPECT_LE(relative_error(y.floats(), reference(q, k, v, s, 1, 150, 0.5, 0)), 2e-6);
    ASSERT_OK(nq_kv_cache_truncate(cache, 0));
    EXPECT_EQ(length_of(cache, 0), 0u);
}

// Attention over `positions` after a first block of 70: far enough that a single new position is split into spans.
TEST_P(Attention, LongContextsMatchTheDefinition) {
    const size_t positions = on_emulated_device() ? 500 : 1500;
    for (const nq_dtype dtype : cache_types) {
        for (const shape& s : {shape{2, 4, 32}, shape{1, 1, 16}, shape{1, 30, 8}}) {
            const size_t kv_columns = s.kv_heads * s.head_dim, columns = kv_columns * s.group;
            const std::vector<float> k = normal_values(positions * kv_columns, 1), v = normal_values(positions * kv_columns, 2);
            const kv_cache cache = make_cache(device_, 1, s, positions, dtype);
            ASSERT_OK(nq_kv_cache_append(cache, 0, array(device_, NQ_DTYPE_F32, positions, kv_columns, k),
                                         array(device_, NQ_DTYPE_F32, positions, kv_columns, v)));
            for (size_t rows : {1u, 2u, 7u, 33u}) {
                if (on_emulated_device() && rows * s.group > 60) continue;
                const std::vector<float> q = normal_values(rows * columns, 3);
                const array q_array(device_, NQ_DTYPE_F32, rows, columns, q), y(device_, NQ_DTYPE_F32, rows, columns);
                for (size_t window : {size_t{0}, positions / 2 - 50, positions - 1}) {
                    ASSERT_OK(nq_attention_forward(cache, 0, q_array, 0.4f, window, y));
                    const auto expected =
                        reference(q, held(k, s.head_dim, dtype), held(v, s.head_dim, dtype), s, rows, positions, 0.4, window);
                    ASSERT_LE(relative_error(y.floats(), expected), 3e-6) << rows << " rows, window " << window << ", type " << dtype;
                }
            }
        }
    }
}

TEST_P(Attention, MemoryGrowsByPagesOfEveryLayer) {
    const struct {
        nq_dtype dtype;
        size_t head_dim, position_bytes;
    } cases[] = {{NQ_DTYPE_F32, 16, 2 * 16 * 4},   {NQ_DTYPE_BF16, 16, 2 * 16 * 2},  {NQ_DTYPE_I8, 16, 2 * 16 + 8},
                 {NQ_DTYPE_F32, 5, (5 + 16) * 4},  {NQ_DTYPE_BF16, 5, (6 + 16) * 2}, {NQ_DTYPE_I8, 5, 5 + 16 + 8},
                 {NQ_DTYPE_F32, 80, (80 + 80) * 4}};
    for (const auto& c : cases) {
        const kv_cache cache = make_cache(device_, 4, {2, 1, c.head_dim}, 1000000, c.dtype);
        const array one(device_, NQ_DTYPE_F32, 1, 2 * c.head_dim);
        EXPECT_EQ(bytes_of(cache), 0u);
        const uint64_t page = 64 * 4 * 2 * c.position_bytes;
        for (int i = 0; i < 64; i++) {
            for (uint32_t layer = 0; layer < 4; layer++) ASSERT_OK(nq_kv_cache_append(cache, layer, one, one));
        }
        EXPECT_EQ(bytes_of(cache), page) << c.dtype << ' ' << c.head_dim;
        const uint64_t before = device_.info().allocated_bytes;
        ASSERT_OK(nq_kv_cache_append(cache, 0, one, one));
        EXPECT_EQ(bytes_of(cache), 2 * page);
        EXPECT_EQ(device_.info().allocated_bytes - before, page);
        ASSERT_OK(nq_kv_cache_truncate(cache, 64));
        EXPECT_EQ(bytes_of(cache), page);
    }
}

TEST_P(Attention, NarrowCachesKeepTheirStatedErrors) {
    constexpr size_t positions = 500, head_dim = 64;
    const shape s{2, 1, head_dim};
    const std::vector<float> v = normal_values(positions * 2 * head_dim, 1);
    const array keys(device_, NQ_DTYPE_F32, positions, 2 * head_dim), values(device_, NQ_DTYPE_F32, positions, 2 * head_dim, v),
        q(device_, NQ_DTYPE_F32, positions, 2 * head_dim), y(device_, NQ_DTYPE_F32, positions, 2 * head_dim);
    for (const nq_dtype dtype : {NQ_DTYPE_BF16, NQ_DTYPE_I8}) {
        const kv_cache cache = make_cache(device_, 1, s, positions, dtype);
        ASSERT_OK(nq_kv_cache_append(cache, 0, keys, values));
        ASSERT_OK(nq_attention_forward(cache, 0, q, 1, 1, y));  // a window of 1 reads back each position's own value
        const std::vector<float> read = y.floats();
        double error = 0, norm = 0;
        for (size_t head = 0; head < v.size(); head += head_dim) {
            float absmax = 0;
            for (size_t i = head; i < head + head_dim; i++) absmax = std::max(absmax, std::fabs(v[i]));
            for (size_t i = head; i < head + head_dim; i++) {
                const double e = std::fabs(static_cast<double>(read[i]) - v[i]);
                ASSERT_LE(e, dtype == NQ_DTYPE_BF16 ? std::fabs(v[i]) * 0x1p-8 : absmax / 254 * (1 + 0x1p-15));
                error += e * e;
                norm += static_cast<double>(v[i]) * v[i];
            }
        }
        if (dtype == NQ_DTYPE_I8) {
            EXPECT_NEAR(std::sqrt(error / norm), 0.0059, 0.0003);
        }
    }
}

TEST_P(Attention, Int8CachesKeepTinyHugeAndBrokenHeadsApart) {
    constexpr size_t head_dim = 16;
    const float sizes[] = {0, 1e-42f, 1e-37f, 1e30f, infinity, nan, 1};
    constexpr size_t positions = std::size(sizes);
    std::vector<float> v = normal_values(positions * head_dim, 1);
    for (size_t p = 0; p < positions; p++) {
        for (size_t i = 0; i < head_dim; i++) v[p * head_dim + i] = std::isfinite(sizes[p]) ? v[p * head_dim + i] * sizes[p] : 1;
        if (!std::isfinite(sizes[p])) v[p * head_dim + 3] = sizes[p];
    }
    const kv_cache cache = make_cache(device_, 1, {1, 1, head_dim}, positions, NQ_DTYPE_I8);
    const array zeros(device_, NQ_DTYPE_F32, positions, head_dim), y(device_, NQ_DTYPE_F32, positions, head_dim);
    ASSERT_OK(nq_kv_cache_append(cache, 0, zeros, array(device_, NQ_DTYPE_F32, positions, head_dim, v)));
    ASSERT_OK(nq_attention_forward(cache, 0, zeros, 1, 1, y));
    const std::vector<float> read = y.floats();
    for (size_t p = 0; p < positions; p++) {
        float absmax = 0;
        for (size_t i = 0; i < head_dim; i++) absmax = std::max(absmax, std::fabs(v[p * head_dim + i]));
        for (size_t i = 0; i < head_dim; i++) {
            const size_t at = p * head_dim + i;
            if (std::isfinite(sizes[p])) {
                EXPECT_NEAR(read[at], v[at], absmax < 0x1p-120f ? 0x1p-120f : absmax / 254 * (1 + 0x1p-15)) << sizes[p];
            } else {
                EXPECT_TRUE(std::isnan(read[at])) << sizes[p];
            }
        }
    }
}

TEST_P(Attention, CapacityIsAHardLimit) {
    const kv_cache cache = make_cache(device_, 1, {1, 1, 4}, 3);
    const array two(device_, NQ_DTYPE_F32, 2, 4);
    ASSERT_OK(nq_kv_cache_append(cache, 0, two, two));
    EXPECT_EQ(nq_kv_cache_append(cache, 0, two, two), NQ_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(length_of(cache, 0), 2u);
}

TEST_P(Attention, NarrowTypesAreWidenedAndRoundedOnce) {
    const shape s{1, 2, 16};
    for (nq_dtype type : {NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
        const std::vector<float> k = rounded(normal_values(20 * 16, 1), type), v = rounded(normal_values(20 * 16, 2), type);
        const std::vector<float> q = rounded(normal_values(20 * 32, 3), type);
        std::vector<std::vector<float>> results;
        for (nq_dtype held : {type, NQ_DTYPE_F32}) {
            const kv_cache cache = make_cache(device_, 1, s, 20);
            ASSERT_OK(nq_kv_cache_append(cache, 0, array(device_, held, 20, 16, k), array(device_, held, 20, 16, v)));
            const array y(device_, held, 20, 32);
            ASSERT_OK(nq_attention_forward(cache, 0, array(device_, held, 20, 32, q), 0.25f, 0, y));
            results.push_back(y.floats());
        }
        EXPECT_EQ(results[0], rounded(results[1], type));
    }
}

}  // namespace
}  // namespace nq::test
