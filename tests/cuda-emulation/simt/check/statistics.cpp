#include "check/statistics.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>

#include "sites.h"

namespace simt::check {

namespace {

constexpr uint32_t bank_bytes = 4, banks = 32, sector_bytes = 32;

struct close_file {
    void operator()(FILE* f) const noexcept { std::fclose(f); }
};

}  // namespace

transactions shared_wavefronts(const std::vector<lane_access>& lanes) {
    transactions result{0, 0};
    uint32_t widest = 1;
    for (const lane_access& a : lanes) widest = std::max(widest, a.bytes);
    const uint32_t lanes_at_once = widest > 8 ? 8 : widest > 4 ? 16 : 32;
    for (uint32_t first = 0; first < warp_lanes; first += lanes_at_once) {
        std::set<uintptr_t> words;
        for (const lane_access& a : lanes) {
            if (a.lane < first || a.lane >= first + lanes_at_once) continue;
            for (uintptr_t w = a.address / bank_bytes; w <= (a.address + a.bytes - 1) / bank_bytes; w++) words.insert(w);
        }
        uint64_t of_bank[banks] = {};
        for (const uintptr_t w : words) of_bank[w % banks]++;
        result.used += *std::max_element(of_bank, of_bank + banks);
        result.fewest += (words.size() + banks - 1) / banks;
    }
    return result;
}

transactions device_sectors(const std::vector<lane_access>& lanes) {
    std::set<uintptr_t> bytes, sectors;
    for (const lane_access& a : lanes) {
        for (uintptr_t b = a.address; b < a.address + a.bytes; b++) {
            bytes.insert(b);
            sectors.insert(b / sector_bytes);
        }
    }
    return {sectors.size(), (bytes.size() + sector_bytes - 1) / sector_bytes};
}

statistics::statistics() {
    const char* file = std::getenv("NQ_ACCESS_STATISTICS");
    if (file == nullptr) return;
    file_ = file;
    static statistics* collecting = nullptr;
    collecting = this;
    std::atexit([] { collecting->write(); });
}

void statistics::launch_begins(const kernel_registration& kernel) {
    if (file_.empty()) return;
    kernel_ = &kernel;
    records_.assign(current.fibers.size(), {});
}

void statistics::access(unsigned thread, const void* address, size_t bytes, bool write, bool shared, const void* site) {
    if (file_.empty()) return;
    records_[thread].push_back({site, reinterpret_cast<uintptr_t>(address), static_cast<uint32_t>(bytes), write, shared});
}

void statistics::add_block() {
    if (file_.empty()) return;
    std::map<std::pair<const void*, size_t>, std::vector<std::vector<lane_access>>> accesses;  // of each instruction and warp
    std::map<const void*, record> like;
    for (size_t thread = 0; thread < records_.size(); thread++) {
        std::map<const void*, size_t> times;
        for (const record& r : records_[thread]) {
            auto& of_site = accesses[{r.site, thread / warp_lanes}];
            const size_t n = times[r.site]++;
            if (of_site.size() <= n) of_site.resize(n + 1);
            of_site[n].push_back({r.address, r.bytes, static_cast<uint32_t>(thread % warp_lanes)});
            like.insert({r.site, r});
        }
        records_[thread].clear();
    }
    for (const auto& [site_and_warp, of_site] : accesses) {
        const record& r = like.at(site_and_warp.first);
        total& t = totals_[{kernel_->name, place_of(r.site), r.shared, r.write, r.bytes}];
        for (const auto& lanes : of_site) {
            const transactions n = r.shared ? shared_wavefronts(lanes) : device_sectors(lanes);
            t.accesses++;
            t.used += n.used;
            t.fewest += n.fewest;
        }
    }
}

void statistics::write() const {
    const std::unique_ptr<FILE, close_file> file(std::fopen(file_.c_str(), "a"));
    if (file == nullptr) {
        std::fprintf(stderr, "NQ_ACCESS_STATISTICS: '%s' cannot be written\n", file_.c_str());
        return;
    }
    for (const auto& [p, t] : totals_) {
        const auto& [kernel, line, shared, writes, bytes] = p;
        std::fprintf(file.get(), "%s\t%s\t%s\t%s\t%u\t%llu\t%llu\t%llu\n", kernel.c_str(), line.c_str(), shared ? "shared" : "device",
                     writes ? "write" : "read", bytes, static_cast<unsigned long long>(t.accesses), static_cast<unsigned long long>(t.used),
                     static_cast<unsigned long long>(t.fewest));
    }
}

}  // namespace simt::check
