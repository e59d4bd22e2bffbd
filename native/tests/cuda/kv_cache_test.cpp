#include <set>

#include "cuda/device/kv_layout.h"
#include "cuda_testing.h"

namespace nq::test {

namespace {

constexpr nq_dtype cache_types[] = {NQ_DTYPE_F32, NQ_DTYPE_BF16, NQ_DTYPE_I8};

kv_cache make_cache(nq_device* device, uint32_t kv_heads, uint32_t head_dim, uint64_t capacity, nq_dtype dtype) {
    kv_cache cache;
    EXPECT_OK(nq_kv_cache_create(device, 2, kv_heads, head_dim, capacity, dtype, cache.out()));
    return cache;
}

// The rows begin .. end - 1 of a tensor as a view.
nq_tensor rows_of(const array& all, size_t begin, size_t end) {
    nq_tensor view = *static_cast<const nq_tensor*>(all);
    view.offset += begin * view.row_stride * size_of(view.dtype);
    view.rows = end - begin;
    return view;
}

}  // namespace

TEST(kv_layout, every_element_of_keys_and_values_has_a_place_of_its_own) {
    for (nq_dtype dtype : cache_types) {
        const uint32_t granule = cuda::kv_granule(dtype);
        for (uint64_t head_dim = 1; head_dim <= 272; head_dim += head_dim < 40 ? 1 : 29) {
            std::set<uint64_t> keys, values;
            for (uint32_t p = 0; p < cuda::page_positions; p++) {
                for (uint64_t e = 0; e < head_dim; e++) {
                    keys.insert(cuda::kv_key_index(granule, p, e));
                    values.insert(cuda::kv_value_index(granule, head_dim, p, e));
                }
            }
            ASSERT_EQ(keys.size(), head_dim * cuda::page_positions);
            ASSERT_EQ(values.size(), head_dim * cuda::page_positions);
            ASSERT_LT(*keys.rbegin() * cuda::kv_element_bytes(dtype), cuda::kv_key_bytes(dtype, head_dim));
            ASSERT_LT(*values.rbegin() * cuda::kv_element_bytes(dtype), cuda::kv_value_bytes(dtype, head_dim));
            ASSERT_EQ(cuda::kv_head_bytes(dtype, head_dim) % 16, 0u) << "granules are aligned";
        }
    }
}

using kv_cache_on_cuda = cuda_and_scalar;

// A window of one position reads its value back: softmax of one score is 1.
TEST_F(kv_cache_on_cuda, values_read_back_are_those_of_the_scalar_cache) {
    constexpr uint32_t kv_heads = 2;
    for (nq_dtype dtype : cache_types) {
        for (uint32_t head_dim : {1u, 7u, 32u, 130u}) {
            for (nq_dtype type : {NQ_DTYPE_F32, NQ_DTYPE_F16, NQ_DTYPE_BF16}) {
                constexpr size_t positions = 150;
                const size_t columns = kv_heads * head_dim;
                std::vector<float> v = normal_values(positions * columns, 1);
                const float sizes[] = {0, 1e-42f, 1e-37f, 1e4f, infinity, nan};
                for (size_t i = 0; i < std::size(sizes); i++) {  // ties, tiny, huge and broken heads
                    for (size_t c = 0; c < columns; c++)
                        v[(i + 5) * columns + c] = std::isfinite(sizes[i]) ? v[(i + 5) * columns + c] * sizes[i] : 0.25f;
                    if (!std::isfinite(sizes[i])) v[(i + 5) * columns] = sizes[i];
                }
                std::vector<std::vector<float>> read;
                for (nq_device* device : {static_cast<nq_device*>(cuda), static_cast<nq_device*>(scalar)}) {
                    const kv_cache cache = make_cache(device, kv_heads, head_dim, positions, dtype);
                    const array keys(device, type, positions, columns), values(device, type, positions, columns, v, 3),
                        q(device, NQ_DTYPE_F32, positions, columns), y(device, NQ_DTYPE_F32, positions, columns);
                    size_t done = 0;
                    for (size_t next :
                         {size_t{1}, size_t{3}, size_t{62}, size_t{64}, size_t{65}, size_t{133}, positions}) {  // around page borders
                        const nq_tensor k_rows = rows_of(keys, done, next), v_rows = rows_of(values, done, next);
                        ASSERT_OK(nq_kv_cache_append(cache, 1, &k_rows, &v_rows));
                        done = next;
                    }
                    ASSERT_OK(nq_attention_forward(cache, 1, q, 1, 1, y));
                    read.push_back(y.floats());
                }
                for (size_t i = 0; i < read[0].size(); i++) {
                    if (!std::isfinite(read[1][i])) {
                        ASSERT_EQ(std::isnan(read[0][i]), std::isnan(read[1][i])) << i;
                        ASSERT_FALSE(std::isfinite(read[0][i])) << i;
                    } else {
                        // Tensor cores take f32 in parts, which end where bf16 does.
                        ASSERT_NEAR(read[0][i], read[1][i], dtype == NQ_DTYPE_F32 ? 0x1p-126f : 0)
                            << "type " << dtype << ", head of " << head_dim << ", position " << i / columns;
                    }
                }
            }
        }
    }
}

// With keys of one element and values 0 and 1, the result tells the score of a position: all codes of keys.
TEST_F(kv_cache_on_cuda, keys_read_back_are_those_of_the_scalar_cache) {
    for (nq_dtype dtype : cache_types) {
        for (uint32_t head_dim : {5u, 48u}) {
            constexpr size_t positions = 66;
            const std::vector<float> k = normal_values(positions * head_dim, 1);
            std::vector<float> v(positions * head_dim, 0.0f), q(head_dim * head_dim, 0.0f);
            for (size_t p = 1; p < positions; p += 2)
                for (size_t e = 0; e < head_dim; e++) v[p * head_dim + e] = 1;
            for (size_t e = 0; e < head_dim; e++) q[e * head_dim + e] = 1;  // query head e reads element e of the keys
            std::vector<std::vector<float>> read;
            for (nq_device* device : {static_cast<nq_device*>(cuda), static_cast<nq_device*>(scalar)}) {
                const kv_cache cache = make_cache(device, 1, head_dim, positions, dtype);
                ASSERT_OK(nq_kv_cache_append(cache, 0, array(device, NQ_DTYPE_F32, positions, head_dim, k),
                                             array(device, NQ_DTYPE_F32, positions, head_dim, v)));
                const array y(device, NQ_DTYPE_F32, 1, q.size());
                for (uint64_t window : {2u, 65u}) {
                    ASSERT_OK(nq_attention_forward(cache, 0, array(device, NQ_DTYPE_F32, 1, q.size(), q), 1, window, y));
                    read.push_back(y.floats());
                }
            }
            for (size_t i = 0; i < 2; i++)
                for (size_t c = 0; c < q.size(); c++)
                    ASSERT_NEAR(read[i][c], read[i + 2][c], 1e-6) << "type " << dtype << ", element " << c;
        }
    }
}

TEST_F(kv_cache_on_cuda, the_page_table_grows_and_pages_taken_again_hold_nothing_of_before) {
    constexpr size_t positions = 64 * 70;  // more than the first table has room for
    std::vector<float> ones(positions, 1.0f), marked = ones;
    marked[4090] = 2;
    marked[positions - 1] = 3;
    const kv_cache cache = make_cache(cuda, 1, 1, 2 * positions, NQ_DTYPE_F32);
    const array keys(cuda, NQ_DTYPE_F32, positions, 1), values(cuda, NQ_DTYPE_F32, positions, 1, marked),
        broken(cuda, NQ_DTYPE_F32, 100, 1, std::vector<float>(100, nan)), q(cuda, NQ_DTYPE_F32, 1, 1), y(cuda, NQ_DTYPE_F32, 1, 1);
    const nq_tensor early_keys = rows_of(keys, 0, 4000), late_keys = rows_of(keys, 4000, positions);
    const nq_tensor early_values = rows_of(values, 0, 4000), late_values = rows_of(values, 4000, positions);
    ASSERT_OK(nq_kv_cache_append(cache, 0, &early_keys, &early_values));
    ASSERT_OK(nq_kv_cache_append(cache, 0, broken, broken));
    ASSERT_OK(nq_kv_cache_truncate(cache, 4000));
    ASSERT_OK(nq_kv_cache_append(cache, 0, &late_keys, &late_values));
    ASSERT_OK(nq_attention_forward(cache, 0, q, 1, 0, y));
    EXPECT_NEAR(y.floats()[0], (positions + 3.0) / positions, 1e-6) << "the mean of all values";
    ASSERT_OK(nq_kv_cache_truncate(cache, 0));
    const nq_tensor one_key = rows_of(keys, 0, 1), one_value = rows_of(values, 4090, 4091);
    ASSERT_OK(nq_kv_cache_append(cache, 0, &one_key, &one_value));
    ASSERT_OK(nq_attention_forward(cache, 0, q, 1, 0, y));
    EXPECT_EQ(y.floats()[0], 2);
}

TEST_F(kv_cache_on_cuda, a_head_larger_than_shared_memory_is_refused) {
    kv_cache cache;
    EXPECT_EQ(nq_kv_cache_create(cuda, 1, 1, 8193, 1, NQ_DTYPE_F32, cache.out()), NQ_STATUS_UNSUPPORTED);
    EXPECT_STREQ(nq_last_error_message(), "head_dim is 8193, expected at most 8192 on a CUDA device");
    EXPECT_OK(nq_kv_cache_create(cuda, 1, 1, 8192, 1, NQ_DTYPE_F32, cache.out()));
}

}  // namespace nq::test
