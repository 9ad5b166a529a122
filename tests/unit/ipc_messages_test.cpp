// Encoding and decoding of what the daemons say to each other, and what hostile bytes do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "dataplane/base/counters.h"
#include "dataplane/ipc/messages.h"
#include "tests/unit/ipc_samples.h"

namespace xk::ipc {
namespace {

static_assert(kLcoreSettingsMax == kLcoresMax);

using testing::HasSubstr;

std::vector<std::uint8_t> must_encode(const Message& message) {
  auto bytes = encode(message);
  EXPECT_FALSE(bytes.empty());
  return bytes;
}

void overwrite(std::vector<std::uint8_t>& bytes, std::size_t at, std::initializer_list<int> with) {
  ASSERT_LE(at + with.size(), bytes.size());
  for (const int byte : with) bytes[at++] = static_cast<std::uint8_t>(byte);
}

TEST(IpcMessages, EveryKindComesBackAsItWas) {
  for (const Message& message : sample_messages()) {
    const auto decoded = decode(must_encode(message));
    ASSERT_TRUE(decoded.has_value()) << decoded.error().message << ", kind " << message.index();
    EXPECT_TRUE(*decoded == message) << "kind " << message.index();
  }
}

TEST(IpcMessages, SamplesCoverEveryKind) {
  std::vector<bool> seen(std::variant_size_v<Message>);
  for (const Message& message : sample_messages()) seen[message.index()] = true;
  EXPECT_THAT(seen, testing::Each(true));
}

TEST(IpcMessages, TruncatedAtAnyByteIsRefused) {
  for (const Message& message : sample_messages()) {
    const auto bytes = must_encode(message);
    for (std::size_t length = 0; length < bytes.size(); ++length)
      EXPECT_FALSE(decode(Bytes(bytes).first(length)).has_value())
          << "kind " << message.index() << " cut to " << length;
  }
}

TEST(IpcMessages, TrailingByteIsRefused) {
  for (const Message& message : sample_messages()) {
    auto bytes = must_encode(message);
    bytes.push_back(0);
    const auto decoded = decode(bytes);
    ASSERT_FALSE(decoded.has_value());
    EXPECT_THAT(decoded.error().message, HasSubstr("past the end"));
  }
}

TEST(IpcMessages, OtherMagicVersionAndKindAreRefusedByName) {
  const auto good = must_encode(Ping{7});
  auto bytes = good;
  overwrite(bytes, 0, {'?'});
  EXPECT_THAT(decode(bytes).error().message, HasSubstr("not a message"));
  bytes = good;
  overwrite(bytes, 2, {9});
  EXPECT_THAT(decode(bytes).error().message, HasSubstr("speaks version 9, this one 4"));
  bytes = good;
  overwrite(bytes, 3, {200});
  EXPECT_THAT(decode(bytes).error().message, HasSubstr("unknown kind 200"));
}

TEST(IpcMessages, CountLargerThanTheBytesIsRefusedBeforeMemoryIsTaken) {
  auto bytes = must_encode(ReleasePorts{{IfIndex{1}, IfIndex{2}}});
  overwrite(bytes, 4, {0, 0, 0x20, 0});  // 8192: the bound, but only two follow
  EXPECT_THAT(decode(bytes).error().message, HasSubstr("truncated"));
  overwrite(bytes, 4, {0xff, 0xff, 0xff, 0xff});
  EXPECT_THAT(decode(bytes).error().message, HasSubstr("list too long"));
}

TEST(IpcMessages, BoundsHoldOnBothSidesOfEachLimit) {
  EXPECT_FALSE(encode(ReleasePorts{std::vector<IfIndex>(kPortsMax)}).empty());
  EXPECT_TRUE(encode(ReleasePorts{std::vector<IfIndex>(kPortsMax + 1)}).empty());
  EXPECT_FALSE(encode(Publish{1, kSnapshotMax}).empty());
  EXPECT_TRUE(encode(Publish{1, kSnapshotMax + 1}).empty());
  EXPECT_FALSE(encode(Settings{.user = std::string(kNameMax, 'u')}).empty());
  EXPECT_TRUE(encode(Settings{.user = std::string(kNameMax + 1, 'u')}).empty());
  const LcoreSetting all{.cpu = 1, .loops = kLoopRx | kLoopVrf | kLoopTx};
  EXPECT_FALSE(encode(Settings{.lcores = std::vector<LcoreSetting>(kLcoreSettingsMax, all)}).empty());
  EXPECT_TRUE(encode(Settings{.lcores = std::vector<LcoreSetting>(kLcoreSettingsMax + 1, all)}).empty());
  EXPECT_TRUE(encode(Settings{.lcores = {LcoreSetting{.cpu = 0, .loops = 0}}}).empty());
  EXPECT_TRUE(encode(Settings{.lcores = {LcoreSetting{.cpu = 0, .loops = 8}}}).empty());
}

TEST(IpcMessages, QueuesAreBoundedByTheDescriptorsOfADatagram) {
  PortSockets port{.ifindex = IfIndex{3}, .name = "eth0", .queues = kDescriptorsMax / 2};
  EXPECT_FALSE(encode(port).empty());
  EXPECT_EQ(descriptors_of(port), kDescriptorsMax);
  port.queues = kDescriptorsMax / 2 + 1;
  EXPECT_TRUE(encode(port).empty());
  port.queues = 0;
  EXPECT_TRUE(encode(port).empty());
}

TEST(IpcMessages, ImpossibleGeometryIsRefused) {
  using Change = std::function<void(UmemGeometry&)>;
  const std::vector<Change> changes = {
      [](UmemGeometry& g) { g.frame_size = 0; },
      [](UmemGeometry& g) { g.frame_size = 3000; },
      [](UmemGeometry& g) { g.frame_size = 8192; },
      [](UmemGeometry& g) { g.frame_count = 0; },
      [](UmemGeometry& g) { g.frame_count = (1u << 20) + 1; },
      [](UmemGeometry& g) { g.rx_frames = g.frame_count + 1; },
      [](UmemGeometry& g) { g.fill_size = 0; },
      [](UmemGeometry& g) { g.completion_size = 1000; },
      [](UmemGeometry& g) { g.rx_size = 1u << 17; },
      [](UmemGeometry& g) { g.tx_size = 0xffffffff; },
  };
  PortSockets port{.ifindex = IfIndex{3}, .name = "eth0", .queues = 1};
  EXPECT_FALSE(encode(port).empty());
  for (std::size_t i = 0; i < changes.size(); ++i) {
    PortSockets changed = port;
    changes[i](changed.geometry);
    EXPECT_TRUE(encode(changed).empty()) << "change " << i;
  }
  // The same on the receiving side: a ring size forged into good bytes.
  auto bytes = must_encode(port);
  overwrite(bytes, bytes.size() - 4, {0, 0, 0, 3});
  EXPECT_THAT(decode(bytes).error().message, HasSubstr("no power of two"));
}

TEST(IpcMessages, LongErrorTextIsCutNotLost) {
  const auto decoded = decode(encode(Applied{5, std::string(kErrorTextMax + 100, 'e')}));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(std::get<Applied>(*decoded), (Applied{5, std::string(kErrorTextMax, 'e')}));
}

TEST(IpcMessages, DescriptorsBesideEachKind) {
  EXPECT_EQ(descriptors_of(Hello{}), 1u);
  EXPECT_EQ(descriptors_of(Publish{}), 1u);
  EXPECT_EQ(descriptors_of(StaticUpdate{}), 1u);
  EXPECT_EQ(descriptors_of(PortSockets{.queues = 3}), 6u);
  for (const Message& none : {Message{Settings{}}, Message{ReleasePorts{}}, Message{Applied{}},
                              Message{Ping{}}, Message{Pong{}}, Message{StaticApplied{}}})
    EXPECT_EQ(descriptors_of(none), 0u);
}

// Whatever decodes has exactly the encoding it came from; nothing else decodes.
TEST(IpcMessages, MutationsAreRefusedOrCanonical) {
  std::mt19937 random(20240611);
  std::size_t accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    const auto samples = sample_messages();
    auto bytes = must_encode(samples[random() % samples.size()]);
    for (auto changes = 1 + random() % 3; changes > 0; --changes)
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    const auto decoded = decode(bytes);
    if (!decoded) continue;
    ++accepted;
    ASSERT_EQ(encode(*decoded), bytes) << "round " << round;
  }
  EXPECT_GT(accepted, 0u);
}

TEST(IpcSnapshot, ComesBackAsItWas) {
  for (const Snapshot& snapshot : {Snapshot{}, minimal_snapshot(), sample_snapshot()}) {
    const auto bytes = encode_snapshot(snapshot);
    ASSERT_FALSE(bytes.empty());
    const auto decoded = decode_snapshot(bytes);
    ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
    EXPECT_TRUE(*decoded == snapshot);
  }
}

TEST(IpcSnapshot, TruncatedOrLongerByAByteIsRefused) {
  auto bytes = encode_snapshot(sample_snapshot());
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_FALSE(decode_snapshot(Bytes(bytes).first(length)).has_value()) << "cut to " << length;
  bytes.push_back(0);
  EXPECT_THAT(decode_snapshot(bytes).error().message, HasSubstr("past the end"));
}

TEST(IpcSnapshot, ForeignMagicIsRefused) {
  auto bytes = encode_snapshot(sample_snapshot());
  overwrite(bytes, 0, {'?'});
  EXPECT_THAT(decode_snapshot(bytes).error().message, HasSubstr("another format"));
}

TEST(IpcSnapshot, LargestNumbersOfEverythingEncode) {
  Snapshot snapshot;
  snapshot.ports.resize(kPortsMax);
  snapshot.attachments.resize(XK_ATTACHMENTS_MAX);
  snapshot.vrfs.resize(XK_VRFS_MAX);
  snapshot.vrfs[0].servers.resize(kServersMax);
  snapshot.vrfs[0].subnets.resize(XK_SUBNETS_MAX);
  snapshot.attachments[0].local_addresses.resize(XK_ADDRESSES_MAX);
  const auto decoded = decode_snapshot(encode_snapshot(snapshot));
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  EXPECT_TRUE(*decoded == snapshot);
}

TEST(IpcSnapshot, OneMoreThanTheBoundIsRefused) {
  const std::vector<std::function<void(Snapshot&)>> changes = {
      [](Snapshot& s) { s.ports.resize(kPortsMax + 1); },
      [](Snapshot& s) { s.attachments.resize(XK_ATTACHMENTS_MAX + 1); },
      [](Snapshot& s) { s.vrfs.resize(XK_VRFS_MAX + 1); },
      [](Snapshot& s) { s.vrfs[0].servers.resize(kServersMax + 1); },
      [](Snapshot& s) { s.vrfs[0].id = VrfId{XK_VRFS_MAX + 1}; },
      [](Snapshot& s) { s.vrfs[1].subnets.resize(XK_SUBNETS_MAX + 1); },
      [](Snapshot& s) { s.vrfs[1].subnets[0].prefix.length = 33; },
      [](Snapshot& s) { s.vrfs[1].subnets[0].options.resize(kSubnetOptionsMax + 1); },
      [](Snapshot& s) { s.vrfs[0].vss.value.resize(256); },
      [](Snapshot& s) { s.attachments[0].id = AttachmentId{XK_ATTACHMENTS_MAX + 1}; },
      [](Snapshot& s) { s.attachments[0].outer.vid = Vid{4095}; },
      [](Snapshot& s) { s.attachments[0].inner = {Vid{5}, 0x9100}; },
      [](Snapshot& s) { s.attachments[0].subnet.length = 33; },
      [](Snapshot& s) { s.attachments[0].circuit_id.resize(256); },
      [](Snapshot& s) { s.ports[0].name.resize(kNameMax + 1u); },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Snapshot snapshot = sample_snapshot();
    changes[i](snapshot);
    EXPECT_TRUE(encode_snapshot(snapshot).empty()) << "change " << i;
  }
}

TEST(IpcSnapshot, MutationsAreRefusedOrCanonical) {
  std::mt19937 random(42);
  const auto good = encode_snapshot(sample_snapshot());
  std::size_t accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = good;
    for (auto changes = 1 + random() % 3; changes > 0; --changes)
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    const auto decoded = decode_snapshot(bytes);
    if (!decoded) continue;
    ++accepted;
    ASSERT_EQ(encode_snapshot(*decoded), bytes) << "round " << round;
  }
  EXPECT_GT(accepted, 0u);
}

