// shfl, vote, match, redux.
#include "kernel_text.h"

namespace ptx::testing {
namespace {

const std::string store = " st.global.u32 [%rd4], %r2;";

TEST(Collectives, shuffles_take_segments_and_clamps) {
    const auto down =
        run(kernel("shfl.sync.down.b32 %r2|%p1, %r1, 8, 31, 0xffffffff; selp.u32 %r3, 1000, 0, %p1; add.u32 %r2, %r2, %r3;" + store));
    const auto up = run(kernel("shfl.sync.up.b32 %r2, %r1, 4, 0, 0xffffffff;" + store));
    const auto segments = run(kernel("shfl.sync.bfly.b32 %r2, %r1, 16, 0x100f, 0xffffffff;" + store));
    const auto indexed = run(kernel("shfl.sync.idx.b32 %r2, %r1, 3, 0x181f, 0xffffffff;" + store));
    for (unsigned t = 0; t < 32; ++t) {
        EXPECT_EQ(down[t], t < 24 ? t + 8 + 1000 : t);
        EXPECT_EQ(up[t], t < 4 ? t : t - 4);
        EXPECT_EQ(segments[t], t < 16 ? t : t - 16) << "beyond the clamp a lane keeps its own";
        EXPECT_EQ(indexed[t], t / 8 * 8 + 3);
    }
}

TEST(Collectives, half_a_warp_may_shuffle_and_vote) {
    const auto out =
        run(kernel("setp.lt.u32 %p1, %r0, 16; mov.u32 %r2, 77; @!%p1 bra D; shfl.sync.bfly.b32 %r2|%p2, %r1, 1, 31, 0xffff;"
                   "vote.sync.ballot.b32 %r3, %p1, 0xffff; add.u32 %r2, %r2, %r3; D:" +
                   store));
    for (unsigned t = 0; t < 32; ++t) {
        EXPECT_EQ(out[t], t < 16 ? (t ^ 1) + 0xffff : 77);
    }
}

TEST(Collectives, groups_with_masks_of_their_own_may_meet_at_one_instruction) {
    for (const bool random : {false, true}) {
        setup s;
        s.options.random = random;
        const auto out = run(kernel("setp.lt.u32 %p1, %r0, 16; selp.b32 %r4, 0xffff, 0xffff0000, %p1;"
                                    "shfl.sync.idx.b32 %r2|%p2, %r1, 3, 0x101f, %r4;" +
                                    store),
                             s);
        EXPECT_EQ(out[5], 3u);
        EXPECT_EQ(out[20], 19u);
    }
}

TEST(Collectives, votes_matches_and_reductions_are_over_the_members) {
    EXPECT_EQ(run(kernel("setp.lt.u32 %p1, %r0, 5; vote.sync.ballot.b32 %r2, %p1, 0xffffffff;" + store))[9], 31u);
    EXPECT_EQ(run(kernel("setp.lt.u32 %p1, %r0, 5; vote.sync.ballot.b32 %r2, !%p1, 0xffffffff;" + store))[9], ~31u);
    EXPECT_EQ(run(kernel("setp.lt.u32 %p1, %r0, 5; vote.sync.any.pred %p2, %p1, 0xffffffff; selp.u32 %r2, 1, 0, %p2;" + store))[9], 1u);
    EXPECT_EQ(run(kernel("setp.lt.u32 %p1, %r0, 5; vote.sync.all.pred %p2, %p1, 0xffffffff; selp.u32 %r2, 1, 0, %p2;" + store))[1], 0u);
    EXPECT_EQ(run(kernel("and.b32 %r3, %r1, 3; match.any.sync.b32 %r2, %r3, 0xffffffff;" + store))[5], 0x22222222u);
    EXPECT_EQ(run(kernel("redux.sync.add.s32 %r2, %r1, 0xffffffff;" + store))[5], 496u);
    EXPECT_EQ(run(kernel("sub.s32 %r3, %r1, 9; redux.sync.min.s32 %r2, %r3, 0xffffffff;" + store))[5], static_cast<uint32_t>(-9));
}

TEST(Collectives, a_lane_outside_of_its_mask_or_gone_is_refused) {
    fault_of(fault_kind::failed, [] { run(kernel("shfl.sync.idx.b32 %r2|%p1, %r1, 0, 31, 0xff;")); });
    const std::string text = fault_of(
        fault_kind::failed, [] { run(kernel("setp.lt.u32 %p1, %r0, 4; @%p1 exit; shfl.sync.idx.b32 %r2|%p2, %r1, 0, 31, 0xffffffff;")); });
    EXPECT_NE(text.find("lane 0, which takes no part"), std::string::npos) << text;
}

}  // namespace
}  // namespace ptx::testing
