// Native engines where there is too much of something: records, journals, snapshots, probes, VRFs.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "native_pipeline.h"

namespace xk {
namespace {

using namespace test;

class NativeOverload : public NativePipeline {
 protected:
  using Clock = std::chrono::steady_clock;
  // Journals that are begun anew after so many bytes.
  void with_short_journals(std::uint64_t bytes) {
    NativeKeeper::Options keeper;
    keeper.journal_bytes_max = bytes;
    rig = std::make_unique<Rig>(std::vector<LoopPlacement>{}, 16384, 8192, 8192, nullptr, std::move(keeper));
  }
  // A client that asks for its address again and again, each time from another place: each is a record.
  void burst(std::uint32_t clients) {
    for (std::uint32_t client = 1; client <= clients; ++client) {
      const Ip4 address{kFirst.value + client};
      static_cast<void>(rig->clients->put(
          client_message(kRed, client, MessageType::request,
                         {{54, address_bytes(kUs)},
                          {50, address_bytes(address)},
                          {61, std::string(1 + round % 200, 'x') + std::to_string(client)}})));
      static_cast<void>(rig->clients->put(client_message(
          kRed, client, MessageType::release,
          {{54, address_bytes(kUs)}, {61, std::string(1 + round % 200, 'x') + std::to_string(client)}},
          address)));
    }
    ++round;
    while (rig->pipeline->iterate())
      while (!rig->clients->take().empty()) {
      }
  }
  [[nodiscard]] std::size_t files_like(std::string_view part) const {
    const auto names = folder.names();
    return static_cast<std::size_t>(std::ranges::count_if(
        names, [part](const std::string& name) { return name.find(part) != std::string::npos; }));
  }
  std::uint32_t round = 0;
};

// Loops may record without a pause: the journal is begun anew all the same, or it would fill the disk.
TEST_F(NativeOverload, AJournalIsBegunAnewUnderLoad) {
  with_short_journals(4096);
  begin(250);
  const std::uint64_t first = status().journal;
  const auto end = Clock::now() + std::chrono::seconds(4);
  while (Clock::now() < end && status().journal < first + 2) burst(200);
  EXPECT_GE(status().journal, first + 2);
}

// A store that does not follow is no reason for a snapshot every second.
TEST_F(NativeOverload, JournalsThatWaitForTheStoreAreNotWrittenAgainAndAgain) {
  for (std::uint32_t start = 1; start <= 10; ++start) {
    restart();
    ASSERT_FALSE(acquire(start).is_zero());
  }
  ASSERT_TRUE(Rig::await([&] { return files_like("snapshot-") == 1; }));
  const std::uint64_t journal = status().journal;
  std::this_thread::sleep_for(std::chrono::milliseconds(3500));
  EXPECT_LE(status().journal, journal + 1);
}

// What is written into a file that nobody finds again is not durable.
TEST_F(NativeOverload, AFolderThatIsRemoved) {
  begin();
  ASSERT_EQ(acquire(1), kFirst);
  std::filesystem::remove_all(folder.path());
  ASSERT_TRUE(Rig::await([&] { return status().state == NativeState::failing; }));
  EXPECT_NE(status().error.find(folder.path()), std::string::npos) << status().error;
  EXPECT_TRUE(acquire(2).is_zero());
  std::filesystem::create_directory(folder.path());
  ASSERT_TRUE(serves(*rig));
  EXPECT_NE(status().error.find("removed"), std::string::npos) << status().error;
  EXPECT_FALSE(acquire(2).is_zero());
}

TEST_F(NativeOverload, WhatWasLeftOfASnapshotGoes) {
  const std::string left = folder.path() + "/snapshot-0000000000000007.tmp";
  std::ofstream(left) << std::string(100'000, 'x');
  std::ofstream(folder.path() + "/other.tmp") << "not ours";
  begin();
  EXPECT_FALSE(std::filesystem::exists(left));
  EXPECT_EQ(files_like("other.tmp"), 1u);
}

// A VRF of a wide subnet, whose pool begins at kFirst and has so many addresses.
Snapshot wide_snapshot(const std::string& folder, std::uint32_t addresses, std::uint32_t vrfs = 1) {
  Snapshot snapshot = native_snapshot(folder, 99, vrfs);
  for (VrfEntry& vrf : snapshot.vrfs) vrf.subnets[0].prefix = Prefix4{Ip4{0x0a000000}, 16};
  for (NativeVrf& native : snapshot.natives) {
    native.pools[0].ranges[0].last = Ip4{kFirst.value + addresses - 1};
    if (vrfs == 1) continue;
    native.directory += "/" + std::to_string(native.vrf.value);
    std::filesystem::create_directory(native.directory);
  }
  return snapshot;
}

// An address that could not be asked for is not given out without.
TEST_F(NativeOverload, MoreProbesThanMayBeUnderWay) {
  Snapshot snapshot = wide_snapshot(folder.path(), 1000);
  snapshot.natives[0].probe = true;
  publish(snapshot);
  for (std::uint32_t client = 1; client <= 300; ++client)
    ASSERT_TRUE(rig->clients->put(client_message(kRed, client, MessageType::discover, {})));
  rig->settle();
  ASSERT_GE(rig->count(kRed, XK_SERVE_PROBES_FULL), 1u);
  std::uint32_t offers = 0;
  ASSERT_TRUE(Rig::await([&] {
    rig->settle();
    for (auto frame = rig->clients->take(); !frame.empty(); frame = rig->clients->take())
      offers += type_of(frame) == MessageType::offer ? 1 : 0;
    return offers + rig->count(kRed, XK_SERVE_PROBES_FULL) == 300;
  })) << offers;
  ASSERT_TRUE(rig->clients->put(client_message(kRed, 300, MessageType::discover, {})));
  rig->settle();
  const auto asked = rig->clients->take();
  ASSERT_FALSE(asked.empty());
  EXPECT_EQ(asked.size(), 60u) << "a probe comes first, and no offer";
  ASSERT_TRUE(Rig::await([&] {
    rig->settle();
    return rig->count(kRed, XK_NOTE_SERVE_OFFER) == offers + 1;
  }));
  EXPECT_EQ(rig->imbalance(1), "");
}

// Somebody answers a probe while the plan changes: the engine goes by the new one.
TEST_F(NativeOverload, AProbeIsAnsweredUnderAnotherPlan) {
  Snapshot snapshot = native_snapshot(folder.path());
  snapshot.natives[0].probe = true;
  publish(snapshot);
  for (std::uint32_t client = 0; client < 8; ++client) {
    ASSERT_TRUE(rig->clients->put(client_message(kRed, client, MessageType::discover, {})));
    rig->settle();
    auto reply = rig->clients->take();
    ASSERT_EQ(reply.size(), 60u);
    const Ip4 address = ByteReader(Bytes(reply).subspan(18 + 24, 4)).ip4();
    reply[18 + 7] = 2;
    const std::string sender = address_bytes(address);
    std::copy(sender.begin(), sender.end(), reply.begin() + 18 + 14);
    std::fill_n(reply.begin() + 18 + 24, 4, std::uint8_t{0});
    std::swap_ranges(reply.begin(), reply.begin() + 6, reply.begin() + 6);
    snapshot.generation += 1;
    snapshot.natives[0].decline_s += 1;
    rig->publish(snapshot);
    ASSERT_TRUE(rig->clients->put(reply));
    ASSERT_TRUE(Rig::await([&] {
      rig->settle();
      return rig->count(kRed, XK_NOTE_SERVE_CONFLICT) == client + 1;
    }));
  }
  restart();
  EXPECT_EQ(status().declined, 8u);
}

// A loop that slept knows what time it is before it answers what woke it.
TEST_F(NativeOverload, TheFirstRequestAfterASleep) {
  Snapshot snapshot = native_snapshot(folder.path());
  snapshot.vrfs[0].subnets[0].lease_time_s = 1;
  snapshot.natives[0].subnets[0].lease_time_max_s = 1;
  publish(snapshot);
  ASSERT_EQ(acquire(1), kFirst);
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  const auto offer = ask(
      client_message(kRed, 2, MessageType::discover, {{option4::kRequestedAddress, address_bytes(kFirst)}}));
  ASSERT_EQ(type_of(offer), MessageType::offer);
  EXPECT_EQ(yiaddr_of(offer), kFirst) << "the lease of the first client was over";
}

// A client's own lease that is over, and not seen to be yet, does not stand in its way.
TEST_F(NativeOverload, ALimitIsNotReachedByTheClientsOwnLease) {
  Snapshot snapshot = wide_snapshot(folder.path(), 60'000);
  snapshot.vrfs[0].subnets[0].lease_time_s = 1;
  snapshot.natives[0].subnets[0].lease_time_max_s = 1;
  snapshot.natives[0].attachment_leases_max = 2;
  publish(snapshot);
  // The first addresses have been looked at, and will be again when all the others were.
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  rig->settle();
  ASSERT_EQ(acquire(1), kFirst);
  ASSERT_EQ(acquire(2), Ip4{kFirst.value + 1});
  EXPECT_TRUE(acquire(3).is_zero());
  EXPECT_EQ(rig->count(kRed, XK_SERVE_LIMIT), 1u);
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  rig->settle();
  EXPECT_EQ(type_of(discover_of(1)), MessageType::offer);
  EXPECT_EQ(type_of(renew(2, Ip4{kFirst.value + 1})), MessageType::ack);
  EXPECT_EQ(rig->count(kRed, XK_SERVE_LIMIT), 1u);
}

// The VRFs in which answers wait leave buffers to the others.
TEST_F(NativeOverload, AnswersThatWaitInManyVrfsLeaveBuffersToOthers) {
  constexpr std::uint32_t kNatives = 32;
  constexpr VrfId kOther{kNatives + 1};
  rig = std::make_unique<Rig>(std::vector<LoopPlacement>{}, 2048, 512, 512);
  Snapshot snapshot = wide_snapshot(folder.path(), 1000, kNatives + 1);
  snapshot.vrfs.back() = snapshot_of(kNatives + 1).vrfs.back();
  snapshot.natives.pop_back();
  for (NativeVrf& native : snapshot.natives) native.reply_after = ReplyAfter::store;
  publish(snapshot);
  for (std::uint32_t client = 1; client <= 200; ++client) {
    for (std::uint32_t vrf = 1; vrf <= kNatives; ++vrf)
      static_cast<void>(rig->clients->put(
          client_message(VrfId{vrf}, client, MessageType::request,
                         {{54, address_bytes(kUs)}, {50, address_bytes(Ip4{kFirst.value + client})}})));
    rig->settle();
  }
  ASSERT_GE(rig->count(kRed, XK_SERVE_JOURNAL_FULL), 1u);
  for (std::uint32_t client = 1; client <= 100; ++client) {
    ASSERT_TRUE(rig->clients->put(discover(kOther, client)));
    rig->settle();
    ASSERT_FALSE(rig->servers->take().empty()) << client;
  }
  EXPECT_EQ(rig->count(kOther, XK_BUFFER_NONE), 0u);
}

// A VRF whose servers are in that of an engine moves that to another loop: what waits there is not forgotten,
// and not two of them serve by it.
TEST_F(NativeOverload, AnEngineThatAnotherLoopGets) {
  rig = std::make_unique<Rig>(std::vector<LoopPlacement>{{}, {}});
  constexpr VrfId kGreen{2};
  const auto make = [&](std::uint64_t generation, bool moved) {
    Snapshot snapshot = native_snapshot(folder.path(), 99, 2, generation);
    snapshot.vrfs[0] = snapshot_of(2).vrfs[0];
    snapshot.natives.erase(snapshot.natives.begin());
    snapshot.natives[0].reply_after = ReplyAfter::store;
    if (moved) {
      snapshot.vrfs[0].server_vrf = kGreen;
      std::erase_if(snapshot.attachments, [](const AttachmentEntry& attachment) {
        return attachment.vrf == VrfId{1} && attachment.role == AttachmentRole::server;
      });
    }
    return snapshot;
  };
  const auto request_of = [&](std::uint32_t client) {
    return client_message(kGreen, client, MessageType::request,
                          {{54, address_bytes(kUs)}, {50, address_bytes(Ip4{kFirst.value + client})}});
  };
  publish(make(1, false));
  std::uint64_t revision = 0;
  for (std::uint64_t generation = 2; generation < 6; ++generation) {
    const auto client = static_cast<std::uint32_t>(generation);
    ASSERT_TRUE(rig->clients->put(request_of(client)));
    ASSERT_TRUE(Rig::await([&] {
      rig->settle();
      return status().revision == revision + 1;
    }));
    publish(make(generation, generation % 2 == 0));
    ++revision;
    // It asks again, as nobody was answered.
    while (!rig->clients->take().empty()) {
    }
    ASSERT_TRUE(rig->clients->put(request_of(client)));
    rig->settle();
    revision = status().revision;
    rig->pipeline->note_stored(kGreen, revision);
    std::vector<std::uint8_t> answer;
    ASSERT_TRUE(Rig::await([&] {
      rig->settle();
      answer = rig->clients->take();
      return !answer.empty();
    })) << generation;
    EXPECT_EQ(type_of(answer), MessageType::ack);
  }
}

// Everything at once: clients, plans that change, engines that end and begin, leases that are deleted.
TEST_F(NativeOverload, TheControlThreadDoesWhatItCanWhileLoopsServe) {
  rig = std::make_unique<Rig>(std::vector<LoopPlacement>{{}, {}});
  Snapshot snapshot = wide_snapshot(folder.path(), 300, 2);
  for (NativeVrf& native : snapshot.natives) native.attachment_leases_max = 200;
  snapshot.natives[0].probe = true;
  snapshot.natives[1].reply_after = ReplyAfter::store;
  rig->publish(snapshot);
  ASSERT_TRUE(rig->pipeline->start().has_value());
  const auto end = Clock::now() + std::chrono::seconds(2);
  for (std::uint32_t turn = 0; Clock::now() < end; ++turn) {
    for (std::uint32_t client = 0; client < 100; ++client) {
      const VrfId vrf{1 + client % 2};
      const Ip4 address{kFirst.value + (turn + client) % 300};
      const auto type = client % 5 == 0   ? MessageType::release
                        : client % 5 == 1 ? MessageType::discover
                        : client % 5 == 2 ? MessageType::decline
                                          : MessageType::request;
      static_cast<void>(rig->clients->put(
          client_message(vrf, turn % 500, type, {{54, address_bytes(kUs)}, {50, address_bytes(address)}},
                         type == MessageType::release ? address : Ip4{})));
    }
    while (!rig->clients->take().empty()) {
    }
    for (const NativeStatus& each : rig->pipeline->native_statuses())
      rig->pipeline->note_stored(each.vrf, each.revision);
    rig->pipeline->forget_lease(VrfId{1 + turn % 2}, Ip4{kFirst.value + turn % 300});
    if (turn % 10 != 0) continue;
    Snapshot next = snapshot;
    next.generation = ++snapshot.generation;
    next.natives[0].pools[0].ranges[0].last = Ip4{kFirst.value + 100 + turn % 300};
    next.natives[1].attachment_leases_max = turn % 3;
    if (turn % 40 == 0) next.natives.pop_back();
    if (turn % 40 == 20) next.vrfs[0].server_vrf = VrfId{2};
    rig->publish(next);
  }
  rig->publish(snapshot);
  ASSERT_TRUE(Rig::await([&] {
    const auto all = rig->pipeline->native_statuses();
    return all.size() == 2 && all[0].state == NativeState::serving && all[1].state == NativeState::serving;
  }));
  rig->pipeline->stop();
}

class NativeOnAFullDisk : public NativeOnASmallDisk {
 protected:
  [[nodiscard]] std::uint64_t room() const { return std::filesystem::space(folder.path()).free; }
  void leave(std::uint64_t bytes) {
    std::ofstream(folder.path() + "/ballast") << std::string(room() - bytes, 'x');
    ASSERT_EQ(room(), bytes);
  }
};

// What is tried every second leaves nothing behind that takes the room there is.
TEST_F(NativeOnAFullDisk, FailingTakesNoFurtherRoom) {
  serve(true);
  for (std::uint32_t client = 1; client < 240; ++client)
    ASSERT_FALSE(select(client, Ip4{kFirst.value + client - 1}).empty());
  const auto before = folder.names();
  empty();
  leave(8192);  // for a journal, and not for all that waits
  for (int second = 0; second < 3; ++second) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    rig->settle();
    EXPECT_EQ(status().state, NativeState::failing);
  }
  ASSERT_TRUE(Rig::await([&] { return room() == 8192; })) << room();
  EXPECT_EQ(folder.names().size(), before.size()) << testing::PrintToString(folder.names());
  heal();
  rig = std::make_unique<Rig>();
  begin(250);
  EXPECT_EQ(status().leases, 239u);
}

// A snapshot that finds no room leaves what there is to the journal.
TEST_F(NativeOnAFullDisk, ASnapshotWithoutRoomIsNotBegunForEver) {
  NativeKeeper::Options keeper;
  keeper.journal_bytes_max = 12'000;
  rig = std::make_unique<Rig>(std::vector<LoopPlacement>{}, 16384, 8192, 8192, nullptr, std::move(keeper));
  begin(250);
  for (std::uint32_t client = 1; client <= 120; ++client) ASSERT_FALSE(acquire(client).is_zero());
  leave(16'384);
  for (std::uint32_t client = 121; client <= 220; ++client) ASSERT_FALSE(acquire(client).is_zero());
  ASSERT_TRUE(Rig::await([&] { return status().error.find("snapshot") != std::string::npos; }));
  const std::uint64_t journal = status().journal;
  EXPECT_EQ(status().state, NativeState::serving);
  for (const std::string& name : folder.names()) EXPECT_FALSE(name.ends_with(".tmp")) << name;
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  EXPECT_EQ(status().journal, journal) << "it is not tried every second";
  EXPECT_FALSE(acquire(230).is_zero());
}

}  // namespace
}  // namespace xk
