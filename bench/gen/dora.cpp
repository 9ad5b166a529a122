#include "bench/gen/dora.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "bench/gen/packet_socket.h"
#include "dataplane/dhcp/frame.h"

namespace xk::gen {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000u;

volatile sig_atomic_t told_to_stop = 0;

// A signal ends the sending, and the account is given all the same.
void listen_for_stop() {
  struct sigaction action{};
  action.sa_handler = [](int) { told_to_stop = 1; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

enum class Stage : std::uint8_t { idle, discovering, requesting };

struct Conversation {
  Stage stage = Stage::idle;
  std::uint64_t started_ns = 0;
};

struct Reply {
  MessageType type = MessageType::none;
  std::uint32_t xid = 0;
  Mac chaddr{};
  Ip4 yiaddr{};
  Ip4 server_identifier{};
};

// A server's message to a client, or nothing. Tags may still be in front: the walk skips them.
bool parse_reply(Bytes frame, Reply& reply) {
  xk_headers headers{};
  if (xk_walk(frame.data(), frame.data() + frame.size(), &headers) != XK_WALK_UDP) return false;
  const auto datagram = check_datagram4(frame, headers);
  if (!datagram || datagram->destination_port != XK_DHCP4_CLIENT_PORT) return false;
  const auto message = Message4View::parse(datagram->payload, dhcp4::kBootReply);
  if (!message) return false;
  const Bytes bytes = message->bytes();
  const auto end = walk_option_field(bytes, dhcp4::kOptions, bytes.size(), OptionField::options,
                                     [&](std::uint8_t code, const OptionPart& part) {
                                       if (code == option4::kMessageType && part.length == 1)
                                         reply.type = static_cast<MessageType>(bytes[part.value()]);
                                       if (code == 54 && part.length == 4)
                                         reply.server_identifier =
                                             ByteReader(bytes.subspan(part.value(), 4)).ip4();
                                       return XK_OUTCOME_COUNT;
                                     });
  reply.xid = message->xid();
  reply.chaddr = message->chaddr();
  reply.yiaddr = message->yiaddr();
  return end.has_value();
}

// All conversations over one socket.
class Talk {
 public:
  Talk(const Population& population, std::FILE* acks)
      : population_(population),
        acks_(acks),
        socket_(open_packet_socket(population.interface, true)),
        conversations_(population.clients) {
    latencies_ns_.reserve(1 << 20);
  }

  void discover(std::uint32_t index) {
    conversations_[index] = {Stage::discovering, now_ns()};
    send(index, {MessageType::discover, population_.first_client + index, {}, {}});
    ++result_.discovers;
  }

  // Reads all that is waiting; false if nothing was.
  bool receive() {
    std::array<std::uint8_t, 2048> frame{};
    bool any = false;
    for (;;) {
      const ssize_t got = recv(socket_.get(), frame.data(), frame.size(), MSG_DONTWAIT);
      if (got <= 0) return any;
      any = true;
      Reply reply;
      if (parse_reply(Bytes(frame).first(static_cast<std::size_t>(got)), reply)) handle(reply);
    }
  }

  // Sleeps until a frame is there or the time has come: others may need the CPU, servers among them.
  void sleep_until(std::uint64_t time_ns) const {
    const std::uint64_t now = now_ns();
    if (now >= time_ns) return;
    const timespec left{static_cast<time_t>((time_ns - now) / kSecond),
                        static_cast<long>((time_ns - now) % kSecond)};
    pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    ppoll(&waiting, 1, &left, nullptr);
  }

  [[nodiscard]] bool waiting() const { return result_.acks + result_.naks < result_.discovers; }

  [[nodiscard]] DoraResult finish(double seconds) {
    result_.seconds = seconds;
    std::sort(latencies_ns_.begin(), latencies_ns_.end());
    if (!latencies_ns_.empty()) {
      const std::size_t last = latencies_ns_.size() - 1;
      result_.p50_ms = static_cast<double>(latencies_ns_[last / 2]) / 1e6;
      result_.p99_ms = static_cast<double>(latencies_ns_[last * 99 / 100]) / 1e6;
    }
    return result_;
  }

 private:
  void send(std::uint32_t index, const ClientMessage& message) {
    const auto& tags = population_.vlans[index % population_.vlans.size()];
    const std::vector<std::uint8_t> frame = client_frame(message, tags, population_.message_bytes);
    while (::send(socket_.get(), frame.data(), frame.size(), 0) < 0 && errno == ENOBUFS) receive();
  }

  void handle(const Reply& reply) {
    const std::uint32_t index = client_number(reply.xid) - population_.first_client;
    if (index >= conversations_.size() || reply.chaddr != client_mac(population_.first_client + index)) {
      ++result_.strays;
      return;
    }
    Conversation& conversation = conversations_[index];
    if (reply.type == MessageType::offer && conversation.stage == Stage::discovering) {
      conversation.stage = Stage::requesting;
      ++result_.offers;
      send(index,
           {MessageType::request, population_.first_client + index, reply.yiaddr, reply.server_identifier});
    } else if (reply.type == MessageType::ack && conversation.stage == Stage::requesting) {
      conversation.stage = Stage::idle;
      ++result_.acks;
      if (acks_ != nullptr)
        std::fprintf(acks_, "%s %s\n", to_string(reply.chaddr).c_str(), to_string(reply.yiaddr).c_str());
      latencies_ns_.push_back(now_ns() - conversation.started_ns);
    } else if (reply.type == MessageType::nak && conversation.stage == Stage::requesting) {
      conversation.stage = Stage::idle;
      ++result_.naks;
    } else {
      ++result_.strays;
    }
  }

  const Population& population_;
  std::FILE* acks_;
  Fd socket_;
  std::vector<Conversation> conversations_;
  std::vector<std::uint64_t> latencies_ns_;
  DoraResult result_;
};

}  // namespace

DoraResult run_dora(const Population& population, double rate_per_s, double seconds, double grace_s,
                    std::FILE* acks) {
  Talk talk(population, acks);
  listen_for_stop();
  prctl(PR_SET_TIMERSLACK, 1UL);
  const std::uint64_t start = now_ns();
  const auto end = start + static_cast<std::uint64_t>(seconds * 1e9);
  const double gap_ns = rate_per_s > 0 ? 1e9 / rate_per_s : 0;
  std::uint64_t count = 0;
  while (now_ns() < end && told_to_stop == 0) {
    const auto due = start + static_cast<std::uint64_t>(gap_ns * static_cast<double>(count));
    if (now_ns() >= due) talk.discover(static_cast<std::uint32_t>(count++ % population.clients));
    if (talk.receive() || rate_per_s <= 0) continue;
    talk.sleep_until(start + static_cast<std::uint64_t>(gap_ns * static_cast<double>(count)));
  }
  const std::uint64_t stopped = now_ns();
  const auto last = stopped + static_cast<std::uint64_t>(grace_s * 1e9);
  while (talk.waiting() && now_ns() < last)
    if (!talk.receive()) talk.sleep_until(last);
  return talk.finish(static_cast<double>(stopped - start) / 1e9);
}

}  // namespace xk::gen
