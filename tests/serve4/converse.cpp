// Client conversations of many kinds with whatever server is at the other end of an interface, from a seed:
// the same for every server. Says of each step what came back, in words in which two servers can be compared:
// addresses are named by what they are to the client. A line a step: CONVERSATION KIND STEP TYPE FIELD=VALUE
// ...
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <random>

#include "bench/gen/mailbox.h"
#include "bench/gen/packet_socket.h"
#include "tests/serve4/reply_view.h"

namespace xk::test {
namespace {

// So long without an answer, and a request sent later has its ACK for a new lease: there is none. An ACK
// waits for the disk, which may take longer, but those behind it wait too; where none comes any more, the
// longer time counts.
constexpr std::uint64_t kSilenceNs = 400'000'000, kLongSilenceNs = 5'000'000'000;
constexpr std::size_t kWindow = 128;  // conversations at a time
constexpr Ip4 kServer{0x0a000001};
constexpr Ip4 kForeignServer{0xc0000201};

struct Talk {
  std::uint32_t number = 0;
  std::string kind;
  Mac mac{}, server_mac{};
  bool has_id = false;
  std::vector<std::uint8_t> wanted;  // parameter request list
  Ip4 address{};                     // the first it was offered or given
  std::size_t step = 0;
  std::uint32_t xid = 0;
  std::uint64_t asked_ns = 0;
  Packet sent;
};

void put_option(Packet& packet, std::uint8_t code, std::uint32_t number, int bytes = 4) {
  PacketOption option{code, {}};
  for (int i = bytes - 1; i >= 0; --i) option.value.push_back(static_cast<std::uint8_t>(number >> (8 * i)));
  packet.options.push_back(std::move(option));
}

// ---- messages ----

Packet message(const Talk& talk, const char* type) {
  Packet packet = *packet_named(type);
  packet.chaddr = packet.source_mac = talk.mac;
  std::erase_if(packet.options, [](const PacketOption& option) { return option.code == std::uint8_t{61}; });
  if (talk.has_id) {
    PacketOption id{std::uint8_t{61}, {0x00, 'i', 'd'}};
    id.value.insert(id.value.end(), talk.mac.bytes.begin(), talk.mac.bytes.end());
    packet.options.push_back(std::move(id));
  }
  if (!talk.wanted.empty()) packet.options.push_back({std::uint8_t{55}, talk.wanted});
  return packet;
}

Packet discover(const Talk& talk) { return message(talk, "discover"); }

Packet select(const Talk& talk, Ip4 address, Ip4 server) {
  Packet packet = message(talk, "request");
  put_option(packet, 50, address.value);
  put_option(packet, 54, server.value);
  return packet;
}

Packet having(const Talk& talk, Ip4 address, bool unicast) {
  Packet packet = message(talk, "request");
  packet.ciaddr = packet.source = address;
  if (unicast) {
    packet.destination = kServer;
    packet.destination_mac = talk.server_mac;
  }
  return packet;
}

Packet reboot(const Talk& talk, Ip4 address) {
  Packet packet = message(talk, "request");
  put_option(packet, 50, address.value);
  return packet;
}

Packet give_back(const Talk& talk, const char* type) {
  Packet packet = message(talk, type);
  put_option(packet, 54, kServer.value);
  if (std::strcmp(type, "decline") == 0) {
    put_option(packet, 50, talk.address.value);
    return packet;
  }
  packet.ciaddr = packet.source = talk.address;
  packet.destination = kServer;
  packet.destination_mac = talk.server_mac;
  return packet;
}

Packet inform(const Talk& talk, Ip4 address) {
  Packet packet = message(talk, "inform");
  packet.ciaddr = packet.source = address;
  return packet;
}

Packet with(Packet packet, std::initializer_list<const char*> statements) {
  for (const char* statement : statements)
    if (auto done = packet.apply(statement); !done)
      std::fprintf(stderr, "%s\n", done.error().message.c_str());
  return packet;
}

// ---- kinds ----

struct Step {
  const char* name;
  std::function<Packet(const Talk&)> packet;
  bool answered = true;  // or never, and nothing is waited for
};

Ip4 beside(const Talk& talk, std::uint32_t by) { return Ip4{talk.address.value + by}; }
// Of the pool, and of nobody: conversations do not get that far.
Ip4 free_address(const Talk& talk) { return Ip4{0x0a700000 + talk.number}; }

const std::map<std::string, std::vector<Step>>& kinds() {
  const Step offer{"discover", discover};
  const Step ack{"select", [](const Talk& t) { return select(t, t.address, kServer); }};
  const auto lease = [&](std::vector<Step> more) {
    more.insert(more.begin(), {offer, ack});
    return more;
  };
  const auto discovering = [](const char* statement) {
    return Step{"discover", [=](const Talk& t) { return with(discover(t), {statement}); }};
  };
  static const std::map<std::string, std::vector<Step>> kKinds = {
      {"lease", lease({})},
      {"lease_twice", lease({offer, ack})},
      {"renew", lease({{"renew", [](const Talk& t) { return having(t, t.address, true); }}})},
      {"rebind", lease({{"rebind", [](const Talk& t) { return having(t, t.address, false); }}})},
      {"reboot", lease({{"reboot", [](const Talk& t) { return reboot(t, t.address); }}})},
      {"reboot_wrong", lease({{"reboot", [](const Talk& t) { return reboot(t, free_address(t)); }}})},
      {"reboot_moved", lease({{"reboot", [](const Talk& t) { return reboot(t, Ip4{0xc0a80105}); }}})},
      {"reboot_unknown", {{"reboot", [](const Talk& t) { return reboot(t, free_address(t)); }}}},
      {"reboot_unknown_moved", {{"reboot", [](const Talk& t) { return reboot(t, Ip4{0xc0a80105}); }}}},
      {"renew_unknown", {{"renew", [](const Talk& t) { return having(t, free_address(t), false); }}}},
      {"renew_wrong", lease({{"renew", [](const Talk& t) { return having(t, free_address(t), true); }}})},
      {"release",
       lease({{"release", [](const Talk& t) { return give_back(t, "release"); }, false}, offer, ack})},
      {"decline", lease({{"decline", [](const Talk& t) { return give_back(t, "decline"); }, false}, offer})},
      {"inform", {{"inform", [](const Talk& t) { return inform(t, free_address(t)); }}}},
      {"inform_holder", lease({{"inform", [](const Talk& t) { return inform(t, t.address); }}})},
      {"other_server",
       {offer, {"select", [](const Talk& t) { return select(t, beside(t, 1), kForeignServer); }}, offer}},
      {"select_unoffered", {{"select", [](const Talk& t) { return select(t, free_address(t), kServer); }}}},
      {"select_wrong",
       {offer, {"select", [](const Talk& t) { return select(t, Ip4{0xc0a80105}, kServer); }}}},
      {"ask_free",
       {{"discover",
         [](const Talk& t) {
           Packet packet = discover(t);
           put_option(packet, 50, free_address(t).value);
           return packet;
         }},
        ack}},
      {"ask_outside",
       {{"discover",
         [](const Talk& t) {
           Packet packet = discover(t);
           put_option(packet, 50, 0x0a000003);
           return packet;
         }},
        ack}},
      {"longer", {discovering("option 51 00001900"), ack}},
      {"too_long", {discovering("option 51 00ffffff"), ack}},
      {"shorter", {discovering("option 51 0000003c"), ack}},
      {"broadcast", {discovering("flags 0x8000"), ack}},
      {"small_message", {discovering("option 57 0240"), ack}},
      {"list", {discovering("option 55 060f2a0301333a3b1c"), ack}},
      {"vendor", {discovering("option 60 \"MSFT 5.0\""), ack}},
      {"host_name", {discovering("option 12 \"desk-7\""), ack}},
      {"rapid_commit", {discovering("option 80"), ack}},
      {"bootp", {{"discover", [](const Talk& t) { return with(discover(t), {"remove 53"}); }}}},
      {"truncated_option", {discovering("raw 0cff61")}},
      {"no_end", {discovering("end no")}},
      {"bad_cookie", {discovering("cookie 01020304")}},
      {"bad_hlen", {discovering("hlen 16")}},
      {"bad_op", {discovering("op 2")}},
      {"bad_type",
       {{"discover", [](const Talk& t) { return with(discover(t), {"remove 53", "option 53 63"}); }}}},
      {"short_id",
       {{"discover", [](const Talk& t) { return with(discover(t), {"remove 61", "option 61 07"}); }}}},
  };
  return kKinds;
}

// ---- what came back ----

std::string name_of(const Talk& talk, Ip4 address) {
  if (address.is_zero()) return "none";
  if (address == kServer) return "server";
  if (address == Ip4::limited_broadcast()) return "broadcast";
  if (address == talk.address) return "own";
  if (address == free_address(talk)) return "asked";
  return "another";
}

std::string hex_of(const std::vector<std::uint8_t>& bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    char pair[3];
    std::snprintf(pair, sizeof pair, "%02x", byte);
    text += pair;
  }
  return text;
}

std::string describe(const Talk& talk, const ReplyView& reply) {
  std::string text = message_type_name(reply.type());
  const auto field = [&](const std::string& name, const std::string& value) {
    text += " " + name + "=" + value;
  };
  field("yiaddr", name_of(talk, reply.ip4(kYiaddrAt)));
  field("ciaddr", name_of(talk, reply.ip4(kCiaddrAt)));
  field("siaddr", name_of(talk, reply.ip4(kSiaddrAt)));
  field("to", name_of(talk, reply.destination));
  field("mac", reply.destination_mac == talk.mac           ? "own"
               : reply.destination_mac == Mac::broadcast() ? "all"
                                                           : "another");
  field("port", std::to_string(reply.destination_port));
  field("flags", std::to_string(reply.u16(10)));
  std::map<std::uint8_t, std::vector<std::uint8_t>> options;
  for (const ReplyPart& part : reply.parts) options[part.code] = *reply.option(part.code);
  for (const auto& [code, value] : options) {
    const PacketOption* own = nullptr;
    for (const PacketOption& option : talk.sent.options)
      if (option.code == code) own = &option;
    field("option" + std::to_string(code), code == 56 ? "text"
                                           : own != nullptr && own->value == value && code == 61
                                               ? "echo"
                                               : hex_of(value));
  }
  return text;
}

// ---- all of them ----

class Conversations {
 public:
  Conversations(const std::string& interface, std::uint32_t count, std::uint64_t seed, std::FILE* out)
      : mailbox_(gen::open_xdp(interface)), count_(count), random_(seed), out_(out) {
    for (const auto& [name, steps] : kinds()) names_.push_back(name);
  }

