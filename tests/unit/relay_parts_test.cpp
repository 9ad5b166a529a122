// The relay's parts that packets alone do not reach: its memory, the table of option 82 policies.
#include <gtest/gtest.h>

#include "dataplane/dhcp/option82_policy.h"
#include "dataplane/relay/own_option82.h"
#include "dataplane/relay/recent_requests.h"

namespace xk {
namespace {

constexpr VrfId kVrf{7};
constexpr Mac kClient{{2, 0, 0, 0, 0, 1}};

RequestOrigin origin(std::uint32_t attachment) {
  return RequestOrigin{AttachmentId{attachment}, kClient, 5, true};
}

TEST(RecentRequests, FindsWhatWasRemembered) {
  RecentRequests recent(16);
  recent.remember(kVrf, 1, kClient, origin(3), 100);
  EXPECT_EQ(recent.find(kVrf, 1, kClient, 100), origin(3));
  EXPECT_EQ(recent.find(kVrf, 2, kClient, 100), RequestOrigin{});
  EXPECT_EQ(recent.find(VrfId{8}, 1, kClient, 100), RequestOrigin{});
  EXPECT_EQ(recent.find(kVrf, 1, Mac{{2, 0, 0, 0, 0, 2}}, 100), RequestOrigin{});
}

TEST(RecentRequests, ForgetsAfterItsTime) {
  RecentRequests recent(16, 1000);
  recent.remember(kVrf, 1, kClient, origin(3), 100);
  EXPECT_EQ(recent.find(kVrf, 1, kClient, 1100), origin(3));
  EXPECT_EQ(recent.find(kVrf, 1, kClient, 1101), RequestOrigin{});
}

TEST(RecentRequests, TwoAttachmentsAreAmbiguousForAsLong) {
  RecentRequests recent(16, 1000);
  recent.remember(kVrf, 1, kClient, origin(3), 0);
  recent.remember(kVrf, 1, kClient, origin(4), 1000);
  EXPECT_EQ(recent.find(kVrf, 1, kClient, 1000), RequestOrigin{});
  recent.remember(kVrf, 1, kClient, origin(4), 2000);
  EXPECT_EQ(recent.find(kVrf, 1, kClient, 2000), RequestOrigin{}) << "still in doubt";
  recent.remember(kVrf, 1, kClient, origin(4), 3001);
  EXPECT_EQ(recent.find(kVrf, 1, kClient, 3001), origin(4));
}

TEST(RecentRequests, MovedAfterItsTimeIsNotAmbiguous) {
  RecentRequests recent(16, 1000);
  recent.remember(kVrf, 1, kClient, origin(3), 0);
  recent.remember(kVrf, 1, kClient, origin(4), 1001);
  EXPECT_EQ(recent.find(kVrf, 1, kClient, 1001), origin(4));
}

TEST(RecentRequests, RepeatsAreNotAmbiguous) {
  RecentRequests recent(16);
  for (std::uint64_t now = 0; now < 5; ++now) recent.remember(kVrf, 1, kClient, origin(3), now);
  EXPECT_EQ(recent.find(kVrf, 1, kClient, 5), origin(3));
}

// A full bucket gives up its oldest, never a newer one.
TEST(RecentRequests, TheOldestGoes) {
  RecentRequests recent(4);
  for (std::uint32_t xid = 1; xid <= 5; ++xid) recent.remember(kVrf, xid, kClient, origin(xid), xid);
  EXPECT_EQ(recent.find(kVrf, 1, kClient, 5), RequestOrigin{});
  for (std::uint32_t xid = 2; xid <= 5; ++xid)
    EXPECT_EQ(recent.find(kVrf, xid, kClient, 5), origin(xid)) << xid;
}

// Thousands in flight at once are found again: 2,000 within a table of 65,536.
TEST(RecentRequests, ManyInFlight) {
  RecentRequests recent(65536);
  for (std::uint32_t i = 0; i < 2000; ++i) {
    Mac mac = kClient;
    mac.bytes[4] = static_cast<std::uint8_t>(i >> 8);
    mac.bytes[5] = static_cast<std::uint8_t>(i);
    recent.remember(kVrf, i, mac, origin(1 + i), i);
  }
  for (std::uint32_t i = 0; i < 2000; ++i) {
    Mac mac = kClient;
    mac.bytes[4] = static_cast<std::uint8_t>(i >> 8);
    mac.bytes[5] = static_cast<std::uint8_t>(i);
    ASSERT_EQ(recent.find(kVrf, i, mac, 2000).attachment.value, 1 + i);
  }
}

TEST(RecentRequests, RelaysAndTheirMacs) {
  RecentRequests recent(4);
  EXPECT_TRUE(recent.relay_mac(AttachmentId{1}, Ip4{5}).is_zero());
  recent.remember_relay(AttachmentId{1}, Ip4{5}, kClient);
  EXPECT_EQ(recent.relay_mac(AttachmentId{1}, Ip4{5}), kClient);
  EXPECT_TRUE(recent.relay_mac(AttachmentId{2}, Ip4{5}).is_zero());
  EXPECT_TRUE(recent.relay_mac(AttachmentId{1}, Ip4{6}).is_zero());
  const Mac moved{{2, 0, 0, 0, 0, 9}};
  recent.remember_relay(AttachmentId{1}, Ip4{5}, moved);
  EXPECT_EQ(recent.relay_mac(AttachmentId{1}, Ip4{5}), moved);
}

// Whoever invents relays displaces the longest unused, not one that keeps talking.
TEST(RecentRequests, ABusyRelayIsNotDisplaced) {
  RecentRequests recent(4);
  recent.remember_relay(AttachmentId{1}, Ip4{0x0a000001}, kClient);
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    recent.remember_relay(AttachmentId{1}, Ip4{0x0b000000 + i}, Mac::broadcast());
    if (i % 100 == 0) recent.remember_relay(AttachmentId{1}, Ip4{0x0a000001}, kClient);
  }
  EXPECT_EQ(recent.relay_mac(AttachmentId{1}, Ip4{0x0a000001}), kClient);
}

struct PolicyRow {
  Option82Policy policy;
  bool trusted;
  std::uint32_t giaddr;
  bool present;
  std::expected<Option82Action, Outcome> result;
};

TEST(Option82Policy, EveryRow) {
  using P = Option82Policy;
  using A = Option82Action;
  const auto untrusted = std::unexpected(XK_OPTION82_UNTRUSTED);
  const auto refused = std::unexpected(XK_OPTION82_POLICY);
  const PolicyRow rows[] = {
      {P::append, false, 0, false, A::add},    {P::append, false, 0, true, untrusted},
      {P::append, true, 0, true, A::add},      {P::append, false, 1, false, A::add},
      {P::append, false, 1, true, A::add},     {P::replace, false, 0, false, A::add},
      {P::replace, false, 0, true, untrusted}, {P::replace, true, 0, true, A::replace},
      {P::replace, false, 1, false, A::add},   {P::replace, false, 1, true, A::replace},
      {P::keep, false, 0, false, A::add},      {P::keep, false, 0, true, untrusted},
      {P::keep, true, 0, true, A::pass},       {P::keep, false, 1, false, A::pass},
      {P::keep, false, 1, true, A::pass},      {P::drop, false, 0, false, A::add},
      {P::drop, false, 0, true, untrusted},    {P::drop, true, 0, true, refused},
      {P::drop, false, 1, false, A::pass},     {P::drop, false, 1, true, refused},
  };
  for (const PolicyRow& row : rows) {
    AttachmentEntry attachment;
    attachment.policy = row.policy;
    attachment.trusted = row.trusted;
    EXPECT_EQ(decide_option82(attachment, Ip4{row.giaddr}, row.present), row.result)
        << static_cast<int>(row.policy) << row.trusted << row.giaddr << row.present;
  }
}

TEST(OwnOption82, NothingToSayAndTooMuch) {
  AttachmentEntry attachment;
  VrfEntry vrf;
  std::array<std::uint8_t, 257> buffer{};
  EXPECT_EQ(write_own_option82(attachment, vrf, {}, buffer), 0u);
  attachment.circuit_id = std::string(120, 'c');
  attachment.remote_id = std::string(131, 'r');
  EXPECT_EQ(write_own_option82(attachment, vrf, {}, buffer), 257u);
  attachment.remote_id += 'r';
  EXPECT_EQ(write_own_option82(attachment, vrf, {}, buffer), std::nullopt);
}

}  // namespace
}  // namespace xk
