#include "order.h"

#include <algorithm>

namespace simt::check {

void happens_before::launch_begins(unsigned threads) {
    launch_base_ = block_;
    time_of_.assign(threads, now_);
    known_.assign(threads, std::vector<uint32_t>(warp_lanes));
    knowledge_.assign(threads, {});
    pending_.assign(threads, {});
    fenced_.assign(threads, {});
    snapshots_.clear();
    variables_.clear();
    fences_ = false;
}

void happens_before::block_begins() {
    block_++;
    block_time_ = ++now_;
    std::fill(time_of_.begin(), time_of_.end(), now_);
    if (!fences_) return;
    std::fill(knowledge_.begin(), knowledge_.end(), knowledge{});
    std::fill(pending_.begin(), pending_.end(), knowledge{});
    for (auto& f : fenced_) f.clear();
}

void happens_before::block_barrier() {
    block_time_ = ++now_;
    std::fill(time_of_.begin(), time_of_.end(), now_);
    if (!fences_) return;
    knowledge all;
    for (const knowledge& k : knowledge_) merge(all, k);
    std::fill(knowledge_.begin(), knowledge_.end(), all);
}

void happens_before::warp_barrier(unsigned warp, uint32_t mask) {
    const unsigned first = warp * warp_lanes;
    now_++;
    uint32_t joined[warp_lanes] = {};
    knowledge all;
    for (uint32_t m = mask; m != 0; m &= m - 1) {
        const unsigned thread = first + static_cast<unsigned>(__builtin_ctz(m));
        for (unsigned l = 0; l < warp_lanes; l++) joined[l] = std::max(joined[l], known_[thread][l]);
        if (fences_) merge(all, knowledge_[thread]);
    }
    for (unsigned l = 0; l < warp_lanes; l++) {
        if ((mask >> l & 1) != 0) joined[l] = now_;
    }
    for (uint32_t m = mask; m != 0; m &= m - 1) {
        const unsigned thread = first + static_cast<unsigned>(__builtin_ctz(m));
        std::copy(joined, joined + warp_lanes, known_[thread].begin());
        time_of_[thread] = now_;
        if (fences_) knowledge_[thread] = all;
    }
}

void happens_before::fence(unsigned thread) {
    fences_ = true;
    merge(knowledge_[thread], pending_[thread]);
    pending_[thread] = {};
    snapshot s{block_, block_time_, thread, ++now_, {}};
    std::copy(known_[thread].begin(), known_[thread].end(), s.warp);
    time_of_[thread] = now_;
    fenced_[thread] = knowledge_[thread].snapshots;
    fenced_[thread].push_back(static_cast<uint32_t>(snapshots_.size()));
    snapshots_.push_back(s);
}

void happens_before::atomic(unsigned thread, const void* address) {
    sync_variable& v = variables_[address];
    merge(pending_[thread].snapshots, v.released);
    merge(v.released, fenced_[thread]);
    pending_[thread].atomics[address] = ++v.atomics;
}

bool happens_before::after_atomics(const void* address, unsigned me) const {
    const auto variable = variables_.find(address);
    const auto seen = knowledge_[me].atomics.find(address);
    return variable == variables_.end() || (seen != knowledge_[me].atomics.end() && seen->second == variable->second.atomics);
}

bool happens_before::known_through_fences(uint32_t block, unsigned thread, uint32_t time, unsigned me) const {
    return std::any_of(knowledge_[me].snapshots.begin(), knowledge_[me].snapshots.end(), [&](uint32_t i) {
        const snapshot& s = snapshots_[i];
        if (s.block != block) return false;
        return time < s.block_time || (thread == s.thread && time < s.own_time) ||
               (thread / warp_lanes == s.thread / warp_lanes && time < s.warp[thread % warp_lanes]);
    });
}

void happens_before::merge(std::vector<uint32_t>& into, const std::vector<uint32_t>& from) {
    if (from.empty() || into == from) return;
    std::vector<uint32_t> both;
    std::set_union(into.begin(), into.end(), from.begin(), from.end(), std::back_inserter(both));
    into = std::move(both);
}

void happens_before::merge(knowledge& into, const knowledge& from) {
    merge(into.snapshots, from.snapshots);
    for (const auto& [address, count] : from.atomics) {
        uint32_t& known = into.atomics[address];
        known = std::max(known, count);
    }
}

}  // namespace simt::check
