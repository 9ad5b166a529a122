// Leases in the store: what is said between Kea's hook and the gate, how a lease is kept, Kea's file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "controlplane/kea/hook/gate_client.h"
#include "controlplane/leases/gate.h"
#include "controlplane/leases/kea_file.h"
#include "controlplane/leases/queue_entries.h"
#include "controlplane/leases/relay_info.h"

namespace xk::leases {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

Bytes bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// The body of the only frame in the text.
std::string body_of(const std::string& frame) { return frame.substr(5); }

LeaseChange sample(std::uint32_t address = 0x0a000064) {
  LeaseChange lease;
  lease.address = Ip4{address};
  lease.subnet_id = 7;
  lease.cltt_unix_s = 1'700'000'000;
  lease.valid_lifetime_s = 3600;
  lease.fqdn_reverse = true;
  lease.hardware_address = std::string("\x02\0\0\0\0\x01", 6);
  lease.client_id = std::string("\x01\xff\0", 3);
  lease.hostname = "a,\"b\\\n\xe4";
  lease.user_context = R"({ "ISC": { "relay-agent-info": "0x010565746831300202ff2c" } })";
  return lease;
}

VrfFacts facts() {
  VrfFacts facts;
  facts.name = "red";
  facts.subnets[7] = *parse_prefix4("10.0.0.0/24");
  facts.attachments.add("eth10", "eth1 100");
  return facts;
}

TEST(GateWire, WhatIsWrittenIsRead) {
  const Changes changes{.number = 0x1122334455667788, .leases = {sample(), sample(0x0a0000c8)}};
  const auto read = parse_changes(bytes_of(body_of(changes_frame(changes))));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read, changes);
  EXPECT_EQ(parse_durable(bytes_of(body_of(durable_frame(42)))), 42u);
  EXPECT_EQ(parse_welcome(bytes_of(body_of(welcome_frame()))), kWireVersion);
  EXPECT_EQ(parse_hello(bytes_of(body_of(hello_frame({.pid = 4711}))))->pid, 4711u);
  const Figures figures{.withheld = 1, .queued = 2, .queue_bytes = 3};
  EXPECT_EQ(parse_figures(bytes_of(body_of(figures_frame(figures)))), figures);
}

TEST(GateWire, AFramesNumberCanBeReplaced) {
  std::string frame = changes_frame({.number = 1, .leases = {sample()}});
  set_number(frame, 0xfedcba9876543210);
  EXPECT_EQ(parse_changes(bytes_of(body_of(frame)))->number, 0xfedcba9876543210);
}

TEST(GateWire, EveryCutIsAnError) {
  const std::string body = body_of(changes_frame({.number = 1, .leases = {sample()}}));
  for (std::size_t length = 0; length < body.size(); ++length)
    EXPECT_FALSE(parse_changes(bytes_of(body.substr(0, length)))) << length;
  EXPECT_FALSE(parse_changes(bytes_of(body + "x")));
}

TEST(GateWire, ValuesOutOfBoundsAreErrors) {
  const std::string good = body_of(changes_frame({.number = 1, .leases = {sample()}}));
  const auto with = [&](std::size_t at, char value) {
    std::string body = good;
    body[at] = value;
    return parse_changes(bytes_of(body)).has_value();
  };
  EXPECT_TRUE(with(10, 1));   // flags
  EXPECT_FALSE(with(10, 8));  // none that is known
  EXPECT_TRUE(with(11, kCauses - 1));
  EXPECT_FALSE(with(11, kCauses));
  EXPECT_TRUE(with(12, 2));
  EXPECT_FALSE(with(12, 3));
  EXPECT_FALSE(with(22, '\x80'));  // a time below zero
  LeaseChange nowhere = sample();
  nowhere.address = {};
  EXPECT_FALSE(parse_changes(bytes_of(body_of(changes_frame({.number = 1, .leases = {nowhere}})))));
  const std::vector<LeaseChange> many(kChangesMax + 1, sample());
  EXPECT_FALSE(parse_changes(bytes_of(body_of(changes_frame({.number = 1, .leases = many})))));
}

