// Causal grouped-query attention over the pages of a KV cache. A task takes the query rows of a block of new positions that share a
// key-value head once over the head's pages, so that keys and values are read once for all of them. A single block (decode) is also split
// over positions: each task leaves the softmax of its span, and the last to finish puts the spans together in their order. Blocks and
// spans depend on the shapes alone, so results do not depend on the number of threads.
#include <atomic>
#include <limits>

#include "cpu/kv_cache.h"
#include "cpu/staging.h"

namespace nq::cpu {

namespace {

constexpr size_t most_block_rows = 96;    // q, acc and an f32 page of 64 columns: 80 KiB
constexpr size_t least_span_pages = 8;    // 128 KiB of bf16 keys and values of 64
constexpr size_t rows_per_span_page = 4;  // a row leaves acc, about what one position has: keeps that far below the keys and values

size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

// The shapes, and how they are cut into tasks.
struct attention_plan {
    size_t head_dim, columns, kv_heads, group;
    size_t positions, length, window;
    size_t block_positions, blocks;
    size_t span_pages, spans;

    attention_plan(const kv_cache& cache, uint32_t layer, const tensor& q, uint64_t attended)
        : head_dim(cache.head_dim()),
          columns(page_columns(head_dim)),
          kv_heads(cache.kv_heads()),
          group(q.columns / head_dim / kv_heads),
          positions(q.rows),
          length(cache.length(layer)),
          window(attended == 0 ? length : std::min<size_t>(attended, length)),
          block_positions(std::clamp<size_t>(most_block_rows / group, 1, positions)),
          blocks(divide_up(positions, block_positions)) {
        const size_t pages = divide_up(length, page_positions) - first(0) / page_positions;
        span_pages = blocks > 1 ? pages : std::max(least_span_pages, divide_up(block_rows(), rows_per_span_page));
        spans = divide_up(pages, span_pages);
    }

    size_t block_rows() const { return block_positions * group; }
    size_t tasks() const { return blocks * spans * kv_heads; }
    // Positions of the sequence that new position t attends to.
    size_t last(size_t t) const { return length - positions + t + 1; }
    size_t first(size_t t) const { return last(t) <= window ? 0 : last(t) - window; }
    // Floats of the state of a block's rows: acc, largest, sum.
    size_t state_floats() const { return block_rows() * columns + divide_up(2 * block_rows(), 16) * 16; }
};

// The softmax of a block's rows over a span.
struct row_state {
    row_state(const attention_plan& plan, float* memory)
        : acc(memory), largest(memory + plan.block_rows() * plan.columns), sum(largest + plan.block_rows()) {}
    float* acc;
    float* largest;
    float* sum;
};

// One block of new positions, one key-value head, one span of pages. Heads follow each other, so that a thread that takes several tasks
// reads one stretch of memory; long blocks come first.
struct attention_task {
    size_t block, span, head;

    attention_task(const attention_plan& plan, size_t index)
        : block(plan.blocks - 1 - index / plan.kv_heads / plan.spans),
          span(index / plan.kv_heads % plan.spans),
          head(index % plan.kv_heads) {}
};

class attention_operation {
public:
    attention_operation(cpu_backend& device, const paged_kv_cache& cache, uint32_t layer, const tensor& q, float scale, uint64_t window,
                        const tensor& y)
        : device_(device),
          cache_(cache),
          layer_(layer),
          scale_(scale),
          plan_(cache, layer, q, window),
          input_(device, q),
          output_(device, y),
          worker_floats_(divide_up(std::max(plan_.block_rows() * plan_.columns + page_scratch(plan_.head_dim), plan_.spans), 16) * 16) {}

    void run() {
        const size_t threads = device_.thread_count(), rows = plan_.block_rows();
        const auto floats = device_.scratch().take_array<float>(threads * worker_floats_);
        const auto ranges = device_.scratch().take_array<size_t>(threads * 2 * rows);
        const auto states = device_.scratch().take_array<float>((plan_.spans > 1 ? plan_.tasks() : threads) * plan_.state_floats());
        const auto counters = device_.scratch().take_array<uint32_t>(plan_.kv_heads);
        std::fill_n(counters.as<uint32_t>(), plan_.kv_heads, 0u);
        const size_t positions = std::min(plan_.window, plan_.span_pages * page_positions);
        device_.parallel(plan_.tasks(), positions * rows * plan_.head_dim / 8, [&](size_t begin, size_t end, uint32_t worker) {
            float* const q = floats.as<float>() + worker * worker_floats_;
            size_t* const range = ranges.as<size_t>() + worker * 2 * rows;
            for (size_t index = begin; index < end; index++) {
                const attention_task task(plan_, index);
                const row_state state(plan_, states.as<float>() + (plan_.spans > 1 ? index : worker) * plan_.state_floats());
                const size_t count = attend(task, q, range, state);
                if (plan_.spans == 1) {
                    finish(task, count, state);
                    continue;
                }
                std::atomic_ref<uint32_t> finished(counters.as<uint32_t>()[task.head]);
                if (finished.fetch_add(1, std::memory_order_acq_rel) + 1 == plan_.spans) merge(task.head, states.as<float>(), q);
            }
        });
        output_.store();
    }

private:
    size_t first_position(const attention_task& task) const { return task.block * plan_.block_positions; }
    size_t position_count(const attention_task& task) const {
        return std::min(plan_.block_positions, plan_.positions - first_position(task));
    }