std::vector<StaticChange> sample_changes() {
  return {
      {false,
       {VrfId{1}, StaticKind::mac, "\x02mac01", Ip4{0x0a000001},
        "\x0c\x03"
        "abc"}},
      {false, {VrfId{XK_VRFS_MAX}, StaticKind::client_id, std::string(255, '\0'), {}, {}}},
      {false,
       {VrfId{2},
        StaticKind::circuit,
        static_circuit_identity(std::string(255, 'c'), std::string(255, 'r')),
        Ip4{0x0a000002},
        {}}},
      {true, {VrfId{2}, StaticKind::circuit, static_circuit_identity("c"), {}, {}}},
  };
}

TEST(IpcStaticChanges, ComeBackAsTheyWere) {
  for (const auto& changes : {std::vector<StaticChange>{}, sample_changes()}) {
    const auto bytes = encode_static_changes(changes);
    ASSERT_FALSE(bytes.empty());
    const auto decoded = decode_static_changes(bytes);
    ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
    EXPECT_TRUE(*decoded == changes);
  }
}

TEST(IpcStaticChanges, CutLongerOrForeignIsRefused) {
  auto bytes = encode_static_changes(sample_changes());
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_FALSE(decode_static_changes(Bytes(bytes).first(length)).has_value()) << "cut to " << length;
  bytes.push_back(0);
  EXPECT_THAT(decode_static_changes(bytes).error().message, HasSubstr("past the end"));
  bytes.pop_back();
  overwrite(bytes, 0, {'?'});
  EXPECT_THAT(decode_static_changes(bytes).error().message, HasSubstr("another format"));
}