TEST(GateWire, AStreamIsCutIntoFrames) {
  const std::string stream = hello_frame({.pid = 1}) + durable_frame(2) + durable_frame(3);
  FrameReader reader;
  std::vector<FrameKind> kinds;
  for (const char c : stream) {
    reader.add(bytes_of(std::string(1, c)));
    for (;;) {
      const auto frame = reader.next();
      ASSERT_TRUE(frame.has_value());
      if (!*frame) break;
      kinds.push_back((*frame)->kind);
    }
  }
  EXPECT_THAT(kinds, testing::ElementsAre(FrameKind::hello, FrameKind::durable, FrameKind::durable));
  EXPECT_EQ(reader.left(), 0u);
  FrameReader bad;
  bad.add(bytes_of(std::string("\0\0\0\0\1", 5)));
  EXPECT_FALSE(bad.next());
  FrameReader unknown;
  unknown.add(bytes_of(std::string("\0\0\0\1\x09", 5)));
  EXPECT_FALSE(unknown.next());
}

TEST(LeaseRecord, ComesBackAsItWas) {
  const Record record = record_of(sample(), facts());
  EXPECT_EQ(record.attachment, "eth1 100");
  EXPECT_EQ(record.circuit_id, "eth10");
  EXPECT_EQ(record.remote_id, "\xff,");
  const std::string json = to_json(record);
  EXPECT_THAT(json, HasSubstr(R"("mac":"02:00:00:00:00:01")"));
  EXPECT_THAT(json, HasSubstr(R"("expires":1700003600)"));
  EXPECT_EQ(json.find('\n'), json.npos);
  RecordReader reader;
  const auto read = reader.read(json);
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read, record);
}

TEST(LeaseRecord, WhatIsNoLeaseIsNamed) {
  RecordReader reader;
  const auto wrong = [&](std::string_view json) {
    const auto read = reader.read(json);
    return read ? std::string("read") : read.error().message;
  };
  EXPECT_THAT(wrong("{"), HasSubstr("no JSON object"));
  EXPECT_THAT(wrong("[]"), HasSubstr("no JSON object"));
  EXPECT_THAT(wrong("{}"), HasSubstr("'v'"));
  EXPECT_THAT(wrong(R"({"v":2})"), HasSubstr("'v'"));
  EXPECT_THAT(wrong(R"({"v":1,"address":"10.0.0.1"})"), HasSubstr("'vrf'"));
  EXPECT_THAT(wrong(R"({"v":1,"vrf":"a","address":"10.0.0"})"), HasSubstr("'address'"));
  EXPECT_THAT(wrong(R"({"v":1,"vrf":"a","address":"10.0.0.1","mac":"0g"})"), HasSubstr("'mac'"));
  EXPECT_THAT(wrong(R"({"v":1,"vrf":"a","address":"10.0.0.1","lifetime":-1})"), HasSubstr("'lifetime'"));
  EXPECT_THAT(wrong(R"({"v":1,"vrf":"a","address":"10.0.0.1","hostname":"€"})"), HasSubstr("'hostname'"));
  EXPECT_EQ(wrong(R"({"v":1,"vrf":"a","address":"10.0.0.1","new":{"x":[1]}})"), "read");
}

TEST(LeaseRecord, KeysAreInTheOrderOfAddresses) {
  EXPECT_EQ(lease_key("red", Ip4{0x0a000001}), "/xdp-kea/v1/lease/red/0a000001");
  EXPECT_LT(lease_key("red", Ip4{0x0a0000ff}), lease_key("red", Ip4{0x0a000100}));
  const auto name = parse_lease_key("/xdp-kea/v1/lease/red/0a000001");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->vrf, "red");
  EXPECT_EQ(name->address, Ip4{0x0a000001});
  for (const char* key : {"", "/xdp-kea/v1/lease/red/0a00001", "/xdp-kea/v1/lease//0a000001",
                          "/xdp-kea/v1/lease/red/0A000001", "/xdp-kea/v1/static/red/0a000001"})
    EXPECT_FALSE(parse_lease_key(key)) << key;
}

TEST(RelayInfo, BothShapesOfKea) {
  EXPECT_EQ(relay_info_of(R"({"ISC":{"relay-agent-info":{"sub-options":"0x01026162"}}})").circuit_id, "ab");
  EXPECT_EQ(relay_info_of(R"({"ISC":{"relay-agent-info":"0x01026162"}})").circuit_id, "ab");
  EXPECT_THAT(relay_info_of(R"({"ISC":{"relay-agent-info":"0x0109"}})").circuit_id, IsEmpty());
  EXPECT_THAT(relay_info_of("{}").circuit_id, IsEmpty());
}

