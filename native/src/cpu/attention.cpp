// Causal grouped-query attention over the pages of a KV cache. For each new position and key-value head: the scores of all positions
// attended to, for every query head of the group (so that each page of keys is read once), a softmax over each, then the weighted sum of
// the values.
#include "cpu/kv_cache.h"
#include "cpu/staging.h"

namespace nq::cpu {

namespace {

// One new position's heads [head_begin, head_end), all of the group of one key-value head.
struct attention_task {
    const kernels& k;
    const paged_kv_cache& cache;
    uint32_t layer;
    size_t kv_head;
    size_t first, last;  // positions attended to
    float scale;

    size_t count() const { return last - first; }

    // body(position, how many follow each other from there on)
    template <class Body>
    void for_each_page(const Body& body) const {
        constexpr size_t page = paged_kv_cache::page_positions;
        for (size_t p = first; p < last;) {
            const size_t n = std::min(last - p, page - p % page);
            body(p, n);
            p += n;
        }
    }

    // q, y: [heads][head_dim]; scores: [heads][count]
    void run(const float* q, float* y, size_t heads, float* scores) const {
        const size_t head_dim = cache.head_dim();
        for_each_page([&](size_t p, size_t n) {
            const float* keys = cache.key(layer, p, kv_head);
            for (size_t h = 0; h < heads; h++) {
                k.attention_scores(q + h * head_dim, keys, head_dim, n, head_dim, scale, scores + h * count() + (p - first));
            }
        });
        for (size_t h = 0; h < heads; h++) {
            float* weights = scores + h * count();
            const float sum = k.exp_sum(weights, k.largest(weights, count()), weights, count());
            for (size_t i = 0; i < count(); i++) weights[i] /= sum;
        }
        std::fill(y, y + heads * head_dim, 0.0f);
        for_each_page([&](size_t p, size_t n) {
            const float* values = cache.value(layer, p, kv_head);
            for (size_t h = 0; h < heads; h++) {
                k.attention_values(scores + h * count() + (p - first), values, head_dim, n, head_dim, y + h * head_dim);
            }
        });
    }
};

}  // namespace

void cpu_backend::attention_forward(const kv_cache& cache, uint32_t layer, const tensor& q, float scale, uint64_t window, const tensor& y) {
    const paged_kv_cache& pages = static_cast<const paged_kv_cache&>(cache);
    const size_t head_dim = cache.head_dim(), kv_heads = cache.kv_heads();
    const size_t heads = q.columns / head_dim, group = heads / kv_heads;
    const size_t length = cache.length(layer), before = length - q.rows;
    // A task is the heads that share keys, or less where that gives too few tasks for the threads.
    const size_t heads_per_task = q.rows * kv_heads >= threads_ ? group : 1;
    const size_t tasks_per_row = heads / heads_per_task;
    const size_t attended = window == 0 ? length : std::min<size_t>(length, window);

    const f32_input input(*this, q);
    f32_output output(*this, y);
    const auto scratch = scratch_.take_array<float>(threads_ * heads_per_task * attended);
    parallel(q.rows * tasks_per_row, 2 * heads_per_task * attended * head_dim / 4, [&](size_t begin, size_t end, uint32_t worker) {
        float* scores = scratch.as<float>() + worker * heads_per_task * attended;
        for (size_t task = begin; task < end; task++) {
            const size_t t = task / tasks_per_row, head = task % tasks_per_row * heads_per_task;
            const size_t last = before + t + 1;
            const size_t first = window == 0 || last <= window ? 0 : last - window;
            const attention_task work{kernels_, pages, layer, head / group, first, last, scale};
            work.run(input.row(t) + head * head_dim, output.row(t) + head * head_dim, heads_per_task, scores);
        }
    });
    output.store();
}

}  // namespace nq::cpu