TEST(IpcStaticChanges, WhatTheDataplaneCannotHoldIsRefused) {
  const std::vector<std::function<void(StaticChange&)>> changes = {
      [](StaticChange& c) { c.lease.vrf = {}; },
      [](StaticChange& c) { c.lease.vrf = VrfId{XK_VRFS_MAX + 1}; },
      [](StaticChange& c) { c.lease.identity = "seven77"; },
      [](StaticChange& c) { c.lease.identity.clear(); },
      [](StaticChange& c) { c.lease.kind = StaticKind::circuit; },
      [](StaticChange& c) { c.lease.address = Ip4{0xffffffff}; },
      [](StaticChange& c) { c.lease.options = "\x0c"; },
      [](StaticChange& c) { c.lease.options = std::string("\x52\x00", 2); },
      [](StaticChange& c) { c.lease.options = std::string(kStaticOptionsMax + 2, '\x01'); },
      [](StaticChange& c) { c.erase = true; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    std::vector<StaticChange> changed{sample_changes()[0]};
    changes[i](changed[0]);
    EXPECT_TRUE(encode_static_changes(changed).empty()) << "change " << i;
  }
  std::vector<StaticChange> many(kStaticChangesMax, sample_changes()[0]);
  EXPECT_FALSE(encode_static_changes(many).empty());
  many.push_back(many[0]);
  EXPECT_TRUE(encode_static_changes(many).empty());
}

TEST(IpcStaticChanges, MutationsAreRefusedOrCanonical) {
  std::mt19937 random(7);
  const auto good = encode_static_changes(sample_changes());
  std::size_t accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = good;
    for (auto mutations = 1 + random() % 3; mutations > 0; --mutations)
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    const auto decoded = decode_static_changes(bytes);
    if (!decoded) continue;
    ++accepted;
    ASSERT_EQ(encode_static_changes(*decoded), bytes) << "round " << round;
  }
  EXPECT_GT(accepted, 0u);
}

}  // namespace
}  // namespace xk::ipc
