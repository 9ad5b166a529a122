// The native engine through the pipeline: answers that wait for the journal, journals that are recovered,
// plans that change, disks that fail, probes.
#include <algorithm>

#include "native_pipeline.h"

namespace xk {
namespace {

using namespace test;

TEST_F(NativePipeline, ServesAndRemembers) {
  begin();
  EXPECT_EQ(acquire(1), kFirst);
  EXPECT_EQ(acquire(2), Ip4{kFirst.value + 1});
  EXPECT_EQ(rig->count(kRed, XK_NOTE_SERVE_OFFER), 2u);
  EXPECT_EQ(rig->count(kRed, XK_NOTE_SERVE_ACK), 2u);
  EXPECT_EQ(status().revision, 2u) << "both leases are on stable storage";
  EXPECT_EQ(rig->imbalance(1), "");
  restart();
  EXPECT_EQ(status().leases, 2u);
  EXPECT_EQ(type_of(renew(2, Ip4{kFirst.value + 1})), MessageType::ack);
  EXPECT_EQ(type_of(renew(3, Ip4{kFirst.value + 1})), MessageType::nak) << "another's";
  EXPECT_EQ(acquire(3), Ip4{kFirst.value + 2});
}

TEST_F(NativePipeline, NothingIsAnsweredBeforeTheJournalIsRead) {
  rig->publish(native_snapshot(folder.path() + "/not-there"));
  ASSERT_TRUE(Rig::await([&] { return status().state == NativeState::broken; }));
  EXPECT_NE(status().error.find("not-there"), std::string::npos) << status().error;
  EXPECT_TRUE(discover_of(1).empty());
  EXPECT_EQ(rig->count(kRed, XK_SERVE_RECOVERING), 1u);
  EXPECT_EQ(rig->imbalance(1), "");
}

TEST_F(NativePipeline, ATornTailIsCutAndADamagedMiddleIsSaid) {
  begin();
  for (std::uint32_t client = 1; client <= 4; ++client) ASSERT_FALSE(acquire(client).is_zero());
  rig = std::make_unique<Rig>();
  const std::string path = folder.path() + "/" + journal_file_name(JournalFileKind::journal, 1);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 3);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(kJournalHeaderSize) + 20);
    file.put('\xff');
  }
  begin();
  EXPECT_EQ(status().leases, 2u) << "the first is damaged, the last torn";
  EXPECT_NE(status().error.find("damaged"), std::string::npos) << status().error;
  EXPECT_NE(status().error.find("journal-0000000000000001"), std::string::npos);
}

TEST_F(NativePipeline, AClientCannotWriteARecordIntoItsClientId) {
  JournalRecord forged;
  forged.revision = 2;
  forged.address = Ip4{kFirst.value + 40};
  forged.until_ms = kJournalForEver;
  std::string id(record_size(forged), '\0');
  ASSERT_EQ(encode_record(forged, {reinterpret_cast<std::uint8_t*>(id.data()), id.size()}), id.size());
  begin();
  const auto offer = ask(client_message(kRed, 1, MessageType::discover, {{61, id}}));
  ASSERT_EQ(type_of(offer), MessageType::offer);
  ASSERT_EQ(type_of(ask(
                client_message(kRed, 1, MessageType::request,
                               {{54, address_bytes(kUs)}, {50, address_bytes(yiaddr_of(offer))}, {61, id}}))),
            MessageType::ack);
  rig = std::make_unique<Rig>();
  {
    const std::string path = folder.path() + "/" + journal_file_name(JournalFileKind::journal, 1);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(kJournalHeaderSize) + 4);  // its length
    file.put('\xff');
  }
  begin();
  EXPECT_EQ(status().leases, 0u);
  EXPECT_EQ(status().revision, 0u);
}

TEST_F(NativePipeline, APoolChangesLive) {
  begin(11);
  EXPECT_EQ(acquire(1), kFirst);
  EXPECT_EQ(acquire(2), Ip4{kFirst.value + 1});
  EXPECT_TRUE(discover_of(3).empty());
  EXPECT_EQ(rig->count(kRed, XK_SERVE_EXHAUSTED), 1u);
  publish(native_snapshot(folder.path(), 12, 1, 2));
  EXPECT_EQ(acquire(3), Ip4{kFirst.value + 2});
  // The first address is excluded: its client keeps what it has, and gets no more than that.
  Snapshot less = native_snapshot(folder.path(), 12, 1, 3);
  less.natives[0].pools[0].ranges[0].first = Ip4{kFirst.value + 1};
  publish(less);
  EXPECT_EQ(type_of(renew(1, kFirst)), MessageType::ack);
  EXPECT_TRUE(discover_of(4).empty());
  EXPECT_EQ(rig->imbalance(1), "");
}

