#include <gmock/gmock.h>

#include <random>
#include <set>

#include "controlplane/model/pools.h"

namespace xk {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Range4 range(std::uint32_t first, std::uint32_t last) { return {Ip4{first}, Ip4{last}}; }

TEST(Pools, WithoutCutsHoles) {
  EXPECT_THAT(without(range(10, 20), {}), ElementsAre(range(10, 20)));
  EXPECT_THAT(without(range(10, 20), {range(15, 15)}), ElementsAre(range(10, 14), range(16, 20)));
  EXPECT_THAT(without(range(10, 20), {range(18, 30), range(1, 10)}), ElementsAre(range(11, 17)));
  EXPECT_THAT(without(range(10, 20), {range(12, 18), range(13, 14), range(17, 19)}),
              ElementsAre(range(10, 11), range(20, 20)));
  EXPECT_THAT(without(range(10, 20), {range(1, 15), range(16, 99)}), IsEmpty());
  EXPECT_THAT(without(range(10, 20), {range(1, 9), range(21, 30)}), ElementsAre(range(10, 20)));
}

TEST(Pools, WithoutAtTheEndsOfTheAddressSpace) {
  constexpr std::uint32_t kLast = 0xffffffffu;
  EXPECT_THAT(without(range(0, kLast), {range(0, 0), range(kLast, kLast)}), ElementsAre(range(1, kLast - 1)));
  EXPECT_THAT(without(range(kLast, kLast), {range(kLast, kLast)}), IsEmpty());
  EXPECT_THAT(without(range(0, kLast), {range(0, kLast)}), IsEmpty());
}

TEST(Pools, WithoutAgreesWithCounting) {
  std::mt19937 random(1);
  std::uniform_int_distribution<std::uint32_t> address(0, 40);
  for (int round = 0; round < 2000; ++round) {
    const auto any = [&] {
      const std::uint32_t a = address(random), b = address(random);
      return range(std::min(a, b), std::max(a, b));
    };
    const Range4 whole = any();
    std::vector<Range4> taken;
    for (std::uint32_t i = address(random) % 5; i > 0; --i) taken.push_back(any());
    std::set<std::uint32_t> left;
    for (const Range4& piece : without(whole, taken))
      for (std::uint32_t each = piece.first.value; each <= piece.last.value; ++each)
        EXPECT_TRUE(left.insert(each).second);
    for (std::uint32_t each = 0; each <= 40; ++each) {
      bool want = whole.contains(Ip4{each});
      for (const Range4& hole : taken) want = want && !hole.contains(Ip4{each});
      EXPECT_EQ(left.contains(each), want) << "round " << round << " address " << each;
    }
  }
}

// A gateway is taken out of every subnet's pool, also another's; what is excluded anyway counts once.
TEST(Pools, Parts) {
  Vrf vrf;
  vrf.subnets.resize(2);
  vrf.subnets[0].pools = {range(100, 199), range(300, 309)};
  vrf.subnets[0].exclude = {range(110, 119), range(115, 124), range(150, 150), range(400, 500)};
  vrf.subnets[0].gateway = Ip4{120};
  vrf.subnets[0].server_identifier = Ip4{130};
  vrf.subnets[1].gateway = Ip4{305};
  vrf.attachments.emplace_back().address = Ip4{131};
  const auto parts = pool_parts(vrf, vrf.subnets[0]);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_THAT(parts[0].pieces,
              ElementsAre(range(100, 109), range(125, 129), range(132, 149), range(151, 199)));
  EXPECT_EQ(parts[0].excluded, 16u);
  EXPECT_EQ(parts[0].own, 2u);
  EXPECT_THAT(parts[1].pieces, ElementsAre(range(300, 304), range(306, 309)));
  EXPECT_EQ(parts[1].own, 1u);
  EXPECT_EQ(parts[1].excluded, 0u);
  EXPECT_THAT(own_addresses(vrf), ElementsAre(Ip4{120}, Ip4{130}, Ip4{131}, Ip4{305}));
}

}  // namespace
}  // namespace xk
