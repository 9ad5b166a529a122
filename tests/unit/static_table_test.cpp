// The table of static leases: against a plain map, at its limits, and read while it changes.
#include "dataplane/serve/static_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

namespace xk {
namespace {

Bytes bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string mac_identity(std::uint32_t number) {
  return {'\x02',
          '\0',
          static_cast<char>(number >> 24),
          static_cast<char>(number >> 16),
          static_cast<char>(number >> 8),
          static_cast<char>(number)};
}

StaticLease lease_of(std::uint32_t vrf, std::uint32_t number, std::uint32_t address) {
  return {VrfId{vrf}, StaticKind::mac, mac_identity(number), Ip4{address}, {}};
}

std::uint32_t below(std::mt19937& random, std::uint32_t n) {
  return static_cast<std::uint32_t>(random() % n);
}

TEST(StaticTable, FindsByIdentityAndByAddress) {
  StaticTable table;
  EXPECT_FALSE(table.concerns(VrfId{1}));
  ASSERT_TRUE(table.put(lease_of(1, 7, 0x0a000007)).has_value());
  ASSERT_TRUE(table
                  .put({VrfId{1}, StaticKind::client_id,
                        "\x01"
                        "abc",
                        Ip4{0x0a000008}, "\x0c\x01x"})
                  .has_value());
  ASSERT_TRUE(
      table.put({VrfId{4096}, StaticKind::circuit, static_circuit_identity("c", "r"), {}, {}}).has_value());
  EXPECT_EQ(table.size(), 3u);
  EXPECT_TRUE(table.concerns(VrfId{1}));
  EXPECT_TRUE(table.concerns(VrfId{1}, StaticKind::mac));
  EXPECT_FALSE(table.concerns(VrfId{1}, StaticKind::circuit));
  EXPECT_FALSE(table.concerns(VrfId{2}));
  EXPECT_TRUE(table.concerns(VrfId{4096}));

  const StaticRecord* by_mac = table.find(VrfId{1}, Mac{{2, 0, 0, 0, 0, 7}});
  ASSERT_NE(by_mac, nullptr);
  EXPECT_EQ(by_mac->address, Ip4{0x0a000007});
  EXPECT_EQ(table.find(VrfId{1}, Ip4{0x0a000007}), by_mac);
  EXPECT_EQ(table.find(VrfId{2}, Mac{{2, 0, 0, 0, 0, 7}}), nullptr);
  EXPECT_EQ(table.find(VrfId{2}, Ip4{0x0a000007}), nullptr);
  const StaticRecord* by_id = table.find(VrfId{1}, StaticKind::client_id,
                                         bytes_of("\x01"
                                                  "abc"));
  ASSERT_NE(by_id, nullptr);
  EXPECT_TRUE(std::ranges::equal(by_id->options(), bytes_of("\x0c\x01x")));
  EXPECT_EQ(table.find(VrfId{1}, StaticKind::circuit,
                       bytes_of("\x01"
                                "abc")),
            nullptr);
  EXPECT_NE(table.find(VrfId{4096}, StaticKind::circuit, bytes_of(static_circuit_identity("c", "r"))),
            nullptr);
  EXPECT_EQ(table.find(VrfId{4096}, StaticKind::circuit, bytes_of(static_circuit_identity("c"))), nullptr);
  EXPECT_EQ(table.find(VrfId{4096}, Ip4{}), nullptr);

  EXPECT_TRUE(table.erase(VrfId{1}, StaticKind::mac, bytes_of(mac_identity(7))));
  EXPECT_FALSE(table.erase(VrfId{1}, StaticKind::mac, bytes_of(mac_identity(7))));
  EXPECT_EQ(table.find(VrfId{1}, Mac{{2, 0, 0, 0, 0, 7}}), nullptr);
  EXPECT_TRUE(table.concerns(VrfId{1}));
  EXPECT_FALSE(table.concerns(VrfId{1}, StaticKind::mac));
}

TEST(StaticTable, RefusesWhatItCannotHold) {
  StaticTable table;
  ASSERT_TRUE(table.put(lease_of(1, 1, 0x0a000001)).has_value());
  const auto taken = table.put(lease_of(1, 2, 0x0a000001));
  ASSERT_FALSE(taken.has_value());
  EXPECT_EQ(taken.error().message, "10.0.0.1 of VRF 1 is another's static lease");
  EXPECT_TRUE(table.put(lease_of(2, 2, 0x0a000001)).has_value());
  EXPECT_TRUE(table.put(lease_of(1, 1, 0x0a000001)).has_value()) << "its own address again";
  for (const StaticLease& bad : {
           StaticLease{VrfId{0}, StaticKind::mac, mac_identity(1), {}, {}},
           StaticLease{VrfId{4097}, StaticKind::mac, mac_identity(1), {}, {}},
           StaticLease{VrfId{1}, StaticKind::mac, "five5", {}, {}},
           StaticLease{VrfId{1}, StaticKind::client_id, "", {}, {}},
           StaticLease{VrfId{1}, StaticKind::client_id, std::string(256, 'x'), {}, {}},
           StaticLease{VrfId{1}, StaticKind::circuit, "\x05too", {}, {}},
           StaticLease{VrfId{1}, StaticKind::mac, mac_identity(1), Ip4{0xe0000001}, {}},
           StaticLease{VrfId{1},
                       StaticKind::mac,
                       mac_identity(1),
                       {},
                       "\x0c\x05"
                       "abc"},
           StaticLease{VrfId{1},
                       StaticKind::mac,
                       mac_identity(1),
                       {},
                       "\x36\x01"
                       "a"},
       })
    EXPECT_FALSE(table.put(bad).has_value());
  EXPECT_EQ(table.size(), 2u);
}

// Random changes, each compared with a map that is slow and right.
TEST(StaticTable, DoesAsAMapDoes) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  StaticTable table;
  using Key = std::tuple<std::uint32_t, StaticKind, std::string>;
  std::map<Key, StaticLease> model;
  std::map<std::pair<std::uint32_t, Ip4>, Key> holders;
  for (int i = 0; i < 30'000; ++i) {
    StaticLease lease;
    lease.vrf = VrfId{1 + below(random, 3)};
    lease.kind = static_cast<StaticKind>(below(random, 3));
    const std::uint32_t who = below(random, 200);
    lease.identity = lease.kind == StaticKind::mac ? mac_identity(who)
                     : lease.kind == StaticKind::client_id
                         ? std::string(1 + who % 40, 'i') + std::to_string(who)
                         : static_circuit_identity("c" + std::to_string(who));
    const Key key{lease.vrf.value, lease.kind, lease.identity};
    if (below(random, 3) == 0) {
      const auto old = model.find(key);
      EXPECT_EQ(table.erase(lease.vrf, lease.kind, bytes_of(lease.identity)), old != model.end());
      if (old != model.end()) {
        holders.erase({lease.vrf.value, old->second.address});
        model.erase(old);
      }
    } else {
      if (below(random, 4) != 0) lease.address = Ip4{0x0a000000 + 1 + below(random, 300)};
      if (below(random, 2) == 0)
        lease.options = std::string("\x0c\x02") + static_cast<char>('a' + below(random, 26)) + "x";
      const auto holder = holders.find({lease.vrf.value, lease.address});
      const bool taken = !lease.address.is_zero() && holder != holders.end() && holder->second != key;
      EXPECT_EQ(table.put(lease).has_value(), !taken);
      if (!taken) {
        if (const auto old = model.find(key); old != model.end())
          holders.erase({lease.vrf.value, old->second.address});
        if (!lease.address.is_zero()) holders[{lease.vrf.value, lease.address}] = key;
        model[key] = lease;
      }
    }
    if (below(random, 50) == 0) table.reclaim();
    ASSERT_EQ(table.size(), model.size());
  }
  for (std::uint32_t vrf = 1; vrf <= 3; ++vrf) {
    for (std::uint32_t address = 0x0a000000; address <= 0x0a000000 + 301; ++address) {
      const StaticRecord* found = table.find(VrfId{vrf}, Ip4{address});
      const auto holder = holders.find({vrf, Ip4{address}});
      ASSERT_EQ(found != nullptr, holder != holders.end());
      if (found != nullptr) {
        EXPECT_EQ(found->kind, std::get<1>(holder->second));
      }
    }
  }
  for (const auto& [key, lease] : model) {
    const StaticRecord* found = table.find(lease.vrf, lease.kind, bytes_of(lease.identity));
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->address, lease.address);
    EXPECT_TRUE(std::ranges::equal(found->options(), bytes_of(lease.options)));
  }
}