TEST(KeaFile, ALineComesBackAsItWas) {
  const LeaseChange lease = sample();
  const std::string line = lease_line(record_of(lease, facts()), 7);
  ASSERT_TRUE(line.ends_with('\n'));
  EXPECT_EQ(std::ranges::count(line, ','), 10);
  const auto read = parse_lease_line(std::string_view(line).substr(0, line.size() - 1));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read, lease);
}

TEST(KeaFile, BadLinesAreNamed) {
  const std::string good = "10.0.0.1,02:00:00:00:00:01,,3600,1700003600,1,0,0,host,0,";
  EXPECT_TRUE(parse_lease_line(good));
  EXPECT_TRUE(parse_lease_line(good + ",0"));  // Kea 2.6: pool_id
  for (const auto& [from, to, what] :
       std::initializer_list<std::tuple<const char*, const char*, const char*>>{
           {"10.0.0.1", "10.0.0", "address"},
           {"02:00", "0x:00", "hwaddr"},
           {"3600,17", "x,17", "valid_lifetime"},
           {"1700003600", "12", "expire"},
           {",1,0,0", ",-1,0,0", "subnet_id"},
           {"host,0", "host,3", "state"},
           {",host", "", "columns"}}) {
    std::string line = good;
    line.replace(line.find(from), std::string_view(from).size(), to);
    const auto read = parse_lease_line(line);
    ASSERT_FALSE(read) << line;
    EXPECT_THAT(read.error().message, HasSubstr(what));
  }
}

// ---- with a real store ------------------------------------------------------------------------------

class WithStore : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/dev/shm/xktgleases.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    directory_ = pattern;
    std::filesystem::create_directory(kea());
    auto store = store::open_embedded({.directory = directory_ + "/store"});
    ASSERT_TRUE(store.has_value()) << store.error().error.message;
    store_ = std::move(*store);
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  [[nodiscard]] std::string kea() const { return directory_ + "/kea"; }
  [[nodiscard]] RestoreJob job() const {
    return {.facts = facts(), .directory = kea(), .uid = ::getuid(), .gid = ::getgid()};
  }
  [[nodiscard]] std::string file(const char* name) const {
    std::ifstream in(kea() + "/" + name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const char* name, const std::string& text) const { std::ofstream(kea() + "/" + name) << text; }
  void put(const LeaseChange& lease) {
    ASSERT_TRUE(
        store_->commit_and_wait({.when = {}, .then = {operation_of(lease, facts())}, .otherwise = {}}));
  }
  [[nodiscard]] std::vector<store::KeyValue> stored() {
    const std::string prefix = lease_prefix("red");
    return store_->range({.from = prefix, .to = store::end_of_prefix(prefix)})->items;
  }
  static constexpr std::int64_t kNow = 1'700'000'100;

  std::string directory_;
  std::unique_ptr<store::Store> store_;
};

TEST_F(WithStore, KeasFileIsMadeOfTheStore) {
  ASSERT_TRUE(restore_kea(*store_, job(), kNow));
  put(sample());
  LeaseChange outside = sample(0x0b000001);
  put(outside);
  LeaseChange over = sample(0x0a000065);
  over.cltt_unix_s = kNow - over.valid_lifetime_s;
  put(over);
  store::Operation bad;
  bad.key = lease_key("red", Ip4{0x0a000066});
  bad.value = "{";
  ASSERT_TRUE(store_->commit_and_wait({.when = {}, .then = {bad}, .otherwise = {}}));
  write(kLeaseFileName, "what Kea had in its file\n");
  write("kea-leases4.csv.2", "older\n");

  const auto restored = restore_kea(*store_, job(), kNow);
  ASSERT_TRUE(restored.has_value()) << restored.error().message;
  EXPECT_EQ(restored->leases, 3u);
  EXPECT_EQ(restored->outside, 1u);
  EXPECT_EQ(restored->expired, 1u);
  EXPECT_EQ(restored->bad, 1u);
  EXPECT_THAT(restored->first_bad, HasSubstr("0a000066"));
  EXPECT_EQ(file(kLeaseFileName),
            std::string(kLeaseFileHeader) + lease_line(record_of(sample(), facts()), 7) +
                lease_line(record_of(over, facts()), 7) + lease_line(record_of(outside, facts()), 7));
  EXPECT_FALSE(std::filesystem::exists(kea() + "/kea-leases4.csv.2"));
  EXPECT_EQ(stored().size(), 4u);  // nothing was dropped
}

