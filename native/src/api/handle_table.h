// Handles are ids into this table, not addresses: slot, generation and kind of an object, and a tag that no address of a process carries.
// So a destroyed, foreign or mistyped handle is recognised without touching what it might point to.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace nq::api {

enum class handle_kind : uint8_t { device = 1, buffer = 2, matrix = 3, kv_cache = 4 };

class handle_table {
public:
    // The table of this process, never destroyed: a finalizer may run late.
    static handle_table& shared();

    uint64_t add(handle_kind kind, std::shared_ptr<void> object);
    // The object, kept alive by the result. Throws INVALID_HANDLE, naming `of` and `what` one after the other.
    std::shared_ptr<void> find(handle_kind kind, uint64_t id, const char* what, const char* of = "");
    // Forgets the handle; the object lives until its last user is done. Throws INVALID_HANDLE.
    std::shared_ptr<void> remove(handle_kind kind, uint64_t id, const char* what);

private:
    struct slot {
        std::mutex mutex;
        uint32_t generation = 0;
        handle_kind kind{};
        std::shared_ptr<void> object;
    };

    static constexpr unsigned index_bits = 24, generation_bits = 28;
    static constexpr size_t chunk_slots = 1024, most_chunks = (size_t{1} << index_bits) / chunk_slots;
    using chunk = std::array<slot, chunk_slots>;

    slot& at(handle_kind kind, uint64_t id, const char* what, const char* of, std::unique_lock<std::mutex>& lock);

    std::array<std::atomic<chunk*>, most_chunks> chunks_{};
    std::mutex mutex_;  // guards what follows
    std::vector<std::unique_ptr<chunk>> owned_;
    std::vector<uint32_t> free_;
    uint32_t used_ = 0;
};

}  // namespace nq::api