TEST_F(NativePipeline, AnEngineThatIsGivenUpCloses) {
  begin();
  ASSERT_EQ(acquire(1), kFirst);
  Snapshot without = native_snapshot(folder.path(), 99, 1, 2);
  without.natives.clear();
  rig->publish(without);
  const auto closed = rig->pipeline->native_statuses();
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].state, NativeState::closed);
  EXPECT_EQ(closed[0].revision, 1u);
  EXPECT_TRUE(rig->pipeline->native_statuses().empty()) << "said once";
  EXPECT_TRUE(discover_of(1).empty());
  EXPECT_EQ(rig->count(kRed, XK_VRF_NOT_SERVED), 1u);
  publish(native_snapshot(folder.path(), 99, 1, 3));
  EXPECT_EQ(type_of(renew(1, kFirst)), MessageType::ack);
}

TEST_F(NativePipeline, TheOperatorDeletesALease) {
  begin();
  ASSERT_EQ(acquire(1), kFirst);
  rig->pipeline->forget_lease(kRed, kFirst);
  ASSERT_TRUE(Rig::await([&] {
    rig->settle();
    return status().revision == 2;
  }));
  EXPECT_EQ(type_of(renew(1, kFirst)), MessageType::nak);
  restart();
  EXPECT_EQ(status().leases, 0u);
}

TEST_F(NativePipeline, AnAnswerWaitsForTheStore) {
  Snapshot snapshot = native_snapshot(folder.path());
  snapshot.natives[0].reply_after = ReplyAfter::store;
  publish(snapshot);
  ASSERT_EQ(type_of(discover_of(1)), MessageType::offer) << "offers promise nothing";
  ASSERT_TRUE(rig->clients->put(client_message(kRed, 1, MessageType::request,
                                               {{54, address_bytes(kUs)}, {50, address_bytes(kFirst)}})));
  ASSERT_TRUE(Rig::await([&] {
    rig->settle();
    return status().revision == 1;
  }));
  rig->settle();
  EXPECT_TRUE(rig->clients->take().empty()) << "durable here, but not in the store";
  rig->pipeline->note_stored(kRed, 1);
  rig->settle();
  EXPECT_EQ(type_of(rig->clients->take()), MessageType::ack);
  EXPECT_EQ(rig->imbalance(1), "");
}

TEST_F(NativeOnASmallDisk, StrictIsSilentUntilThereIsRoom) {
  serve(false);
  EXPECT_TRUE(acquire(210).is_zero());
  EXPECT_GT(rig->count(kRed, XK_SERVE_NOT_DURABLE), 0u);
  heal();
  EXPECT_FALSE(acquire(210).is_zero());
  EXPECT_EQ(rig->imbalance(1), "");
}

TEST_F(NativeOnASmallDisk, AvailableAnswersAndWritesWhenThereIsRoom) {
  serve(true);
  const Ip4 address = acquire(210);
  EXPECT_FALSE(address.is_zero());
  EXPECT_EQ(status().state, NativeState::failing);
  heal();
  rig = std::make_unique<Rig>();
  begin(250);
  EXPECT_EQ(type_of(renew(210, address)), MessageType::ack) << "nothing was lost";
}

