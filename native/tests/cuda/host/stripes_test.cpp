// The partition of matrix products into stripes.
#include "cuda/device/stripes.h"

#include <gtest/gtest.h>

#include <vector>

namespace nq::test {
namespace {

TEST(stripes, cover_every_step_once_in_equal_shares_and_their_parts_never_meet) {
    for (uint64_t columns : {1, 2, 3, 7, 40}) {
        for (uint64_t steps : {1, 2, 5, 64}) {
            for (uint32_t count = 1; count <= columns * steps && count < 70; count++) {
                const cuda::stripes work{columns, steps, count};
                std::vector<uint64_t> next(columns);                           // step of a column that is done next
                std::vector<std::vector<uint64_t>> parts_of(columns);          // in order of the stripes
                std::vector<int> part_used(work.parts()), ticket_used(count);  // by how many columns
                for (uint32_t stripe = 0; stripe < count; stripe++) {
                    const uint64_t begin = work.begin(stripe), end = work.begin(stripe + 1);
                    EXPECT_GE(end - begin, work.total() / count);
                    EXPECT_LE(end - begin, work.total() / count + 1);
                    for (uint64_t at = begin; at < end;) {
                        const cuda::stripes::segment s = work.next(at, end);
                        ASSERT_LT(s.first, s.last);
                        EXPECT_EQ(s.column * steps + s.first, at);
                        EXPECT_EQ(next[s.column], s.first);
                        EXPECT_LE(s.last, steps);
                        EXPECT_LE(work.first_stripe(s.column), stripe);
                        EXPECT_GE(work.last_stripe(s.column), stripe);
                        next[s.column] = s.last;
                        if (!work.whole(s)) {
                            const uint64_t part = work.part_of(stripe, s.first == 0);
                            EXPECT_EQ(part_used[part]++, 0);
                            EXPECT_EQ(part, work.part_of(stripe, stripe == work.first_stripe(s.column)));
                            parts_of[s.column].push_back(part);
                        }
                        at += s.last - s.first;
                    }
                }
                for (uint64_t column = 0; column < columns; column++) {
                    EXPECT_EQ(next[column], steps);
                    const uint32_t first = work.first_stripe(column), last = work.last_stripe(column);
                    if (first == last) {
                        EXPECT_TRUE(parts_of[column].empty());
                    } else {
                        EXPECT_EQ(parts_of[column].size(), last - first + 1);
                        EXPECT_EQ(ticket_used[first]++, 0);
                    }
                }
            }
        }
    }
}

}  // namespace
}  // namespace nq::test
