#include "bench/gen/dora.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <deque>

#include "bench/gen/packet_socket.h"
#include "dataplane/dhcp/frame.h"

namespace xk::gen {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000u;
constexpr std::uint64_t kGiveUpNs = kSecond / 5;
constexpr std::size_t kBatch = 64;  // frames of one system call

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
  bool under_way = false;  // and not given up
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

// A packet socket that takes and gives many frames at once.
class Mailbox {
 public:
  explicit Mailbox(const std::string& interface) : socket_(open_packet_socket(interface, true)) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      in_parts_[i] = {in_[i].data(), in_[i].size()};
      out_parts_[i] = {out_[i].data(), 0};
      in_messages_[i].msg_hdr.msg_iov = &in_parts_[i];
      out_messages_[i].msg_hdr.msg_iov = &out_parts_[i];
      in_messages_[i].msg_hdr.msg_iovlen = out_messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  void send(Bytes frame) {
    if (waiting_ == kBatch) flush();
    std::ranges::copy(frame, out_[waiting_].begin());
    out_parts_[waiting_++].iov_len = frame.size();
  }
  void flush() {
    for (std::size_t sent = 0; sent < waiting_;) {
      const int n = sendmmsg(socket_.get(), &out_messages_[sent], static_cast<unsigned>(waiting_ - sent), 0);
      if (n > 0) sent += static_cast<std::size_t>(n);
      if (n < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) break;
    }
    waiting_ = 0;
  }
  // Calls for each frame that has arrived; false: none had.
  bool receive(auto&& call) {
    const int got = recvmmsg(socket_.get(), in_messages_.data(), kBatch, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < got; ++i) {
      const auto index = static_cast<std::size_t>(i);
      call(Bytes(in_[index]).first(in_messages_[index].msg_len));
    }
    return got > 0;
  }
  // Until a frame is there or the time is over.
  void wait(std::uint64_t left_ns) const {
    const timespec left{static_cast<time_t>(left_ns / kSecond), static_cast<long>(left_ns % kSecond)};
    pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    ppoll(&waiting, 1, &left, nullptr);
  }

 private:
  using Frame = std::array<std::uint8_t, 2048>;
  Fd socket_;
  std::size_t waiting_ = 0;  // to be sent
  std::array<Frame, kBatch> in_{}, out_{};
  std::array<iovec, kBatch> in_parts_{}, out_parts_{};
  std::array<mmsghdr, kBatch> in_messages_{}, out_messages_{};
};

// All conversations over one socket.
class Talk {
 public:
  Talk(const Population& population, std::FILE* acks)
      : population_(population),
        acks_(acks),
        mailbox_(population.interface),
        conversations_(population.clients) {
    latencies_ns_.reserve(1 << 20);
  }

  struct Begun {
    std::uint32_t index = 0;  // of the client
    std::uint64_t started_ns = 0;
  };
  Begun discover_next() {
    const std::uint32_t index = next_++ % population_.clients;
    Conversation& conversation = conversations_[index];
    if (!conversation.under_way) ++under_way_;
    conversation = {Stage::discovering, true, now_ns()};
    send(index, {MessageType::discover, population_.first_client + index, {}, {}});
    ++result_.discovers;
    return {index, conversation.started_ns};
  }

  // Begins conversations with the next clients until so many are under way.
  void fill(std::uint32_t window) {
    const std::uint64_t overdue = now_ns() - kGiveUpNs;
    for (; !begun_.empty(); begun_.pop_front()) {
      Conversation& conversation = conversations_[begun_.front().index];
      if (!conversation.under_way || conversation.started_ns != begun_.front().started_ns) continue;
      if (conversation.started_ns >= overdue) break;
      conversation.under_way = false;
      --under_way_;
    }
    while (under_way_ < window) begun_.push_back(discover_next());
  }

  // Answers all that is waiting; false if nothing was.
  bool receive() {
    bool any = false;
    const auto frame = [this](Bytes bytes) {
      Reply reply;
      if (parse_reply(bytes, reply)) handle(reply);
    };
    mailbox_.flush();
    while (mailbox_.receive(frame)) {
      any = true;
      mailbox_.flush();
    }
    return any;
  }

  // Sleeps until a frame is there or the time has come: others may need the CPU, servers among them.
  void sleep_until(std::uint64_t time_ns) const {
    const std::uint64_t now = now_ns();
    if (now < time_ns) mailbox_.wait(time_ns - now);
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
    mailbox_.send(client_frame(message, tags, population_.message_bytes));
  }

  void end(Conversation& conversation) {
    conversation.stage = Stage::idle;
    if (conversation.under_way) --under_way_;
    conversation.under_way = false;
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
      end(conversation);
      ++result_.acks;
      if (acks_ != nullptr)
        std::fprintf(acks_, "%s %s\n", to_string(reply.chaddr).c_str(), to_string(reply.yiaddr).c_str());
      latencies_ns_.push_back(now_ns() - conversation.started_ns);
    } else if (reply.type == MessageType::nak && conversation.stage == Stage::requesting) {
      end(conversation);
      ++result_.naks;
    } else {
      ++result_.strays;
    }
  }

  const Population& population_;
  std::FILE* acks_;
  Mailbox mailbox_;
  std::vector<Conversation> conversations_;
  std::deque<Begun> begun_;  // in their order, those that have ended too
  std::uint32_t under_way_ = 0;
  std::uint32_t next_ = 0;
  std::vector<std::uint64_t> latencies_ns_;
  DoraResult result_;
};

}  // namespace

DoraResult run_dora(const Population& population, const DoraPace& pace, double seconds, double grace_s,
                    std::FILE* acks) {
  Talk talk(population, acks);
  listen_for_stop();
  prctl(PR_SET_TIMERSLACK, 1UL);
  const std::uint64_t start = now_ns();
  const auto end = start + static_cast<std::uint64_t>(seconds * 1e9);
  const double gap_ns = pace.rate_per_s > 0 ? 1e9 / pace.rate_per_s : 0;
  std::uint64_t count = 0;
  const auto due = [&] { return start + static_cast<std::uint64_t>(gap_ns * static_cast<double>(count)); };
  while (now_ns() < end && told_to_stop == 0) {
    if (pace.window != 0) {
      talk.fill(pace.window);
      if (!talk.receive()) talk.sleep_until(now_ns() + kGiveUpNs / 4);
      continue;
    }
    if (now_ns() >= due()) {
      talk.discover_next();
      ++count;
    }
    if (!talk.receive() && pace.rate_per_s > 0) talk.sleep_until(due());
  }
  const std::uint64_t stopped = now_ns();
  const auto last = stopped + static_cast<std::uint64_t>(grace_s * 1e9);
  while (talk.waiting() && now_ns() < last)
    if (!talk.receive()) talk.sleep_until(last);
  return talk.finish(static_cast<double>(stopped - start) / 1e9);
}

}  // namespace xk::gen
