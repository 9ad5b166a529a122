// What Kea's hook reads of what is paused.
#include <gtest/gtest.h>

#include "controlplane/kea/static_hook/paused.h"

namespace xk::hook {
namespace {

TEST(PausedFile, IsRead) {
  const auto paused = parse_paused(
      "xdp-kea-paused 1 deny\npool 10.0.0.100-10.0.0.149\npool 10.0.0.150-10.0.0.199\nmac 020000000001\n"
      "client-id 00ff\nend\n");
  ASSERT_TRUE(paused) << paused.error().message;
  EXPECT_FALSE(paused->renewals);
  EXPECT_TRUE(paused->holds(Ip4{0x0a0000c7}));
  EXPECT_FALSE(paused->holds(Ip4{0x0a0000c8}));
  EXPECT_TRUE(paused->holds_all({Ip4{0x0a000064}, Ip4{0x0a0000c7}}));
  EXPECT_FALSE(paused->holds_all({Ip4{0x0a000063}, Ip4{0x0a0000c7}}));
  EXPECT_FALSE(paused->holds_all({Ip4{0x0a000064}, Ip4{0x0a0000c8}}));
  EXPECT_TRUE(paused->holds_client(std::string("\x02\x00\x00\x00\x00\x01", 6), ""));
  EXPECT_TRUE(paused->holds_client("", std::string("\x00\xff", 2)));
  EXPECT_FALSE(paused->holds_client("", ""));
  EXPECT_TRUE(parse_paused("xdp-kea-paused 1 allow\nend\n")->nothing());
}

TEST(PausedFile, AnythingElseIsRefused) {
  for (const char* bad :
       {"", "end\n", "xdp-kea-paused 1 allow\n", "xdp-kea-paused 2 allow\nend\n",
        "xdp-kea-paused 1 maybe\nend\n", "xdp-kea-paused 1 allow\nend",
        "xdp-kea-paused 1 allow\nend\nmac 00\n", "xdp-kea-paused 1 allow\nmac\nend\n",
        "xdp-kea-paused 1 allow\nmac 0\nend\n", "xdp-kea-paused 1 allow\nmac zz\nend\n",
        "xdp-kea-paused 1 allow\npool 10.0.0.1\nend\n",
        "xdp-kea-paused 1 allow\npool 10.0.0.9-10.0.0.1\nend\n", "xdp-kea-paused 1 allow\nwho 00\nend\n"})
    EXPECT_FALSE(parse_paused(bad)) << bad;
}

}  // namespace
}  // namespace xk::hook