TEST_F(NativePipeline, OtherHostsAreAskedBeforeAnAddressIsOffered) {
  Snapshot snapshot = native_snapshot(folder.path());
  snapshot.natives[0].probe = true;
  publish(snapshot);
  ASSERT_TRUE(rig->clients->put(client_message(kRed, 1, MessageType::discover, {})));
  rig->settle();
  const auto probe = rig->clients->take();
  ASSERT_EQ(probe.size(), 60u);
  const Bytes arp = Bytes(probe).subspan(18);
  EXPECT_TRUE(ByteReader(arp.subspan(14, 4)).ip4().is_zero()) << "RFC 5227 2.1.1: no sender address";
  EXPECT_EQ(ByteReader(arp.subspan(24, 4)).ip4(), kFirst);
  // The host that has it answers.
  std::vector<std::uint8_t> reply = probe;
  reply[18 + 7] = 2;
  const std::string sender = address_bytes(kFirst);
  std::copy(sender.begin(), sender.end(), reply.begin() + 18 + 14);
  std::fill_n(reply.begin() + 18 + 24, 4, std::uint8_t{0});
  std::swap_ranges(reply.begin(), reply.begin() + 6, reply.begin() + 6);
  ASSERT_TRUE(rig->clients->put(reply));
  std::vector<std::uint8_t> answer;
  ASSERT_TRUE(Rig::await([&] {
    rig->settle();
    answer = rig->clients->take();
    return !answer.empty() && answer.size() > 60;
  }));
  EXPECT_EQ(type_of(answer), MessageType::offer);
  EXPECT_EQ(yiaddr_of(answer), Ip4{kFirst.value + 1}) << "asked for, and nobody answered";
  EXPECT_EQ(rig->count(kRed, XK_NOTE_SERVE_CONFLICT), 1u);
  EXPECT_EQ(rig->count(kRed, XK_PROBE_HEARD), 1u);
  EXPECT_EQ(rig->imbalance(1), "");
  restart();
  EXPECT_EQ(status().declined, 1u) << "the conflict is in the journal";
}

// What cannot be recorded leaves no trace: not in the journal either, in which the last record says up to
// where answers may go.
TEST_F(NativePipeline, MoreAnswersThanMayWaitAreDroppedAndTheOthersGo) {
  Snapshot snapshot = native_snapshot(folder.path());
  snapshot.vrfs[0].subnets[0].prefix = Prefix4{Ip4{0x0a000000}, 16};
  snapshot.natives[0].pools[0].ranges[0].last = Ip4{0x0a00ff00};
  snapshot.natives[0].reply_after = ReplyAfter::store;
  publish(snapshot);
  const auto full = [&] { return rig->count(kRed, XK_SERVE_JOURNAL_FULL); };
  std::uint32_t client = 0;
  while (full() < 10 && client < 60'000) {
    for (int i = 0; i < 10; ++i) {
      const Ip4 address{kFirst.value + client};
      ASSERT_TRUE(rig->clients->put(client_message(
          kRed, ++client, MessageType::request, {{54, address_bytes(kUs)}, {50, address_bytes(address)}})));
    }
    rig->settle();
  }
  ASSERT_GE(full(), 10u);
  const std::uint64_t waiting = client - full();
  ASSERT_TRUE(Rig::await([&] { return status().revision == waiting; })) << status().revision;
  rig->pipeline->note_stored(kRed, waiting);
  std::uint64_t acks = 0;
  ASSERT_TRUE(Rig::await([&] {
    rig->settle();
    for (auto frame = rig->clients->take(); !frame.empty(); frame = rig->clients->take())
      acks += type_of(frame) == MessageType::ack ? 1 : 0;
    return acks == waiting;
  })) << acks;
  EXPECT_EQ(rig->imbalance(1), "");
  restart();
  EXPECT_EQ(status().leases, waiting);
}

TEST_F(NativePipeline, AnswersWaitForAFullPort) {
  constexpr std::uint32_t kClients = 2000;
  constexpr std::uint32_t kDepth = 100;
  rig = std::make_unique<Rig>(std::vector<LoopPlacement>{}, 16384u, 8192u, kDepth);
  Snapshot snapshot = native_snapshot(folder.path());
  snapshot.vrfs[0].subnets[0].prefix = Prefix4{Ip4{0x0a000000}, 16};
  snapshot.natives[0].pools[0].ranges[0].last = Ip4{0x0a00ff00};
  snapshot.natives[0].reply_after = ReplyAfter::store;
  publish(snapshot);
  select_all(kClients);
  ASSERT_TRUE(Rig::await([&] { return status().revision == kClients; })) << status().revision;
  rig->pipeline->note_stored(kRed, kClients);
  std::vector<bool> has(kClients);
  std::uint32_t acks = 0;
  ASSERT_TRUE(Rig::await([&] {
    static_cast<void>(rig->pipeline->iterate());  // once: what is sent is taken before it is long in the way
    EXPECT_LE(rig->clients->sent(), kDepth);
    for (auto frame = rig->clients->take(); !frame.empty(); frame = rig->clients->take()) {
      EXPECT_EQ(type_of(frame), MessageType::ack);
      const std::uint32_t client = yiaddr_of(frame).value - kFirst.value;
      EXPECT_FALSE(has.at(client)) << client;
      has[client] = true;
      ++acks;
    }
    return acks == kClients;
  })) << acks;
  EXPECT_EQ(drops(), 0u);
  EXPECT_EQ(rig->imbalance(1), "");
}