// Readers find what stays there at every moment, and of what changes the old or the new, while others come
// and go in the same chains. Each reader says when it holds nothing, as the loops do.
TEST(StaticTable, IsReadWhileItChanges) {
  constexpr std::uint32_t kStay = 2000;
  constexpr std::uint32_t kMove = 64;
  StaticTable table;
  for (std::uint32_t i = 0; i < kStay; ++i)
    ASSERT_TRUE(table.put(lease_of(1, i, 0x0a000000 + 1 + i)).has_value());
  for (std::uint32_t i = 0; i < kMove; ++i)
    ASSERT_TRUE(
        table
            .put({VrfId{1}, StaticKind::client_id, "moves" + std::to_string(i), Ip4{0x0b000000 + 2 * i},
                  "\x0c\x01"
                  "0"})
            .has_value());
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> epoch{0};
  std::array<std::atomic<std::uint64_t>, 2> seen{};
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<std::uint64_t> looked{0};
  const auto reader = [&](std::size_t self) {
    std::mt19937 random(static_cast<std::uint32_t>(self));
    while (!stop.load(std::memory_order_relaxed)) {
      seen[self].store(epoch.load(std::memory_order_acquire), std::memory_order_release);
      const std::uint32_t i = below(random, kStay);
      const std::string identity = mac_identity(i);
      const StaticRecord* by_mac = table.find(VrfId{1}, StaticKind::mac, bytes_of(identity));
      const StaticRecord* by_address = table.find(VrfId{1}, Ip4{0x0a000000 + 1 + i});
      if (by_mac == nullptr || by_mac != by_address) ++wrong;
      const std::uint32_t m = below(random, kMove);
      const StaticRecord* moving =
          table.find(VrfId{1}, StaticKind::client_id, bytes_of("moves" + std::to_string(m)));
      if (moving == nullptr || moving->address.value >> 1 != (0x0b000000 + 2 * m) >> 1 ||
          moving->options().size() != 3)
        ++wrong;
      if (looked.fetch_add(1, std::memory_order_relaxed) % 64 == 0) std::this_thread::yield();
    }
    seen[self].store(~0ull, std::memory_order_release);
  };
  std::array<std::thread, 2> readers{std::thread(reader, 0), std::thread(reader, 1)};
  std::mt19937 random(3);
  for (int round = 0; round < 400; ++round) {
    for (int i = 0; i < 8; ++i) {
      const std::uint32_t m = below(random, kMove);
      EXPECT_TRUE(table
                      .put({VrfId{1}, StaticKind::client_id, "moves" + std::to_string(m),
                            Ip4{0x0b000000 + 2 * m + below(random, 2)},
                            "\x0c\x01"
                            "1"})
                      .has_value());
      const std::uint32_t passing = kStay + below(random, 500);
      if (!table.erase(VrfId{1}, StaticKind::mac, bytes_of(mac_identity(passing)))) {
        EXPECT_TRUE(table.put(lease_of(1, passing, 0x0a000000 + 1 + passing)).has_value());
      }
    }
    const std::uint64_t now = epoch.fetch_add(1, std::memory_order_seq_cst) + 1;
    while (std::ranges::any_of(seen,
                               [now](const auto& one) { return one.load(std::memory_order_acquire) < now; }))
      std::this_thread::yield();
    table.reclaim();
  }
  stop = true;
  for (std::thread& thread : readers) thread.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(looked, 0u);
}

