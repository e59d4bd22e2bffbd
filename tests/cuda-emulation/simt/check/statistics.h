// How well the lanes of a warp share memory transactions: wavefronts of shared memory (32 banks of 4 bytes) and sectors of 32 bytes of
// device memory, against the fewest that would do. Collected if the environment names a file in NQ_ACCESS_STATISTICS, to which the process
// appends one line for each kernel and place in the source when it ends:
//   kernel, place, shared | device, read | write, bytes a lane, accesses of a warp, transactions, fewest transactions   (separated by tabs)
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "block.h"

namespace simt::check {

// A lane's part in an access of its warp.
struct lane_access {
    uintptr_t address;
    uint32_t bytes;
    uint32_t lane;
};
struct transactions {
    uint64_t used, fewest;
};
// 16-byte accesses are served a quarter of the warp at a time, 8-byte ones a half; lanes that want one word share it.
transactions shared_wavefronts(const std::vector<lane_access>& lanes);
transactions device_sectors(const std::vector<lane_access>& lanes);

class statistics {
public:
    statistics();

    void launch_begins(const kernel_registration& kernel);
    void launch_ends() { add_block(); }
    void block_begins() { add_block(); }
    void access(unsigned thread, const void* address, size_t bytes, bool write, bool shared, const void* site);

private:
    struct record {
        const void* site;
        uintptr_t address;
        uint32_t bytes;
        bool write, shared;
    };
    struct total {
        uint64_t accesses = 0, used = 0, fewest = 0;
    };
    using place = std::tuple<std::string, std::string, bool, bool, uint32_t>;  // kernel, line, shared, write, bytes

    // Lanes run one after the other: the n-th access of a lane at an instruction goes with the n-th of every other.
    void add_block();
    void write() const;

    std::string file_;
    const kernel_registration* kernel_ = nullptr;
    std::vector<std::vector<record>> records_;  // of each thread of the block
    std::map<place, total> totals_;
};

}  // namespace simt::check
