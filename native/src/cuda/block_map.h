// Which parts of the segments taken from the driver are in use. Addresses only: nothing here touches the memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace nq::cuda {

class block_map {
public:
    using address = uint64_t;
    struct block {
        address begin;
        size_t bytes;
    };

    // The smallest free block of `least` to `most` bytes, now in use; none if there is none. With `split`, what is more than `least` stays
    // free.
    std::optional<block> take(size_t least, size_t most, bool split);
    // A new segment, free.
    void add(const block& segment);
    // Frees the block that begins here, joins it with its free neighbours, and returns its size.
    size_t give_back(address begin);
    // Segments with nothing in use; forgotten here.
    std::vector<block> remove_free();
    // All segments; forgotten here.
    std::vector<block> remove_all();

private:
    struct state {
        size_t bytes;
        address segment;  // where it begins
        bool free;
    };
    using place = std::map<address, state>::iterator;

    void set_free(place p);
    void set_used(place p);

    std::map<address, state> blocks_;
    std::map<address, size_t> segments_;
    std::set<std::pair<size_t, address>> free_;  // by size
};

}  // namespace nq::cuda
