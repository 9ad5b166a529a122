// Thousands of clients at random on the native engine: messages are lost, doubled and reordered, the engine
// is killed and starts anew from what of its journal was durable, other hosts sit on addresses, time leaps
// while it runs and while it does not.
// One seed is one run: XK_SEED repeats it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <queue>
#include <random>
#include <set>
#include <vector>

#include "tests/serve4/engine_host.h"
#include "tests/serve4/reply_view.h"

namespace xk::test {
namespace {

constexpr std::uint32_t kFirst = 0x0a000100;  // 10.0.1.0
constexpr std::uint32_t kAddresses = 1536;
constexpr std::uint32_t kClients = 2000;
constexpr std::uint64_t kRunMs = 600'000;
constexpr std::uint32_t kDelayMaxMs = 3000;  // of a message
constexpr AttachmentId kLan{1};
constexpr Ip4 kServer{0x0a000001};

constexpr const char* kConfiguration[] = {
    "port 1 name=port1 mac=02:00:00:00:01:01",
    "vrf 1 name=red engine=native",
    "subnet 1 10.0.0.0/20 lease=60 renew=30 rebind=52",
    "attachment 1 name=lan port=1 vrf=1 subnet=10.0.0.0/20 server_identifier=10.0.0.1 circuit_id=\"lan\"",
    // As many leases as there are addresses: a lease that is counted and gone would turn a client away.
    "native 1 offer_hold=5 grace=20 decline=50 attachment_leases=1536 circuit_leases=1536",
    "pool 10.0.0.0/20 10.0.1.0-10.0.6.255",
};

std::uint64_t seed_of_the_day() {
  const char* given = std::getenv("XK_SEED");
  const std::uint64_t seed = given == nullptr ? 0 : std::strtoull(given, nullptr, 0);
  return seed != 0 ? seed : std::random_device{}();
}

enum class ClientState : std::uint8_t { idle, selecting, requesting, rebooting, bound, renewing, rebinding };

struct Client {
  Mac mac{};
  bool has_id = false;
  ClientState state = ClientState::idle;
  Ip4 address{};               // that it has, or remembers
  bool holds = false;          // until until_ms
  std::uint64_t until_ms = 0;  // of its lease, as it counts
  std::uint64_t asked_ms = 0;  // its last REQUEST
  std::uint32_t xid = 0;
  std::uint32_t turn = 0;  // timers of earlier turns mean nothing
};

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), clients_(kClients) {
    NamedNative named;
    std::vector<std::string> lines(std::begin(kConfiguration), std::end(kConfiguration));
    lines.emplace_back(seed % 2 == 0 ? "native 1 allocate=lowest" : "native 1 allocate=hashed");
    for (const std::string& line : lines)
      if (const auto done = named.apply(line); !done) ADD_FAILURE() << done.error().message;
    host_ = std::make_unique<EngineHost>(named);
    EXPECT_EQ(host_->error(), "");
    for (std::uint32_t i = 0; i < kClients; ++i) {
      clients_[i].mac = Mac{{0x02, 0, 0, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}};
      clients_[i].has_id = i % 3 != 0;
      after(below(60'000), [this, i] { wake(i); });
    }
    for (int i = 0; i < 20; ++i) squatters_.insert(kFirst + below(kAddresses));
    tick();
    sync();
    after(below(40'000), [this] { crash(); });
    after(below(30'000), [this] { fill_up(); });
    after(below(90'000), [this] { sleep(); });
  }

  void run(std::uint64_t until_ms) {
    while (!events_.empty() && events_.top().at_ms <= until_ms && !testing::Test::HasFailure()) {
      const Event event = events_.top();
      events_.pop();
      now_ms_ = std::max(now_ms_, event.at_ms + leap_ms_);
      event.action();
    }
    now_ms_ = std::max(now_ms_, until_ms + leap_ms_);
  }

  // Nobody asks any more; what was leased, offered and declined comes back.
  void wind_down() {
    events_ = {};
    host_->set_room({});
    if (!up_) start_anew();
    for (int i = 0; i < 300; ++i) {
      now_ms_ += 1000;
      keep(host_->pass(now_ms_));
    }
    EXPECT_EQ(host_->leased(), 0u);
    EXPECT_EQ(host_->offered(), 0u);
    EXPECT_EQ(host_->declined(), 0u);
    make_durable();
    for (const auto& [address, record] : durable_)
      EXPECT_EQ(record.record.kind, RecordKind::free) << to_string(Ip4{address}) << " leaks";
  }

  // As many new clients as there are addresses: each gets one.
  void fill_again() {
    std::set<std::uint32_t> given;
    for (std::uint32_t i = 0; i < kAddresses; ++i) {
      Client client;
      client.mac = Mac{{0x06, 0, 0, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}};
      const Reaction offer = host_->receive(kLan, message(client, "discover").frame(), now_ms_);
      const auto view = view_reply(offer.frame);
      ASSERT_TRUE(view.has_value()) << "no offer for new client " << i << " of " << kAddresses;
      client.address = view->ip4(kYiaddrAt);
      Packet request = message(client, "request");
      select(request, client.address);
      const Reaction ack = host_->receive(kLan, request.frame(), now_ms_);
      ASSERT_FALSE(ack.frame.empty());
      given.insert(client.address.value);
    }
    EXPECT_EQ(given.size(), kAddresses);
  }

  [[nodiscard]] std::string figures() const {
    return std::to_string(acks_) + " ACKs, " + std::to_string(naks_) + " NAKs, " + std::to_string(declines_) +
           " declined, " + std::to_string(crashes_) + " crashes, " + std::to_string(leaps_) + " leaps, " +
           std::to_string(lost_records_) + " records lost with " + std::to_string(lost_replies_) +
           " replies unsent";
  }
  [[nodiscard]] std::uint64_t acks() const { return acks_; }

 private:
  struct Event {
    std::uint64_t at_ms = 0;
    std::uint64_t number = 0;
    std::function<void()> action;
    bool operator<(const Event& other) const {
      return std::tie(at_ms, number) > std::tie(other.at_ms, other.number);
    }
  };
  struct Waiting {
    std::uint64_t after_revision = 0;
    std::uint64_t promised_ms = 0;  // when the engine wrote it
    std::vector<std::uint8_t> frame;
  };

  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
  bool chance(std::uint32_t percent) { return below(100) < percent; }
  void after(std::uint64_t ms, std::function<void()> action) {
    events_.push({now_ms_ - leap_ms_ + ms, ++event_number_, std::move(action)});
  }

  // ---- the network ----

  // Lost, doubled, late.
  void carry(std::vector<std::uint8_t> frame,
             const std::function<void(const std::vector<std::uint8_t>&)>& to) {
    for (int copies = chance(5) ? 0 : chance(4) ? 2 : 1; copies > 0; --copies)
      after(1 + below(chance(5) ? kDelayMaxMs : 40), [frame, to] { to(frame); });
  }

  void to_server(const Packet& packet) {
    carry(packet.frame(), [this](const auto& frame) {
      if (!up_) return;
      host_->set_room({.record = now_ms_ >= full_until_ms_});
      const Reaction reaction = host_->receive(kLan, frame, now_ms_);
      if (now_ms_ < full_until_ms_) {
        EXPECT_TRUE(reaction.records.empty());
      }
      keep(reaction);
      if (reaction.frame.empty()) return;
      waiting_.push_back({reaction.after_revision, now_ms_, reaction.frame});
      let_go();
    });
  }

  // ---- the server's journal ----

  void keep(const Reaction& reaction) {
    for (const StoredRecord& record : reaction.records) {
      ASSERT_EQ(record.record.revision, revision_ + 1) << "revisions go on one by one";
      revision_ = record.record.revision;
      journal_.push_back(record);
    }
  }

  void make_durable() {
    for (; durable_count_ < journal_.size(); ++durable_count_) {
      const StoredRecord& record = journal_[durable_count_];
      durable_revision_ = record.record.revision;
      durable_.insert_or_assign(record.record.address.value, record);
    }
  }

  void sync() {
    make_durable();
    let_go();
    after(1 + below(30), [this] { sync(); });
  }

  void let_go() {
    for (std::size_t i = 0; i < waiting_.size();) {
      if (waiting_[i].after_revision > durable_revision_) {
        ++i;
        continue;
      }
      leave(waiting_[i]);
      waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  // A reply goes out. What an ACK promises is durable.
  void leave(const Waiting& reply) {
    const auto view = view_reply(reply.frame);
    ASSERT_TRUE(view.has_value()) << view.error();
    if (view->type() == message_type_named("ack")) {
      const Ip4 address = view->ip4(kYiaddrAt);
      const auto found = durable_.find(address.value);
      ASSERT_NE(found, durable_.end()) << "ACK of " << to_string(address) << " without a durable record";
      const JournalRecord& record = found->second.record;
      const std::uint64_t lease_ms = std::uint64_t{view->option(51) ? read_u32(*view->option(51)) : 0} * 1000;
      const bool same =
          record.kind == RecordKind::leased && std::ranges::equal(record.mac.bytes, chaddr_of(*view));
      // It may have been given back between the ACK's writing and its leaving.
      if (same || record.revision <= reply.after_revision) {
        EXPECT_TRUE(same) << "the durable record of " << to_string(address) << " is not the client's";
        EXPECT_GE(record.until_ms, kClockStartMs + reply.promised_ms + lease_ms) << to_string(address);
      }
    }
    carry(reply.frame, [this](const auto& frame) { hear(frame); });
  }

  static std::uint32_t read_u32(const std::vector<std::uint8_t>& bytes) {
    std::uint32_t number = 0;
    for (const std::uint8_t byte : bytes) number = number << 8 | byte;
    return number;
  }
  static Bytes chaddr_of(const ReplyView& view) { return Bytes(view.message).subspan(28, 6); }

  // The journal stands still for a while, and what is to be recorded has no room.
  void fill_up() {
    full_until_ms_ = now_ms_ + below(5000);
    after(5000 + below(30'000), [this] { fill_up(); });
  }

  void tick() {
    if (up_) keep(host_->pass(now_ms_));
    after(500, [this] { tick(); });
  }

  void start_anew() {
    up_ = true;
    host_->restart(journal_, now_ms_);
  }

  // What was not durable is gone, and with it the replies that waited for it.
  void crash() {
    ++crashes_;
    up_ = false;
    lost_records_ += journal_.size() - durable_count_;
    lost_replies_ += waiting_.size();
    journal_.resize(durable_count_, journal_.empty() ? StoredRecord(JournalRecord{}) : journal_.back());
    waiting_.clear();
    revision_ = durable_revision_;
    if (chance(50)) compact();
    if (chance(30)) leap(below(90'000));
    after(below(3000), [this] { start_anew(); });
    after(5000 + below(60'000), [this] { crash(); });
  }

  void sleep() {
    leap(below(90'000));
    after(below(120'000), [this] { sleep(); });
  }

  // The machine slept: the engine's clock goes on, and the clients' do.
  void leap(std::uint64_t ms) {
    ++leaps_;
    leap_ms_ += ms;
    now_ms_ += ms;
  }

  // A snapshot: the last record of each address. The revision goes on.
  void compact() {
    std::vector<StoredRecord> last;
    std::uint64_t newest = 0;
    for (const auto& [address, record] : durable_) newest = std::max(newest, record.record.revision);
    for (const auto& [address, record] : durable_)
      if (record.record.kind != RecordKind::free || record.record.revision == newest) last.push_back(record);
    journal_ = std::move(last);
    durable_count_ = journal_.size();
  }

  // What the journal has of an address, for whoever looks for a fault.
  [[nodiscard]] std::string history(Ip4 address) const {
    std::string text;
    for (const StoredRecord& stored : journal_) {
      const JournalRecord& record = stored.record;
      if (record.address != address) continue;
      text += "\n  revision " + std::to_string(record.revision) + " kind " +
              std::to_string(static_cast<int>(record.kind)) + " cause " +
              std::to_string(static_cast<int>(record.cause)) + " of " + to_string(record.mac) + " at " +
              std::to_string(record.start_ms - kClockStartMs) + " until " +
              std::to_string(record.until_ms - kClockStartMs);
    }
    return text;
  }

  // ---- clients ----

  static void select(Packet& request, Ip4 address) {
    for (const auto& [code, value] : {std::pair{50, address}, std::pair{54, kServer}}) {
      PacketOption option{static_cast<std::uint8_t>(code), {}};
      for (int shift = 24; shift >= 0; shift -= 8)
        option.value.push_back(static_cast<std::uint8_t>(value.value >> shift));
      request.options.push_back(std::move(option));
    }
  }

  Packet message(Client& client, const char* type) {
    Packet packet = *packet_named(type);
    packet.chaddr = packet.source_mac = client.mac;
    std::erase_if(packet.options, [](const PacketOption& option) { return option.code == std::uint8_t{61}; });
    if (client.has_id)
      packet.options.push_back({std::uint8_t{61}, {client.mac.bytes.begin(), client.mac.bytes.end()}});
    packet.xid = client.xid = below(1u << 31);
    return packet;
  }

  void wake(std::uint32_t index) {
    Client& client = clients_[index];
    if (client.state != ClientState::idle) return;
    if (!client.address.is_zero() && chance(50))
      reboot(index);
    else
      discover(index);
  }

  // Tries again when nothing was heard.
  void patience(std::uint32_t index, std::uint64_t ms, void (World::*again)(std::uint32_t)) {
    const std::uint32_t turn = ++clients_[index].turn;
    after(ms + below(1000), [this, index, turn, again] {
      if (clients_[index].turn == turn) (this->*again)(index);
    });
  }

  void discover(std::uint32_t index) {
    Client& client = clients_[index];
    client.state = ClientState::selecting;
    to_server(message(client, "discover"));
    patience(index, 3000, &World::discover);
  }

  void reboot(std::uint32_t index) {
    Client& client = clients_[index];
    client.state = ClientState::rebooting;
    Packet request = message(client, "request");
    select(request, client.address);
    request.options.pop_back();  // names no server
    client.asked_ms = now_ms_;
    to_server(request);
    patience(index, 2000, &World::discover);
  }

  void request(std::uint32_t index, Ip4 address) {
    Client& client = clients_[index];
    client.state = ClientState::requesting;
    Packet packet = message(client, "request");
    select(packet, address);
    client.asked_ms = now_ms_;
    to_server(packet);
    patience(index, 2000, &World::discover);
  }

  // RENEWING until T2, then REBINDING until the lease is over.
  void renew(std::uint32_t index) {
    Client& client = clients_[index];
    if (!client.holds) return;
    if (now_ms_ + 1000 >= client.until_ms) return lose(index);
    client.state = now_ms_ + 8000 < client.until_ms ? ClientState::renewing : ClientState::rebinding;
    Packet packet = message(client, "request");
    packet.ciaddr = packet.source = client.address;
    if (client.state == ClientState::renewing) packet.destination = kServer;
    client.asked_ms = now_ms_;
    to_server(packet);
    patience(index, 3000, &World::renew);
  }

  // The lease is over or given up: it remembers the address.
  void lose(std::uint32_t index) {
    Client& client = clients_[index];
    give_up(client);
    client.state = ClientState::idle;
    ++client.turn;
    // What it sent last has arrived by then, or never will: a RELEASE that came later would end its next
    // lease.
    after(kDelayMaxMs + below(20'000), [this, index] { wake(index); });
  }

  void give_up(Client& client) {
    // What it has slept over may be another's by now.
    const auto index = static_cast<std::uint32_t>(&client - clients_.data());
    if (const auto at = holders_.find(client.address.value); at != holders_.end() && at->second == index)
      holders_.erase(at);
    client.holds = false;
  }

  void hear(const std::vector<std::uint8_t>& frame) {
    const auto view = view_reply(frame);
    ASSERT_TRUE(view.has_value()) << view.error();
    const Bytes chaddr = chaddr_of(*view);
    const std::uint32_t index = static_cast<std::uint32_t>(chaddr[4]) << 8 | chaddr[5];
    Client& client = clients_[index];
    if (view->u32(4) != client.xid) return;
    const std::uint8_t type = view->type();
    if (type == message_type_named("offer") && client.state == ClientState::selecting)
      return request(index, view->ip4(kYiaddrAt));
    if (client.state == ClientState::idle || client.state == ClientState::selecting ||
        client.state == ClientState::bound)
      return;
    if (type == message_type_named("nak")) {
      ++naks_;
      give_up(client);
      client.address = Ip4{};
      return lose(index);
    }
    if (type == message_type_named("ack")) acknowledged(index, *view);
  }

  void acknowledged(std::uint32_t index, const ReplyView& view) {
    Client& client = clients_[index];
    const Ip4 address = view.ip4(kYiaddrAt);
    ++acks_;
    const std::uint64_t until_ms = client.asked_ms + std::uint64_t{read_u32(*view.option(51))} * 1000;
    if (until_ms <= now_ms_) return;  // it came too late to mean anything
    const auto holder = holders_.find(address.value);
    if (holder != holders_.end() && holder->second != index) {
      const Client& other = clients_[holder->second];
      ASSERT_LE(other.until_ms, now_ms_)
          << to_string(address) << " is client " << holder->second << "'s until " << other.until_ms
          << ", and client " << index << "'s at " << now_ms_ << history(address);
    }
    give_up(client);
    client.address = address;
    if (squatters_.contains(address.value)) return decline(index);
    client.holds = true;
    client.until_ms = until_ms;
    client.state = ClientState::bound;
    holders_[address.value] = index;
    const std::uint32_t turn = ++client.turn;
    after(25'000 + below(8000), [this, index, turn] {
      if (clients_[index].turn == turn) next_of_bound(index);
    });
  }

  void decline(std::uint32_t index) {
    Client& client = clients_[index];
    ++declines_;
    Packet packet = message(client, "decline");
    select(packet, client.address);
    to_server(packet);
    client.address = Ip4{};
    lose(index);
  }

  // T1 is over: most renew, some go.
  void next_of_bound(std::uint32_t index) {
    Client& client = clients_[index];
    if (chance(70)) return renew(index);
    if (chance(50)) {
      Packet packet = message(client, "release");
      packet.ciaddr = packet.source = client.address;
      packet.destination = kServer;
      select(packet, client.address);
      std::erase_if(packet.options,
                    [](const PacketOption& option) { return option.code == std::uint8_t{50}; });
      to_server(packet);
    }
    lose(index);
  }

  std::mt19937_64 random_;
  std::unique_ptr<EngineHost> host_;
  std::vector<Client> clients_;
  std::priority_queue<Event> events_;
  std::uint64_t event_number_ = 0;
  std::uint64_t now_ms_ = 0;   // of the world, the engine's clock with it
  std::uint64_t leap_ms_ = 0;  // by which it ran ahead of the events
  std::uint64_t full_until_ms_ = 0;
  bool up_ = true;
  std::vector<StoredRecord> journal_;
  std::size_t durable_count_ = 0;  // records of the journal
  std::uint64_t revision_ = 0, durable_revision_ = 0;
  std::map<std::uint32_t, StoredRecord> durable_;  // the last one of each address
  std::vector<Waiting> waiting_;
  std::map<std::uint32_t, std::uint32_t> holders_;  // by address: the client that has it
  std::set<std::uint32_t> squatters_;
  std::uint64_t acks_ = 0, naks_ = 0, declines_ = 0, crashes_ = 0, leaps_ = 0, lost_records_ = 0,
                lost_replies_ = 0;
};

TEST(Simulation, NoAddressForTwoNoPromiseUndurableNothingLeaks) {
  const std::uint64_t seed = seed_of_the_day();
  std::cout << "XK_SEED=" << seed << '\n';
  RecordProperty("seed", std::to_string(seed));
  World world(seed);
  world.run(kRunMs);
  EXPECT_GT(world.acks(), 1000u);
  if (!HasFailure()) world.wind_down();
  if (!HasFailure()) world.fill_again();
  std::cout << world.figures() << '\n';
  EXPECT_FALSE(HasFailure()) << "again with XK_SEED=" << seed;
}

// What a failing seed needs: it is the same run again, and another seed is another.
TEST(Simulation, ASeedIsOneRun) {
  const auto figures_of = [](std::uint64_t seed) {
    World world(seed);
    world.run(kRunMs / 5);
    return world.figures();
  };
  EXPECT_EQ(figures_of(7), figures_of(7));
  EXPECT_NE(figures_of(7), figures_of(8));
}

}  // namespace
}  // namespace xk::test