TEST_F(WithStore, AFileThatTheStoreHasNeverSeenIsTakenOver) {
  const std::string header(kLeaseFileHeader);
  const std::string lease = lease_line(record_of(sample(), facts()), 7);
  write("kea-leases4.csv.2", header + lease_line(record_of(sample(0x0a0000c8), facts()), 7));
  write(kLeaseFileName, header + lease + lease_line(record_of(sample(0x0a0000c9), facts()), 7) +
                            "10.0.0.201,02:00:00:00:00:01,,0,1700000000,7,0,0,,0,\n" + "10.0.0.99,cut o");
  const auto restored = restore_kea(*store_, job(), kNow);
  ASSERT_TRUE(restored.has_value()) << restored.error().message;
  EXPECT_EQ(restored->imported, 4u);
  EXPECT_EQ(restored->leases, 2u);
  EXPECT_EQ(stored().size(), 2u);
  // From now on the store counts, until Kea runs without it.
  write(kLeaseFileName, header);
  EXPECT_EQ(restore_kea(*store_, job(), kNow)->leases, 2u);
  ASSERT_TRUE(forget_restored(*store_, "red"));
  write(kLeaseFileName, header + lease);
  EXPECT_EQ(restore_kea(*store_, job(), kNow)->imported, 1u);
  EXPECT_EQ(stored().size(), 1u);
}

TEST_F(WithStore, WhatWaitsInTheQueueGoesIntoTheStoreFirst) {
  const std::string whole = queue_entry(changes_frame({.number = 1, .leases = {sample()}}));
  write(kQueueFileName, whole + whole.substr(0, whole.size() / 2));
  const auto restored = restore_kea(*store_, job(), kNow);
  ASSERT_TRUE(restored.has_value()) << restored.error().message;
  EXPECT_EQ(restored->queued, 1u);
  EXPECT_EQ(restored->leases, 1u);
  EXPECT_FALSE(std::filesystem::exists(kea() + "/" + kQueueFileName));
  EXPECT_FALSE(restored->queue_damaged);
  EXPECT_THAT(restored->queue_trouble, HasSubstr("not written to its end"));
}

TEST_F(WithStore, AQueueThatIsDamagedIsTakenAsFarAsItGoesAndKept) {
  const auto entry = [](std::uint32_t address) {
    return queue_entry(changes_frame({.number = 1, .leases = {sample(address)}}));
  };
  std::string queue = entry(0x0a000064) + entry(0x0a000065) + entry(0x0a000066);
  queue[queue.size() / 2] ^= 1;
  write(kQueueFileName, queue);
  write("lease-queue.damaged-1", "an earlier one");
  const auto restored = restore_kea(*store_, job(), kNow);
  ASSERT_TRUE(restored.has_value()) << restored.error().message;
  EXPECT_EQ(restored->queued, 2u);
  EXPECT_EQ(stored().size(), 2u);
  EXPECT_TRUE(restored->queue_damaged);
  EXPECT_THAT(restored->queue_trouble, HasSubstr(kea() + "/lease-queue is damaged at byte"));
  EXPECT_THAT(restored->queue_trouble, HasSubstr("2 leases of it were taken"));
  EXPECT_THAT(restored->queue_trouble, HasSubstr("lease-queue.damaged-2"));
  EXPECT_FALSE(std::filesystem::exists(kea() + "/" + kQueueFileName));
  EXPECT_EQ(file("lease-queue.damaged-2"), queue);
  EXPECT_EQ(file("lease-queue.damaged-1"), "an earlier one");
}