  void run() {
    while (begun_ < count_ || !talks_.empty()) {
      while (begun_ < count_ && talks_.size() < kWindow) begin();
      mailbox_->flush();
      const auto frames = mailbox_->receive();
      for (const Bytes frame : frames) hear(frame);
      give_up();
      if (frames.empty()) mailbox_->wait(2'000'000);
    }
  }

 private:
  void begin() {
    Talk talk;
    talk.number = begun_++;
    talk.kind = names_[random_() % names_.size()];
    const std::uint32_t n = talk.number;
    talk.mac = Mac{{0x02, 0xdf, static_cast<std::uint8_t>(n >> 24), static_cast<std::uint8_t>(n >> 16),
                    static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)}};
    talk.has_id = random_() % 2 == 0;
    if (random_() % 2 == 0) {
      static constexpr std::uint8_t kCodes[] = {1, 3, 6, 15, 42, 28, 51, 58, 59, 44, 119};
      for (const std::uint8_t code : kCodes)
        if (random_() % 2 == 0) talk.wanted.push_back(code);
      if (talk.kind == "list") talk.wanted.clear();
    }
    go_on(talks_.emplace(n, std::move(talk)).first->second);
  }

  // Sends the next message; one that is never answered has the next one behind it.
  void go_on(Talk& talk) {
    const auto& steps = kinds().at(talk.kind);
    for (; talk.step < steps.size(); ++talk.step) {
      talk.sent = steps[talk.step].packet(talk);
      talk.xid = talk.sent.xid = talk.number << 4 | static_cast<std::uint32_t>(talk.step);
      talk.asked_ns = gen::now_ns();
      mailbox_->send(talk.sent.frame());
      if (steps[talk.step].answered) {
        waiting_.push_back({talk.number, talk.asked_ns});
        return;
      }
    }
    talks_.erase(talk.number);
  }

