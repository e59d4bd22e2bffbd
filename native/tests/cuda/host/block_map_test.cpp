// Which parts of the segments of device memory are in use: cuda/block_map.h on its own, without a device.
#include "cuda/block_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace nq::cuda {
namespace {

constexpr size_t any = SIZE_MAX;

TEST(block_map, takes_the_smallest_free_block_that_is_large_enough) {
    block_map map;
    map.add({1000, 300});
    map.add({2000, 100});
    map.add({3000, 200});
    EXPECT_EQ(map.take(150, any, false)->begin, 3000u);
    EXPECT_EQ(map.take(150, any, false)->begin, 1000u);
    EXPECT_FALSE(map.take(150, any, false).has_value()) << "only one of 100 is left";
}

TEST(block_map, leaves_a_block_that_would_waste_too_much) {
    block_map map;
    map.add({1000, 300});
    EXPECT_FALSE(map.take(100, 299, false).has_value());
    EXPECT_EQ(map.take(100, 300, false)->bytes, 300u);
}

TEST(block_map, what_a_split_leaves_is_free_and_joins_again) {
    block_map map;
    map.add({1000, 300});
    const auto a = map.take(100, any, true), b = map.take(100, any, true), c = map.take(100, any, true);
    ASSERT_TRUE(a && b && c);
    EXPECT_FALSE(map.take(1, any, true).has_value());
    EXPECT_EQ(map.give_back(a->begin), 100u);
    EXPECT_EQ(map.give_back(c->begin), 100u);
    EXPECT_FALSE(map.take(150, any, true).has_value()) << "two free blocks with one in use between them";
    EXPECT_TRUE(map.remove_free().empty());
    EXPECT_EQ(map.give_back(b->begin), 100u);
    EXPECT_EQ(map.take(300, any, true)->begin, 1000u);
}

TEST(block_map, segments_that_lie_side_by_side_stay_apart) {
    block_map map;
    map.add({1000, 100});
    map.add({1100, 100});
    EXPECT_FALSE(map.take(150, any, true).has_value());
    const auto a = map.take(100, any, true);
    map.give_back(a->begin);
    EXPECT_FALSE(map.take(150, any, true).has_value());
    EXPECT_EQ(map.remove_free().size(), 2u);
    EXPECT_FALSE(map.take(1, any, true).has_value());
}

// Against a plain list of what is in use: no two blocks overlap, every block lies inside a segment, and in the end all of it is free again.
TEST(block_map, keeps_its_books_through_random_use) {
    constexpr uint64_t segment = 4096;
    std::mt19937 random(7);
    block_map map;
    std::map<uint64_t, size_t> in_use;
    uint64_t segments = 0;
    for (int i = 0; i < 20000; i++) {
        if (in_use.empty() || random() % 5 < 3) {
            const size_t bytes = 1 + random() % 500;
            auto block = map.take(bytes, any, true);
            if (!block) {
                map.add({(segments += 1) * segment, segment});
                block = map.take(bytes, any, true);
            }
            ASSERT_TRUE(block);
            ASSERT_EQ(block->bytes, bytes);
            ASSERT_EQ(block->begin / segment, (block->begin + bytes - 1) / segment);
            const auto after = in_use.lower_bound(block->begin);
            ASSERT_TRUE(after == in_use.end() || block->begin + bytes <= after->first);
            ASSERT_TRUE(after == in_use.begin() || std::prev(after)->first + std::prev(after)->second <= block->begin);
            in_use.emplace(block->begin, bytes);
        } else {
            const auto chosen = std::next(in_use.begin(), static_cast<long>(random() % std::min<size_t>(in_use.size(), 50)));
            ASSERT_EQ(map.give_back(chosen->first), chosen->second);
            in_use.erase(chosen);
        }
        if (i % 4000 == 3999) {
            for (const block_map::block& s : map.remove_free()) {
                const auto after = in_use.lower_bound(s.begin);
                ASSERT_TRUE(after == in_use.end() || after->first >= s.begin + s.bytes);
            }
        }
    }
    for (const auto& [begin, bytes] : in_use) ASSERT_EQ(map.give_back(begin), bytes);
    for (const block_map::block& s : map.remove_free()) EXPECT_EQ(s.bytes, segment);
    EXPECT_TRUE(map.remove_all().empty());
}

}  // namespace
}  // namespace nq::cuda