TEST_F(WithStore, AUserContextThatKeaDoesNotReadIsLeftOutAndTheLeaseIsNot) {
  ASSERT_TRUE(restore_kea(*store_, job(), kNow));
  LeaseChange bad = sample();
  bad.user_context = "{ no JSON";
  put(bad);
  put(sample(0x0a000065));
  const auto restored = restore_kea(*store_, job(), kNow);
  ASSERT_TRUE(restored.has_value()) << restored.error().message;
  EXPECT_EQ(restored->leases, 2u);
  EXPECT_EQ(restored->bad_contexts, 1u);
  EXPECT_EQ(restored->first_bad_context, "10.0.0.100");
  LeaseChange without = bad;
  without.user_context.clear();
  EXPECT_EQ(file(kLeaseFileName), std::string(kLeaseFileHeader) + lease_line(record_of(without, facts()), 7) +
                                      lease_line(record_of(sample(0x0a000065), facts()), 7));
  EXPECT_EQ(change_of(record_of(bad, facts()), facts()).user_context, "");
  EXPECT_EQ(change_of(record_of(sample(), facts()), facts()).user_context, sample().user_context);
}

// ---- hook and gate ----------------------------------------------------------------------------------

class Gated : public WithStore {
 protected:
  void open_gate() {
    gate_ = std::make_unique<Gate>(*store_, "/xdp-kea/v1/gate/test", [](bool, const std::string&) {});
    ASSERT_TRUE(gate_->open(VrfId{1}, facts(), socket(), ::getuid(), ::getgid()));
  }
  [[nodiscard]] std::string socket() const { return directory_ + "/gate.sock"; }
  [[nodiscard]] std::string queue() const { return kea() + "/" + kQueueFileName; }
  std::unique_ptr<hook::GateClient> client(
      hook::Durability durability, std::chrono::milliseconds strict_wait = std::chrono::seconds(20),
      std::chrono::milliseconds gather = std::chrono::milliseconds(2),
      std::chrono::milliseconds gather_busy = std::chrono::milliseconds(8)) {
    hook::GateOptions options;
    options.socket = socket();
    options.queue_file = queue();
    options.durability = durability;
    options.strict_wait = strict_wait;
    options.gather = gather;
    options.gather_busy = gather_busy;
    auto started = hook::GateClient::start(std::move(options));
    EXPECT_TRUE(started.has_value());
    return std::move(*started);
  }
  static std::future<bool> submit(hook::GateClient& client, const LeaseChange& lease) {
    auto done = std::make_shared<std::promise<bool>>();
    auto future = done->get_future();
    client.submit({lease}, [done](bool durable) { done->set_value(durable); });
    return future;
  }
  std::unique_ptr<Gate> gate_;
};

TEST_F(Gated, AnAckWaitsUntilTheStoreHasTheLease) {
  open_gate();
  const auto kea = client(hook::Durability::strict);
  std::vector<std::future<bool>> acks;
  for (std::uint32_t i = 0; i < 500; ++i) acks.push_back(submit(*kea, sample(0x0a000000 + 1 + i)));
  for (auto& ack : acks) EXPECT_TRUE(ack.get());
  EXPECT_EQ(stored().size(), 500u);
  const auto status = gate_->status();
  ASSERT_EQ(status.size(), 1u);
  EXPECT_TRUE(status[0].connected);
  EXPECT_EQ(status[0].changes, 500u);
  LeaseChange gone = sample(0x0a000001);
  gone.erased = true;
  EXPECT_TRUE(submit(*kea, gone).get());
  EXPECT_EQ(stored().size(), 499u);
}

// One that comes alone goes at once; those behind it gather, and go together.
TEST_F(Gated, ChangesThatComeCloseTogetherShareAWay) {
  open_gate();
  constexpr std::chrono::milliseconds kGather(300);
  const auto kea = client(hook::Durability::strict, std::chrono::seconds(20), kGather);
  EXPECT_TRUE(submit(*kea, sample(0x0a000001)).get());
  std::this_thread::sleep_for(kGather);  // until nothing gathers any more
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_TRUE(submit(*kea, sample(0x0a000002)).get());
  auto second = submit(*kea, sample(0x0a000003));
  auto third = submit(*kea, sample(0x0a000004));
  EXPECT_TRUE(second.get());
  EXPECT_GE(std::chrono::steady_clock::now() - begun, kGather);
  EXPECT_TRUE(third.get());
  EXPECT_EQ(stored().size(), 4u);
}

