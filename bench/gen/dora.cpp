#include "bench/gen/dora.h"

#include <signal.h>
#include <sys/prctl.h>

#include <algorithm>
#include <deque>
#include <stdexcept>

#include "bench/gen/mailbox.h"
#include "bench/gen/packet_socket.h"
#include "bench/gen/reply.h"

namespace xk::gen {
namespace {

constexpr std::uint64_t kNapNs = kSecond / 20;        // of a window that is full
constexpr std::uint64_t kAddressesNs = 60 * kSecond;  // until all who will renew have an address
constexpr std::uint32_t kLeaseMax = 1u << 30;         // seconds

volatile sig_atomic_t told_to_stop = 0;

// A signal ends the sending, and the account is given all the same.
void listen_for_stop() {
  struct sigaction action{};
  action.sa_handler = [](int) { told_to_stop = 1; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

enum class Stage : std::uint8_t { idle, discovering, requesting, renewing };

struct Conversation {
  Stage stage = Stage::idle;
  bool under_way = false;  // and not given up
  std::uint64_t started_ns = 0;
  std::uint64_t asked_ns = 0;  // its last message
  Ip4 address{};               // 0: it never had one
  std::uint32_t lease_s = 0;   // that it asked for last
};

Latency percentiles(std::vector<std::uint32_t>& times_ns) {
  if (times_ns.empty()) return {};
  std::sort(times_ns.begin(), times_ns.end());
  const auto at = [&](std::size_t a_thousand) {
    return static_cast<double>(times_ns[(times_ns.size() - 1) * a_thousand / 1000]) / 1e6;
  };
  return {at(500), at(990), at(999)};
}

// All conversations over one socket.
class Talk {
 public:
  Talk(const Population& population, std::FILE* acks)
      : population_(population),
        acks_(acks),
        mailbox_(open_mailbox(population.interface)),
        conversations_(population.clients) {
    whole_ns_.reserve(1 << 20);
    reply_ns_.reserve(1 << 21);
  }

  struct Begun {
    std::uint32_t index = 0;  // of the client
    std::uint64_t started_ns = 0;
  };
  Begun begin_next() {
    const std::uint32_t index = next_++ % population_.clients;
    Conversation& conversation = conversations_[index];
    if (!conversation.under_way) ++under_way_;
    conversation.under_way = true;
    conversation.started_ns = conversation.asked_ns = now_ns();
    if (renews_ && !conversation.address.is_zero()) {
      renew(index, conversation);
    } else {
      conversation.stage = Stage::discovering;
      send(index, {.type = MessageType::discover, .number = population_.first_client + index});
      ++result_.discovers;
    }
    return {index, conversation.started_ns};
  }
  // From now on those who have an address renew it.
  void renew_from_now(const Renewals& renewals) {
    renews_ = true;
    renewals_ = renewals;
    result_ = DoraResult{};
    refused_before_ = mailbox_->refused();
    missed_before_ = mailbox_->missed();
    whole_ns_.clear();
    reply_ns_.clear();
  }
  [[nodiscard]] bool all_have_addresses() const {
    return std::ranges::none_of(conversations_,
                                [](const Conversation& one) { return one.address.is_zero(); });
  }

  // Begins conversations with the next clients until so many are under way.
  void fill(std::uint32_t window, double give_up_s) {
    const std::uint64_t overdue = now_ns() - static_cast<std::uint64_t>(give_up_s * 1e9);
    for (; !begun_.empty(); begun_.pop_front()) {
      Conversation& conversation = conversations_[begun_.front().index];
      if (!conversation.under_way || conversation.started_ns != begun_.front().started_ns) continue;
      if (conversation.started_ns >= overdue) break;
      conversation.under_way = false;
      --under_way_;
    }
    window = std::min(window, population_.clients);
    while (under_way_ < window) begun_.push_back(begin_next());
  }

  // Answers all that is waiting; false if nothing was.
  bool receive() {
    bool any = false;
    mailbox_->flush();
    for (auto frames = mailbox_->receive(); !frames.empty(); frames = mailbox_->receive()) {
      for (const Bytes frame : frames) {
        Reply reply;
        if (parse_reply(frame, reply)) handle(reply);
      }
      any = true;
      mailbox_->flush();
    }
    return any;
  }

  // Sleeps until a frame is there or the time has come: others may need the CPU, servers among them.
  void sleep_until(std::uint64_t time_ns) {
    const std::uint64_t now = now_ns();
    if (now < time_ns) mailbox_->wait(time_ns - now);
  }

  [[nodiscard]] bool waiting() const {
    return result_.acks + result_.naks + result_.renewed < result_.discovers + result_.renewals;
  }

  [[nodiscard]] DoraResult finish(double seconds) {
    result_.seconds = seconds;
    result_.refused = mailbox_->refused() - refused_before_;
    result_.missed = mailbox_->missed() - missed_before_;
    result_.whole = percentiles(whole_ns_);
    result_.reply = percentiles(reply_ns_);
    return result_;
  }

 private:
  void send(std::uint32_t index, const ClientMessage& message) {
    const auto& tags = population_.vlans[index % population_.vlans.size()];
    mailbox_->send(client_frame(message, tags, population_.message_bytes));
  }

  void renew(std::uint32_t index, Conversation& conversation) {
    conversation.stage = Stage::renewing;
    const std::uint64_t twice = std::uint64_t{conversation.lease_s} * 2;
    if (renewals_.grows)
      conversation.lease_s =
          static_cast<std::uint32_t>(std::clamp<std::uint64_t>(twice, renewals_.lease_s, kLeaseMax));
    send(index, {.type = MessageType::request,
                 .number = population_.first_client + index,
                 .lease_s = conversation.lease_s,
                 .ciaddr = conversation.address,
                 .server = server_,
                 .server_mac = server_mac_});
    ++result_.renewals;
  }

  void answered(Conversation& conversation) {
    const std::uint64_t took = now_ns() - conversation.asked_ns;
    reply_ns_.push_back(static_cast<std::uint32_t>(std::min<std::uint64_t>(took, 0xffffffffu)));
  }

  void end(Conversation& conversation) {
    conversation.stage = Stage::idle;
    if (conversation.under_way) --under_way_;
    conversation.under_way = false;
  }

  void acknowledged(Conversation& conversation, const Reply& reply) {
    if (conversation.stage == Stage::renewing)
      ++result_.renewed;
    else
      ++result_.acks;
    answered(conversation);
    const std::uint64_t took = now_ns() - conversation.started_ns;
    whole_ns_.push_back(static_cast<std::uint32_t>(std::min<std::uint64_t>(took, 0xffffffffu)));
    end(conversation);
    conversation.address = reply.yiaddr;
    server_ = reply.server_identifier;
    server_mac_ = reply.source_mac;
    if (acks_ != nullptr)
      std::fprintf(acks_, "%s %s\n", to_string(reply.chaddr).c_str(), to_string(reply.yiaddr).c_str());
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
      answered(conversation);
      conversation.asked_ns = now_ns();
      send(index, {.type = MessageType::request,
                   .number = population_.first_client + index,
                   .requested = reply.yiaddr,
                   .server_identifier = reply.server_identifier});
    } else if (reply.type == MessageType::ack &&
               (conversation.stage == Stage::requesting || conversation.stage == Stage::renewing)) {
      acknowledged(conversation, reply);
    } else if (reply.type == MessageType::nak && conversation.stage >= Stage::requesting) {
      end(conversation);
      conversation.address = {};
      ++result_.naks;
    } else {
      ++result_.strays;
    }
  }

  const Population& population_;
  std::FILE* acks_;
  std::unique_ptr<Mailbox> mailbox_;
  std::vector<Conversation> conversations_;
  std::deque<Begun> begun_;  // in their order, those that have ended too
  std::uint32_t under_way_ = 0;
  std::uint32_t next_ = 0;
  std::vector<std::uint32_t> whole_ns_, reply_ns_;
  bool renews_ = false;
  Renewals renewals_;
  Ip4 server_{};  // who leased last
  Mac server_mac_{};
  std::uint64_t refused_before_ = 0, missed_before_ = 0;  // what is measured
  DoraResult result_;
};

// Begins conversations for so long, then waits for their answers.
DoraResult pace_talk(Talk& talk, const DoraPace& pace, double seconds, double grace_s) {
  const std::uint64_t start = now_ns();
  const auto end = start + static_cast<std::uint64_t>(seconds * 1e9);
  const double gap_ns = pace.rate_per_s > 0 ? 1e9 / pace.rate_per_s : 0;
  std::uint64_t count = 0;
  const auto due = [&] { return start + static_cast<std::uint64_t>(gap_ns * static_cast<double>(count)); };
  while (now_ns() < end && told_to_stop == 0) {
    if (pace.window != 0) {
      talk.fill(pace.window, pace.give_up_s);
      if (!talk.receive()) talk.sleep_until(now_ns() + kNapNs);
      continue;
    }
    if (now_ns() >= due()) {
      talk.begin_next();
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

}  // namespace

DoraResult run_dora(const Population& population, const DoraPace& pace, double seconds, double grace_s,
                    std::FILE* acks) {
  Talk talk(population, acks);
  listen_for_stop();
  prctl(PR_SET_TIMERSLACK, 1UL);
  return pace_talk(talk, pace, seconds, grace_s);
}

DoraResult run_renewals(const Population& population, const DoraPace& pace, const Renewals& renewals,
                        double seconds, double grace_s) {
  Talk talk(population, nullptr);
  listen_for_stop();
  prctl(PR_SET_TIMERSLACK, 1UL);
  constexpr std::uint32_t kWindow = 64;
  const std::uint64_t last = now_ns() + kAddressesNs;
  while (!talk.all_have_addresses()) {
    if (now_ns() > last || told_to_stop != 0) throw std::runtime_error("not all clients get an address");
    // About as long as all of them take, and again for those that were not answered.
    static_cast<void>(pace_talk(talk, {.rate_per_s = 0, .window = kWindow}, 0.5, 0.3));
  }
  talk.renew_from_now(renewals);
  return pace_talk(talk, pace, seconds, grace_s);
}

}  // namespace xk::gen