    // The pages of a task: [first, last).
    struct page_range {
        size_t first, last;
    };
    page_range pages(const attention_task& task) const {
        const size_t t = first_position(task);
        const size_t first = plan_.first(t) / page_positions + task.span * plan_.span_pages;
        const size_t all = divide_up(plan_.last(t + position_count(task) - 1), page_positions);
        return {first, std::min(first + plan_.span_pages, all)};
    }

    // Takes the rows of a task over its pages; returns how many rows there are.
    size_t attend(const attention_task& task, float* q, size_t* range, const row_state& state) {
        const size_t t0 = first_position(task), count = position_count(task) * plan_.group;
        for (size_t r = 0; r < count; r++) {
            const size_t t = t0 + r / plan_.group;
            const float* from = input_.row(t) + (task.head * plan_.group + r % plan_.group) * plan_.head_dim;
            std::copy_n(from, plan_.head_dim, q + r * plan_.columns);
            std::fill(q + r * plan_.columns + plan_.head_dim, q + (r + 1) * plan_.columns, 0.0f);
            range[r] = plan_.first(t);
            range[count + r] = plan_.last(t);
        }
        std::fill_n(state.acc, count * plan_.columns, 0.0f);
        std::fill_n(state.largest, count, -std::numeric_limits<float>::infinity());
        std::fill_n(state.sum, count, 0.0f);

        const attention_rows rows{q, state.acc, state.largest, state.sum, range, range + count, count, plan_.columns, scale_};
        float* const scratch = q + plan_.block_rows() * plan_.columns;
        const page_range over = pages(task);
        const size_t all_pages = divide_up(plan_.length, page_positions);
        for (size_t p = over.first; p < over.last; p++) {
            kv_page page = cache_.page(layer_, p * page_positions, task.head);
            if (p + 1 < over.last) {
                page.next = cache_.page(layer_, (p + 1) * page_positions, task.head).keys;
            } else if (task.head + 1 < plan_.kv_heads) {
                page.next = cache_.page(layer_, over.first * page_positions, task.head + 1).keys;
            } else if (p + 1 < all_pages) {
                page.next = cache_.page(layer_, (p + 1) * page_positions, 0).keys;
            }
            device_.kernel().attention_page(page, rows, scratch);
        }
        return count;
    }

    float* output(const attention_task& task, size_t row) const {
        return output_.row(first_position(task) + row / plan_.group) + (task.head * plan_.group + row % plan_.group) * plan_.head_dim;
    }

    void finish(const attention_task& task, size_t count, const row_state& state) {
        for (size_t r = 0; r < count; r++) {
            float* y = output(task, r);
            for (size_t i = 0; i < plan_.head_dim; i++) y[i] = state.acc[r * plan_.columns + i] / state.sum[r];
        }
    }

    // Puts the spans of a head together, first to last: each counts e^(its largest - largest of all). factors: room for one per span.
    void merge(size_t head, float* states, float* factors) {
        const attention_task task(plan_, head);
        const kernels& k = device_.kernel();
        const size_t rows = plan_.positions * plan_.group, spans = plan_.spans;
        for (size_t r = 0; r < rows; r++) {
            const auto state = [&](size_t span) {
                return row_state(plan_, states + (span * plan_.kv_heads + head) * plan_.state_floats());
            };
            for (size_t s = 0; s < spans; s++) factors[s] = state(s).largest[r];
            k.exp_sum(factors, k.largest(factors, spans), factors, spans);
            double sum = 0;
            for (size_t s = 0; s < spans; s++) sum += static_cast<double>(factors[s]) * state(s).sum[r];
            float* y = output(task, r);
            std::fill_n(y, plan_.head_dim, 0.0f);
            for (size_t s = 0; s < spans; s++) {
                const float share = static_cast<float>(factors[s] / sum);
                const float* acc = state(s).acc + r * plan_.columns;
                for (size_t i = 0; i < plan_.head_dim; i++) y[i] += share * acc[i];
            }
        }
    }

    cpu_backend& device_;
    const paged_kv_cache& cache_;
    const uint32_t layer_;
    const float scale_;
    const attention_plan plan_;
    const f32_input input_;
    f32_output output_;
    const size_t worker_floats_;  // q, then the kernels' scratch; or the factors of a merge
};

}  // namespace

void cpu_backend::attention_forward(const kv_cache& cache, uint32_t layer, const tensor& q, float scale, uint64_t window, const tensor& y) {
    attention_operation(*this, static_cast<const paged_kv_cache&>(cache), layer, q, scale, window, y).run();
}

}  // namespace nq::cpu