TEST_F(Gated, ChangesAreGatheredForLongerWhenManyCome) {
  open_gate();
  constexpr std::chrono::milliseconds kGather(100), kGatherBusy(300);
  const auto kea = client(hook::Durability::strict, std::chrono::seconds(20), kGather, kGatherBusy);
  EXPECT_TRUE(submit(*kea, sample(0x0a000001)).get());
  std::vector<std::future<bool>> many;
  for (std::uint32_t i = 2; i < 12; ++i) many.push_back(submit(*kea, sample(0x0a000000 + i)));
  for (auto& one : many) EXPECT_TRUE(one.get());
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_TRUE(submit(*kea, sample(0x0a000020)).get());
  EXPECT_GE(std::chrono::steady_clock::now() - begun, kGatherBusy - kGather);
  EXPECT_EQ(stored().size(), 12u);
}

TEST_F(Gated, StrictWaitsForAGateThatIsGone) {
  const auto kea = client(hook::Durability::strict);
  auto ack = submit(*kea, sample());
  EXPECT_EQ(ack.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  open_gate();
  EXPECT_TRUE(ack.get());
  EXPECT_EQ(stored().size(), 1u);
}

TEST_F(Gated, StrictWithholdsTheAckInTheEndAndKeepsTheChange) {
  const auto kea = client(hook::Durability::strict, std::chrono::milliseconds(20));
  EXPECT_FALSE(submit(*kea, sample()).get());
  open_gate();
  while (stored().empty()) usleep(1000);
  EXPECT_EQ(stored().size(), 1u);
  while (gate_->status().at(0).figures.withheld == 0) usleep(1000);
}

TEST_F(Gated, AvailableAnswersFromTheQueueOnDisk) {
  const auto kea = client(hook::Durability::available);
  EXPECT_TRUE(submit(*kea, sample(0x0a000001)).get());
  EXPECT_TRUE(submit(*kea, sample(0x0a000002)).get());
  EXPECT_GT(std::filesystem::file_size(queue()), 0u);
  EXPECT_THAT(stored(), IsEmpty());
  open_gate();
  while (stored().size() < 2 || std::filesystem::file_size(queue()) != 0) usleep(1000);
  EXPECT_TRUE(submit(*kea, sample(0x0a000003)).get());
  EXPECT_EQ(stored().size(), 3u);
  while (gate_->status().at(0).figures.queued != 2) usleep(1000);
}

TEST_F(Gated, TheQueueOutlivesTheProcess) {
  EXPECT_TRUE(submit(*client(hook::Durability::available), sample()).get());
  open_gate();
  const auto next = client(hook::Durability::strict);  // whatever it is now
  while (stored().empty() || std::filesystem::file_size(queue()) != 0) usleep(1000);
}

TEST_F(Gated, AGateThatComesBackGetsWhatWasNotDurable) {
  open_gate();
  const auto kea = client(hook::Durability::strict);
  EXPECT_TRUE(submit(*kea, sample(0x0a000001)).get());
  gate_.reset();
  auto ack = submit(*kea, sample(0x0a000002));
  open_gate();
  EXPECT_TRUE(ack.get());
  EXPECT_EQ(stored().size(), 2u);
}

TEST_F(Gated, NothingIsAnsweredBeforeAGateHasAskedForIt) {
  const auto kea = client(hook::Durability::strict);
  kea->wait_for_turn(std::chrono::milliseconds(20));
  EXPECT_FALSE(kea->may_answer());
  EXPECT_FALSE(kea->may_answer());
  open_gate();
  kea->wait_for_turn(std::chrono::seconds(20));
  EXPECT_TRUE(kea->may_answer());
  while (gate_->status().at(0).figures.withheld != 2) usleep(1000);
  gate_.reset();
  EXPECT_TRUE(
      kea->may_answer());  // its leases are right until the other appliance's turn, and then it is ended
}

TEST_F(Gated, AStrangerIsRefused) {
  gate_ = std::make_unique<Gate>(*store_, "/xdp-kea/v1/gate/test", [](bool, const std::string&) {});
  ASSERT_TRUE(gate_->open(VrfId{1}, facts(), socket(), ::getuid() + 1, ::getgid()));
  const auto kea = client(hook::Durability::available);
  while (gate_->status().at(0).trouble.empty()) usleep(1000);
  EXPECT_THAT(gate_->status().at(0).trouble, HasSubstr("was refused"));
  EXPECT_FALSE(gate_->status().at(0).connected);
}

}  // namespace
}  // namespace xk::leases