TEST_F(NativePipeline, AnswersForAPortThatTakesNothingAreNamed) {
  rig = std::make_unique<Rig>(std::vector<LoopPlacement>{}, 16384u, 8192u, 2u);
  Snapshot snapshot = native_snapshot(folder.path());
  snapshot.natives[0].reply_after = ReplyAfter::store;
  publish(snapshot);
  select_all(5);
  rig->pipeline->note_stored(kRed, 5);
  ASSERT_TRUE(Rig::await([&] {
    rig->settle();
    return rig->count(kRed, XK_TX_QUEUE_FULL) == 3;
  }));
  EXPECT_EQ(rig->clients->sent(), 2u);
  EXPECT_EQ(rig->imbalance(1), "");
}

TEST_F(NativePipeline, AnswersOfAPortThatIsGoneAreNamed) {
  Snapshot snapshot = native_snapshot(folder.path());
  snapshot.natives[0].reply_after = ReplyAfter::store;
  publish(snapshot);
  select_all(3);
  rig->clients->unplug();
  rig->pipeline->note_stored(kRed, 3);
  ASSERT_TRUE(Rig::await([&] {
    rig->settle();
    return rig->count(kRed, XK_TX_PORT_GONE) == 3;
  }));
  EXPECT_EQ(rig->imbalance(1), "");
}

TEST_F(NativePipeline, ManyJournalsBecomeASnapshot) {
  for (int start = 0; start < 12; ++start) {
    restart();
    ASSERT_FALSE(acquire(static_cast<std::uint32_t>(start + 1)).is_zero());
    rig->pipeline->note_stored(kRed, 100);
  }
  // Whoever makes it lets everybody else go first.
  static_cast<void>(Rig::await([&] { return folder.names().size() <= 3; }));
  ASSERT_TRUE(Rig::await([&] {
    rig->settle();
    const auto names = folder.names();
    return std::ranges::count_if(names, [](const auto& name) { return name.starts_with("snapshot-"); }) ==
               1 &&
           names.size() <= 3;
  })) << testing::PrintToString(folder.names());
  restart();
  EXPECT_EQ(status().leases, 12u);
}

TEST_F(NativePipeline, ThreadsServeManyClients) {
  rig = std::make_unique<Rig>();
  Snapshot snapshot = native_snapshot(folder.path(), 250);
  rig->publish(snapshot);
  ASSERT_TRUE(rig->pipeline->start().has_value());
  ASSERT_TRUE(Rig::await([&] { return status().state == NativeState::serving; }));
  for (std::uint32_t client = 1; client <= 200; ++client)
    ASSERT_TRUE(rig->clients->put(client_message(kRed, client, MessageType::discover, {})));
  std::uint32_t acks = 0;
  ASSERT_TRUE(Rig::await([&] {
    for (auto frame = rig->clients->take(); !frame.empty(); frame = rig->clients->take()) {
      if (type_of(frame) == MessageType::ack) ++acks;
      if (type_of(frame) != MessageType::offer) continue;
      const auto xid = ByteReader(Bytes(frame).subspan(kMessageAt + dhcp4::kXid)).u32();
      (void)rig->clients->put(
          client_message(kRed, xid, MessageType::request,
                         {{54, address_bytes(kUs)}, {50, address_bytes(yiaddr_of(frame))}}));
    }
    return acks == 200;
  }));
  EXPECT_TRUE(Rig::await([&] { return status().revision == 200; }));
  rig->pipeline->stop();
  EXPECT_EQ(rig->imbalance(1), "");
}

}  // namespace
}  // namespace xk
