// The lease table and the set of its free addresses.
#include "dataplane/serve/lease_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "bpf/shared/limits.h"
#include "dataplane/base/text_bytes.h"

namespace xk {
namespace {

constexpr HashKey kKey{1, 2};
constexpr Range4 kSmall{Ip4{0x0a00000a}, Ip4{0x0a000013}};  // ten addresses

ClientKey client_of(std::uint32_t number) {
  return client_key(
      kKey, Mac{{2, 0, 0, 0, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}});
}

LeaseContent content_of(std::uint32_t client, EngineSeconds until_s = 1000) {
  LeaseContent content;
  content.client = client_of(client);
  content.mac.bytes[5] = static_cast<std::uint8_t>(client);
  content.until_s = until_s;
  content.recorded_s = until_s;
  content.circuit = client % 3 + 1;
  content.attachment = 7;
  return content;
}

TEST(NumberSet, FindsWhatASortedSetFinds) {
  std::mt19937 engine(1);
  const auto random = [&engine] { return static_cast<std::uint32_t>(engine()); };
  NumberSet set;
  std::set<std::uint32_t> expected;
  std::uint32_t size = 0;
  for (const std::uint32_t grown : {1u, 63u, 64u, 65u, 4096u, 4097u, 300'000u}) {
    size = grown;
    set.grow(size);
    for (int i = 0; i < 3000; ++i) {
      const std::uint32_t number = random() % size;
      if (random() % 2 == 0) {
        set.add(number);
        expected.insert(number);
      } else {
        set.remove(number);
        expected.erase(number);
      }
      const std::uint32_t from = random() % size;
      const std::uint32_t last = std::min<std::uint32_t>(size - 1, from + random() % 5000);
      const auto at = expected.lower_bound(from);
      const auto found = set.next(from, last);
      ASSERT_EQ(found.has_value(), at != expected.end() && *at <= last) << from << " to " << last;
      if (found) {
        ASSERT_EQ(*found, *at);
      }
      ASSERT_EQ(set.contains(number), expected.contains(number));
    }
  }
}

TEST(LeaseTable, FindsByAddressClientAndMac) {
  LeaseTable table;
  table.extend({{kSmall}});
  EXPECT_EQ(table.find(Ip4{kSmall.first.value - 1}), nullptr);
  EXPECT_EQ(table.find(Ip4{kSmall.last.value + 1}), nullptr);
  Lease* lease = table.find(Ip4{0x0a00000c});
  ASSERT_NE(lease, nullptr);
  EXPECT_EQ(table.first_of(client_of(1)), nullptr);
  LeaseContent content = content_of(1);
  table.put(*lease, content);
  EXPECT_EQ(table.first_of(client_of(1)), lease);
  EXPECT_EQ(table.next_of(*lease), nullptr);
  EXPECT_EQ(std::as_const(table).first_of(content.mac), lease);
  Lease* second = table.find(Ip4{0x0a00000d});
  table.put(*second, content);
  std::set<const Lease*> found;
  for (Lease* each = table.first_of(client_of(1)); each != nullptr; each = table.next_of(*each))
    found.insert(each);
  EXPECT_EQ(found, (std::set<const Lease*>{lease, second}));
  table.clear(*lease);
  EXPECT_EQ(table.first_of(client_of(1)), second);
  EXPECT_EQ(table.leased(), 1u);
}

TEST(LeaseTable, GivesFreeAddressesInOrder) {
  LeaseTable table;
  table.extend({{kSmall}});
  for (std::uint32_t i = 0; i < 10; ++i) {
    Lease* lease = table.next_free(kSmall, kSmall.first);
    ASSERT_NE(lease, nullptr);
    EXPECT_EQ(lease->address.value, kSmall.first.value + i);
    table.put(*lease, content_of(i));
  }
  EXPECT_EQ(table.next_free(kSmall, kSmall.first), nullptr);
  table.clear(*table.find(Ip4{0x0a00000f}));
  EXPECT_EQ(table.next_free(kSmall, kSmall.first)->address, Ip4{0x0a00000f});
  EXPECT_EQ(table.next_free(kSmall, Ip4{0x0a000010}), nullptr);
}

TEST(LeaseTable, GrowsWithItsLeases) {
  LeaseTable table;
  table.extend({{kSmall}});
  table.put(*table.find(Ip4{0x0a00000c}), content_of(1));
  // Around what is there, over it, and apart from it.
  const std::array more{Range4{Ip4{0x0a000001}, Ip4{0x0a000020}}, Range4{Ip4{0x0a010000}, Ip4{0x0a010fff}}};
  table.extend(more);
  EXPECT_EQ(table.size(), 32u + 4096u);
  Lease* lease = table.first_of(client_of(1));
  ASSERT_NE(lease, nullptr);
  EXPECT_EQ(lease->address, Ip4{0x0a00000c});
  for (std::uint32_t address = 0x0a000001; address <= 0x0a000020; ++address) {
    ASSERT_NE(table.find(Ip4{address}), nullptr) << address;
    EXPECT_EQ(table.find(Ip4{address})->address, Ip4{address});
  }
  EXPECT_EQ(table.find(Ip4{0x0a000021}), nullptr);
  EXPECT_EQ(table.next_free(more[0], Ip4{0x0a00000c})->address, Ip4{0x0a00000d});
  const std::uint32_t before = table.size();
  table.extend(more);
  EXPECT_EQ(table.size(), before);
}

TEST(LeaseTable, SweepsOffersLeasesAndDeclined) {
  LeaseTable table;
  table.extend({{kSmall}});
  LeaseContent offer = content_of(1, 100);
  offer.state = LeaseState::offered;
  LeaseContent declined = content_of(2, 100);
  declined.state = LeaseState::declined;
  table.put(*table.find(Ip4{0x0a00000a}), offer);
  table.put(*table.find(Ip4{0x0a00000b}), declined);
  table.put(*table.find(Ip4{0x0a00000c}), content_of(3, 100));
  table.put(*table.find(Ip4{0x0a00000d}), content_of(4, kEngineForEver));
  std::vector<Ip4> told;
  const auto reclaim = [&](Lease& lease) {
    told.push_back(lease.address);
    table.clear(lease);
  };
  table.sweep(99, 50, 100, reclaim);
  EXPECT_TRUE(told.empty());
  EXPECT_EQ(table.next_expired(kSmall, kSmall.first), nullptr);
  table.sweep(100, 50, 100, reclaim);
  EXPECT_EQ(told, (std::vector<Ip4>{Ip4{0x0a00000a}, Ip4{0x0a00000b}}));
  ASSERT_NE(table.next_expired(kSmall, kSmall.first), nullptr);
  EXPECT_EQ(table.next_expired(kSmall, kSmall.first)->address, Ip4{0x0a00000c});
  table.prolong(*table.find(Ip4{0x0a00000c}), 100, 200);
  EXPECT_EQ(table.next_expired(kSmall, kSmall.first), nullptr);
  table.sweep(249, 50, 100, reclaim);
  EXPECT_EQ(told.size(), 2u);
  table.sweep(250, 50, 100, reclaim);
  EXPECT_EQ(told.size(), 3u);
  EXPECT_EQ(table.leased(), 1u) << "the one without end";
}

TEST(LeaseTable, CountsCircuitsAndAttachments) {
  LeaseTable table;
  table.extend({{kSmall}});
  table.put(*table.find(Ip4{0x0a00000a}), content_of(0, 100));
  table.count_groups(true, true);
  EXPECT_EQ(table.circuits().of(1), 1u) << "what is there counts too";
  table.put(*table.find(Ip4{0x0a00000b}), content_of(3, 100));
  table.put(*table.find(Ip4{0x0a00000c}), content_of(1, 100));
  EXPECT_EQ(table.circuits().of(1), 2u);
  EXPECT_EQ(table.circuits().of(2), 1u);
  EXPECT_EQ(table.attachments().of(7), 3u);
  EXPECT_EQ(table.attachments().of(8), 0u);
  table.sweep(100, 50, 100, [](Lease&) {});
  EXPECT_EQ(table.attachments().of(7), 0u) << "leases that are over do not count";
  table.prolong(*table.find(Ip4{0x0a00000a}), 100, 200);
  EXPECT_EQ(table.attachments().of(7), 1u);
  table.clear(*table.find(Ip4{0x0a00000a}));
  EXPECT_EQ(table.attachments().of(7), 0u);
}

TEST(GroupCounts, ManyGroupsComeAndGo) {
  GroupCounts counts;
  counts.reserve(100);
  std::map<std::uint32_t, std::uint32_t> expected;
  std::mt19937 engine(2);
  const auto random = [&engine] { return static_cast<std::uint32_t>(engine()); };
  for (int i = 0; i < 200'000; ++i) {
    const std::uint32_t key = random() % 100'000 + 1;
    if (expected.size() < 100) {
      counts.add(key);
      ++expected[key];
    } else {
      const auto gone = expected.begin();
      counts.remove(gone->first);
      if (--gone->second == 0) expected.erase(gone);
    }
    if (i % 1000 != 0) continue;
    for (const auto& [group, count] : expected) {
      ASSERT_EQ(counts.of(group), count);
    }
  }
}

// Attachments come and go, and the leases of those that are gone stay: there may be more than were thought
// of.
TEST(GroupCounts, HoldsMoreThanWasReserved) {
  GroupCounts counts;
  counts.reserve(100);
  for (std::uint32_t key = 1; key <= 5000; ++key) counts.add(key);
  for (std::uint32_t key = 1; key <= 5000; ++key) ASSERT_EQ(counts.of(key), 1u);
  for (std::uint32_t key = 1; key <= 5000; ++key) counts.remove(key);
  for (std::uint32_t key = 1; key <= 5000; ++key) ASSERT_EQ(counts.of(key), 0u);
}

// At most 128 bytes a lease, whatever is counted, beside the few that an attachment takes; the index and the
// counts are of powers of two.
TEST(LeaseTable, KeepsToItsMemory) {
  for (const std::uint32_t leases : {1u << 17, (1u << 17) + 1, 3u << 16, (3u << 16) + 1, (1u << 18) - 1}) {
    LeaseTable table;
    table.extend({{Range4{Ip4{0x0a000000}, Ip4{0x0a000000 + leases - 1}}}});
    EXPECT_LE(table.bytes(), std::size_t{128} * leases) << leases;
    table.count_groups(true, true);
    EXPECT_LE(table.bytes() - table.attachments().bytes(), std::size_t{128} * leases) << leases;
    EXPECT_LE(table.attachments().bytes(), std::size_t{16} * XK_ATTACHMENTS_MAX);
  }
}

// A plan that is adopted again costs nothing.
TEST(LeaseTable, HasRoomForWhatIsNewOnly) {
  LeaseTable table;
  const Range4 range{Ip4{0x0a000000}, Ip4{0x0a00ffff}};
  table.extend({{range}});
  const std::size_t bytes = table.bytes();
  const Lease* const first = table.find(range.first);
  table.extend({{range}});
  EXPECT_EQ(table.bytes(), bytes);
  EXPECT_EQ(table.find(range.first), first);
  table.extend({{range, Range4{Ip4{0x0a020000}, Ip4{0x0a020000}}}});
  EXPECT_EQ(table.size(), 65537u);
  EXPECT_LE(table.bytes(), 2 * bytes);
}

TEST(LeaseTable, KeepsClientIdsAndLines) {
  LeaseTable table;
  table.extend({{kSmall}});
  Lease& lease = *table.find(kSmall.first);
  std::array<std::uint8_t, LeaseTexts::kMax> scratch;
  for (const std::size_t id : {0u, 1u, 7u, 31u, 32u, 33u, 60u, 255u})
    for (const std::size_t agent : {0u, 1u, 25u, 32u, 200u, 255u}) {
      const std::string client_id(id, static_cast<char>('a' + id % 26));
      const std::string line(agent, static_cast<char>('A' + agent % 26));
      LeaseContent content = content_of(1);
      content.client_id = bytes_of(client_id);
      content.agent = bytes_of(line);
      table.put(lease, content);
      const LeaseTexts texts = table.texts(lease, scratch);
      EXPECT_EQ(text_of(texts.client_id), client_id);
      EXPECT_EQ(text_of(texts.agent), line);
      table.prolong(lease, 1, 2000);
      EXPECT_EQ(text_of(table.texts(lease, scratch).client_id), client_id);
    }
  const std::string too_long(256, 'x');
  LeaseContent content = content_of(1);
  content.agent = bytes_of(too_long);
  table.put(lease, content);
  EXPECT_TRUE(table.texts(lease, scratch).agent.empty());
}

// Where the blocks for long texts are used up the line is not kept, then not the id; those of leases that end
// are free again.
TEST(LeaseTexts, AreBounded) {
  TextStore store;
  constexpr std::uint32_t kPlaces = 1024;
  store.grow(kPlaces);
  const std::size_t bytes = store.bytes();
  std::array<std::uint8_t, LeaseTexts::kMax> scratch;
  std::mt19937 random(3);
  std::map<std::uint32_t, std::pair<TextSizes, std::string>> kept;
  std::size_t whole = 0, cut = 0, none = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint32_t place = static_cast<std::uint32_t>(random()) % kPlaces;
    if (const auto old = kept.find(place); old != kept.end()) {
      const LeaseTexts texts = store.get(place, old->second.first, scratch);
      ASSERT_EQ(std::string(text_of(texts.client_id)) + std::string(text_of(texts.agent)),
                old->second.second);
      store.clear(place, old->second.first);
      kept.erase(old);
      if (random() % 2 == 0) continue;
    }
    const std::string id(random() % 48, static_cast<char>('a' + random() % 26));
    const std::string agent(random() % 64, static_cast<char>('A' + random() % 26));
    const TextSizes sizes = store.put(place, {bytes_of(id), bytes_of(agent)});
    ASSERT_TRUE(sizes.client_id == id.size() || sizes.client_id == 0);
    ASSERT_TRUE(sizes.agent == agent.size() || sizes.agent == 0);
    kept[place] = {sizes, id.substr(0, sizes.client_id) + agent.substr(0, sizes.agent)};
    ++(sizes.all() == id.size() + agent.size() ? whole : sizes.client_id == id.size() ? cut : none);
  }
  EXPECT_GT(whole, 1000u);
  EXPECT_GT(cut, 1000u);
  EXPECT_GT(none, 1000u);
  EXPECT_EQ(store.bytes(), bytes);
  for (const auto& [place, texts] : kept) store.clear(place, texts.first);
  const std::string long_one(255, 'x');
  EXPECT_EQ(store.put(0, {bytes_of(long_one), bytes_of(long_one)}).all(), 510u);
}

TEST(ClientKey, DependsOnKindKeyAndEveryByte) {
  const std::string bytes = "abcdefghijklmnopqrst";
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
  const auto note = [&](ClientKey key) { return seen.insert({key.high, key.low}).second; };
  for (std::size_t size = 0; size <= bytes.size(); ++size)
    EXPECT_TRUE(note(keyed_hash(kKey, 1, bytes_of(std::string_view(bytes).substr(0, size))))) << size;
  EXPECT_TRUE(note(keyed_hash(kKey, 2, bytes_of(bytes))));
  EXPECT_TRUE(note(keyed_hash(HashKey{1, 3}, 1, bytes_of(bytes))));
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_TRUE(note(keyed_hash(kKey, 1, bytes_of(changed)))) << at;
  }
}

}  // namespace
}  // namespace xk
