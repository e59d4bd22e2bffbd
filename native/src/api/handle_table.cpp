#include "api/handle_table.h"

#include <cinttypes>

#include "error.h"

namespace nq::api {

static_assert(sizeof(void*) == 8, "a handle needs 64 bits");

namespace {

// tag (8) | kind (4) | generation (28) | index (24). User-space addresses have zeros where the tag is.
constexpr uint64_t tag = 0x4E;
constexpr unsigned kind_shift = 52, tag_shift = 56, generation_shift = 24;

const char* name_of(handle_kind kind) {
    switch (kind) {
        case handle_kind::device:
            return "device";
        case handle_kind::buffer:
            return "buffer";
        case handle_kind::matrix:
            return "matrix";
        case handle_kind::kv_cache:
            return "KV cache";
    }
    return "object";
}

}  // namespace

handle_table& handle_table::shared() {
    static handle_table* table = new handle_table;
    return *table;
}

uint64_t handle_table::add(handle_kind kind, std::shared_ptr<void> object) {
    uint32_t index;
    {
        std::lock_guard lock(mutex_);
        if (!free_.empty()) {
            index = free_.back();
            free_.pop_back();
        } else {
            if (used_ == most_chunks * chunk_slots)
                throw error(NQ_STATUS_OUT_OF_MEMORY, "all %zu handles are in use", most_chunks * chunk_slots);
            if (used_ % chunk_slots == 0) {
                owned_.push_back(std::make_unique<chunk>());
                free_.reserve(owned_.size() * chunk_slots);  // so that giving a slot back never fails
                chunks_[used_ / chunk_slots].store(owned_.back().get(), std::memory_order_release);
            }
            index = used_++;
        }
    }
    slot& s = (*chunks_[index / chunk_slots].load(std::memory_order_acquire))[index % chunk_slots];
    std::lock_guard lock(s.mutex);
    s.kind = kind;
    s.object = std::move(object);
    return tag << tag_shift | static_cast<uint64_t>(kind) << kind_shift | static_cast<uint64_t>(s.generation) << generation_shift | index;
}

handle_table::slot& handle_table::at(handle_kind kind, uint64_t id, const char* what, const char* of, std::unique_lock<std::mutex>& lock) {
    const size_t index = id & ((uint64_t{1} << index_bits) - 1);
    const uint32_t generation = static_cast<uint32_t>(id >> generation_shift & ((uint64_t{1} << generation_bits) - 1));
    chunk* slots = id >> tag_shift == tag ? chunks_[index / chunk_slots].load(std::memory_order_acquire) : nullptr;
    if (slots == nullptr) {
        throw error(NQ_STATUS_INVALID_HANDLE, "%s%s is %#" PRIx64 ", which is no handle of this library; expected a %s", of, what, id,
                    name_of(kind));
    }
    const handle_kind given = static_cast<handle_kind>(id >> kind_shift & 15);
    if (given != kind) {
        throw error(NQ_STATUS_INVALID_HANDLE, "%s%s is the handle of a %s, expected a %s", of, what, name_of(given), name_of(kind));
    }
    slot& s = (*slots)[index];
    lock = std::unique_lock(s.mutex);
    if (s.generation != generation || s.kind != kind || s.object == nullptr) {
        throw error(NQ_STATUS_INVALID_HANDLE, "%s%s is the handle of a %s that was destroyed, expected a live one", of, what,
                    name_of(kind));
    }
    return s;
}

std::shared_ptr<void> handle_table::find(handle_kind kind, uint64_t id, const char* what, const char* of) {
    std::unique_lock<std::mutex> lock;
    return at(kind, id, what, of, lock).object;
}

std::shared_ptr<void> handle_table::remove(handle_kind kind, uint64_t id, const char* what) {
    std::unique_lock<std::mutex> lock;
    slot& s = at(kind, id, what, "", lock);
    std::shared_ptr<void> object = std::move(s.object);
    s.object = nullptr;
    s.generation++;
    const bool worn_out = s.generation == uint32_t{1} << generation_bits;  // its next ids would repeat: retire it
    lock.unlock();
    if (!worn_out) {
        std::lock_guard guard(mutex_);
        free_.push_back(static_cast<uint32_t>(id & ((uint64_t{1} << index_bits) - 1)));
    }
    return object;
}

}  // namespace nq::api