// All there can be: every one is found, one more is refused, and what each takes is little.
TEST(StaticTable, HoldsAMillion) {
  StaticTable table;
  for (std::uint32_t i = 0; i < XK_STATIC_LEASES_MAX; ++i)
    ASSERT_TRUE(table.put(lease_of(1 + i % 4096, i, 0x0a000000 + i)).has_value());
  EXPECT_EQ(table.size(), XK_STATIC_LEASES_MAX);
  EXPECT_LE(table.bytes() / XK_STATIC_LEASES_MAX, 48u);
  EXPECT_FALSE(table.put(lease_of(1, 0x7fffffff, 0x01020304)).has_value());
  std::uint32_t found = 0;
  for (std::uint32_t i = 0; i < XK_STATIC_LEASES_MAX; ++i) {
    const StaticRecord* record = table.find(VrfId{1 + i % 4096}, Ip4{0x0a000000 + i});
    found += record != nullptr && record->tag == (std::uint64_t{0x0200} << 32 | i) ? 1 : 0;
  }
  EXPECT_EQ(found, XK_STATIC_LEASES_MAX);
  EXPECT_TRUE(table.put(lease_of(1, 0, 0x01020304)).has_value()) << "a change is none more";
  EXPECT_TRUE(table.erase(VrfId{1}, StaticKind::mac, bytes_of(mac_identity(0))));
  EXPECT_TRUE(table.put(lease_of(1, 0x7fffffff, 0x01020304)).has_value());
}

}  // namespace
}  // namespace xk