  void say(const Talk& talk, const std::string& what) {
    std::fprintf(out_, "%u %s %zu.%s %s\n", talk.number, talk.kind.c_str(), talk.step,
                 kinds().at(talk.kind)[talk.step].name, what.c_str());
  }

  void hear(Bytes frame) {
    const auto reply = read_reply(frame);
    if (!reply || reply->op() != 2 || reply->source_port != 67) return;
    const auto found = talks_.find(reply->u32(4) >> 4);
    if (found == talks_.end() || found->second.xid != reply->u32(4)) return;
    Talk& talk = found->second;
    talk.server_mac = reply->source_mac;
    if (talk.address.is_zero()) talk.address = reply->ip4(kYiaddrAt);
    if (reply->type() == message_type_named("ack") && talk.step == 1)
      recorded_ns_ = std::max(recorded_ns_, talk.asked_ns);
    say(talk, describe(talk, *reply));
    ++talk.step;
    go_on(talk);
  }

  void give_up() {
    const std::uint64_t now = gen::now_ns();
    for (; !waiting_.empty() && waiting_.front().second + kSilenceNs < now; waiting_.pop_front()) {
      const auto found = talks_.find(waiting_.front().first);
      if (found == talks_.end() || found->second.asked_ns != waiting_.front().second) continue;
      if (recorded_ns_ <= found->second.asked_ns && found->second.asked_ns + kLongSilenceNs >= now) return;
      say(found->second, "silence");
      ++found->second.step;
      go_on(found->second);
    }
  }

  std::unique_ptr<gen::Mailbox> mailbox_;
  std::uint32_t count_;
  std::mt19937_64 random_;
  std::FILE* out_;
  std::vector<std::string> names_;
  std::uint32_t begun_ = 0;
  std::map<std::uint32_t, Talk> talks_;  // under way
  std::deque<std::pair<std::uint32_t, std::uint64_t>> waiting_;
  std::uint64_t recorded_ns_ = 0;  // when the newest request was sent that made a lease and has its DHCPACK
};

}  // namespace
}  // namespace xk::test

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "Usage: converse INTERFACE CONVERSATIONS SEED FILE\n");
    return 2;
  }
  std::FILE* out = std::fopen(argv[4], "we");
  if (out == nullptr) {
    std::fprintf(stderr, "converse: cannot write %s\n", argv[4]);
    return 1;
  }
  try {
    xk::test::Conversations all(argv[1], static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10)),
                                std::strtoull(argv[3], nullptr, 10), out);
    all.run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "converse: %s\n", error.what());
    return 1;
  }
  return std::fclose(out) == 0 ? 0 : 1;
}
