#include "cuda/block_map.h"

#include <iterator>

namespace nq::cuda {

void block_map::set_free(place p) {
    p->second.free = true;
    free_.emplace(p->second.bytes, p->first);
}

void block_map::set_used(place p) {
    p->second.free = false;
    free_.erase({p->second.bytes, p->first});
}

std::optional<block_map::block> block_map::take(size_t least, size_t most, bool split) {
    const auto smallest = free_.lower_bound({least, 0});
    if (smallest == free_.end() || smallest->first > most) return std::nullopt;
    const place p = blocks_.find(smallest->second);
    set_used(p);
    if (split && p->second.bytes > least) {
        set_free(blocks_.emplace(p->first + least, state{p->second.bytes - least, p->second.segment, false}).first);
        p->second.bytes = least;
    }
    return block{p->first, p->second.bytes};
}

void block_map::add(const block& segment) {
    segments_.emplace(segment.begin, segment.bytes);
    set_free(blocks_.emplace(segment.begin, state{segment.bytes, segment.begin, false}).first);
}

size_t block_map::give_back(address begin) {
    place p = blocks_.find(begin);
    const size_t bytes = p->second.bytes;
    const place after = std::next(p);
    if (after != blocks_.end() && after->second.free && after->second.segment == p->second.segment) {
        set_used(after);
        p->second.bytes += after->second.bytes;
        blocks_.erase(after);
    }
    if (p != blocks_.begin()) {
        const place before = std::prev(p);
        if (before->second.free && before->second.segment == p->second.segment) {
            set_used(before);
            before->second.bytes += p->second.bytes;
            blocks_.erase(p);
            p = before;
        }
    }
    set_free(p);
    return bytes;
}

std::vector<block_map::block> block_map::remove_free() {
    std::vector<block> removed;
    for (auto s = segments_.begin(); s != segments_.end();) {
        const place p = blocks_.find(s->first);
        if (!p->second.free || p->second.bytes != s->second) {
            ++s;
            continue;
        }
        removed.push_back({s->first, s->second});
        set_used(p);
        blocks_.erase(p);
        s = segments_.erase(s);
    }
    return removed;
}

std::vector<block_map::block> block_map::remove_all() {
    std::vector<block> removed;
    for (const auto& [begin, bytes] : segments_) removed.push_back({begin, bytes});
    blocks_.clear();
    segments_.clear();
    free_.clear();
    return removed;
}

}  // namespace nq::cuda
