// What comes over the control socket: the exchange, answers, pages of leases.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>

#include "controlplane/kea/binary.h"
#include "controlplane/kea/control_socket.h"
#include "controlplane/kea/json.h"
#include "controlplane/kea/leases.h"

namespace xk::kea {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

// A listening socket that a test answers on by hand.
class FakeKea {
 public:
  FakeKea() {
    std::string pattern = "/tmp/xktf-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    path = directory_ + "/s";
    listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 4), 0);
  }
  ~FakeKea() {
    ::unlink(path.c_str());
    ::rmdir(directory_.c_str());
  }
  Fd accept() { return Fd(::accept(listener_.get(), nullptr, nullptr)); }

  std::string path;

 private:
  std::string directory_;
  Fd listener_;
};

void say(const Fd& peer, std::string_view text) {
  ASSERT_EQ(::send(peer.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

TEST(KeaExchange, AnAnswerInPieces) {
  FakeKea kea;
  auto exchange = Exchange::start(kea.path, R"({"command":"x"})", ::getpid());
  ASSERT_TRUE(exchange) << exchange.error().message;
  const Fd peer = kea.accept();
  EXPECT_FALSE(exchange->step().value());
  std::array<char, 64> request{};
  EXPECT_EQ(::recv(peer.get(), request.data(), request.size(), 0), 15);
  EXPECT_STREQ(request.data(), R"({"command":"x"})");
  for (const char* piece : {"{ \"result\"", ": 0, \"text\": \"}\\\"\"", ", \"a\": [{"}) {
    say(peer, piece);
    EXPECT_FALSE(exchange->step().value());
  }
  say(peer, "}]}");
  EXPECT_TRUE(exchange->step().value());  // without the peer hanging up
  EXPECT_EQ(exchange->take_answer(), R"({ "result": 0, "text": "}\"", "a": [{}]})");
}

TEST(KeaExchange, HangingUpEarlyIsAnError) {
  FakeKea kea;
  auto exchange = Exchange::start(kea.path, "{}", 0);
  ASSERT_TRUE(exchange);
  {
    const Fd peer = kea.accept();
    say(peer, "{\"result\":");
  }
  const auto done = exchange->step();
  ASSERT_FALSE(done);
}

TEST(KeaExchange, SilenceTimesOut) {
  FakeKea kea;
  const auto answer = exchange(kea.path, "{}", 0, 50ms);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message, "Kea did not answer within 50 ms");
}

TEST(KeaExchange, ALargeRequestIsSentAsThePeerReads) {
  FakeKea kea;
  const std::string request = "{\"a\":\"" + std::string(4 << 20, 'x') + "\"}";
  auto exchange = Exchange::start(kea.path, request, 0);
  ASSERT_TRUE(exchange);
  const Fd peer = kea.accept();
  std::string got;
  std::vector<char> buffer(1 << 16);
  while (got.size() < request.size()) {
    EXPECT_FALSE(exchange->step().value());
    const ssize_t n = ::recv(peer.get(), buffer.data(), buffer.size(), 0);
    ASSERT_GT(n, 0);
    got.append(buffer.data(), static_cast<std::size_t>(n));
  }
  EXPECT_EQ(got, request);
  say(peer, "{}");
  EXPECT_TRUE(exchange->step().value());
}

TEST(KeaExchange, BoundsOfSizeAndDepth) {
  FakeKea kea;
  EXPECT_FALSE(Exchange::start(kea.path, std::string(kRequestBytesMax + 1, ' '), 0));
  EXPECT_FALSE(Exchange::start("/tmp/" + std::string(200, 'x'), "{}", 0));
  auto deep = Exchange::start(kea.path, "{}", 0);
  ASSERT_TRUE(deep);
  const Fd peer = kea.accept();
  say(peer, std::string(kJsonDepthMax + 1, '['));
  EXPECT_THAT(deep->step().error().message, HasSubstr("nested too deeply"));
}

TEST(KeaExchange, AnswersEndAt64MiB) {
  FakeKea kea;
  auto exchange = Exchange::start(kea.path, "{}", 0);
  ASSERT_TRUE(exchange);
  const Fd peer = kea.accept();
  say(peer, "{\"text\":\"");
  const std::string chunk(1 << 16, 'x');
  std::size_t sent = 9;
  Result<bool> done = false;
  while (done && sent <= kAnswerBytesMax + chunk.size()) {
    say(peer, chunk);
    sent += chunk.size();
    done = exchange->step();
  }
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("larger than 67108864 bytes"));
  EXPECT_LE(sent, kAnswerBytesMax + chunk.size() + 9);
}

TEST(KeaExchange, OnlyOurOwnKeaIsBelieved) {
  FakeKea kea;
  const auto exchange = Exchange::start(kea.path, "{}", ::getpid() + 1);
  ASSERT_FALSE(exchange);
  EXPECT_THAT(exchange.error().message, HasSubstr("not our Kea"));
}

TEST(KeaAnswer, ResultTextAndArguments) {
  const auto answer = parse_answer(R"({"result":1,"text":"no","arguments":{"a":1}})");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->result, 1);
  EXPECT_EQ(answer->text, "no");
  EXPECT_EQ(answer->arguments["a"], 1);
  EXPECT_EQ(parse_answer(R"([{"result":3}])").value().result, 3);
  const std::string frame = R"({"result":0,"text":""})";
  EXPECT_TRUE(parse_answer(frame + std::string(kParsedBytesMax - frame.size(), ' ')));
  EXPECT_FALSE(parse_answer(frame + std::string(kParsedBytesMax - frame.size() + 1, ' ')));
  for (const char* bad : {"", "nonsense", "[]", "[{\"result\":0},{\"result\":0}]", "{}", R"({"result":"0"})",
                          R"({"result":-1})", R"({"result":1e3})", R"({"result":99999})", "3",
                          "{\"result\":0", R"({"result":0,"a":1e999})"})
    EXPECT_FALSE(parse_answer(bad)) << bad;
}

constexpr const char* kRow = R"({"client-id":"01:02:00:00:00:00:0a","cltt":1700000000,"fqdn-fwd":false,
  "fqdn-rev":false,"hostname":"pc-1","hw-address":"02:00:00:00:00:0a","ip-address":"10.0.0.100","state":0,
  "subnet-id":7,"user-context":{"ISC":{"relay-agent-info":"0x0108657468313A302E300203614001"}},"valid-lft":1200})";

std::string page_with(const std::string& rows) {
  return R"({"result":0,"arguments":{"leases":[)" + rows + "]}}";
}

TEST(KeaLeases, ARowAsKea22SaysIt) {
  const auto page = parse_lease_page(page_with(kRow), 1000);
  ASSERT_TRUE(page) << page.error().message;
  ASSERT_EQ(page->leases.size(), 1u);
  const Lease& lease = page->leases[0];
  EXPECT_EQ(lease.address, (Ip4{0x0a000064}));
  EXPECT_EQ(lease.mac, "02:00:00:00:00:0a");
  EXPECT_EQ(lease.client_id, "0102000000000a");
  EXPECT_EQ(lease.hostname, "pc-1");
  EXPECT_EQ(lease.state, LeaseState::active);
  EXPECT_EQ(lease.expires_unix_s(), 1700001200u);
  EXPECT_EQ(lease.subnet_id, 7u);
  EXPECT_EQ(lease.circuit_id, "eth1:0.0");
  EXPECT_EQ(lease.remote_id, "a@\x01");
  EXPECT_TRUE(page->last);
}

TEST(KeaLeases, UserContextOfLaterVersionsAndOfNoKnownShape) {
  const auto circuit_of = [](const std::string& context) {
    const auto page = parse_lease_page(page_with(
        R"({"cltt":1,"ip-address":"10.0.0.1","state":1,"subnet-id":1,"valid-lft":1,"user-context":)" +
        context + "}"));
    return page ? page->leases.at(0).circuit_id : "error: " + page.error().message;
  };
  EXPECT_EQ(circuit_of(R"({"ISC":{"relay-agent-info":{"sub-options":"0x010141","remote-id":"00"}}})"), "A");
  EXPECT_EQ(circuit_of(R"({"ISC":{"relay-agent-info":"010141"}})"), "A");
  for (const char* other : {R"({"ISC":{"relay-agent-info":"0x0109414243"}})",
                            R"({"ISC":{"relay-agent-info":"0x0"}})", R"({"ISC":{"relay-agent-info":"zz"}})",
                            R"({"ISC":{"relay-agent-info":[1]}})", R"({"ISC":3})", "[]", "null", "\"x\""})
    EXPECT_EQ(circuit_of(other), "") << other;
}

TEST(KeaLeases, PagesFollowOneAnother) {
  EXPECT_EQ(lease_page_request(Ip4{}, 5),
            R"({"arguments":{"from":"start","limit":5},"command":"lease4-get-page"})");
  EXPECT_THAT(lease_page_request(Ip4{0x0a000001}), HasSubstr(R"("from":"10.0.0.1")"));
  const auto full = parse_lease_page(page_with(kRow), 1);
  EXPECT_FALSE(full->last);
  EXPECT_EQ(full->next_from, (Ip4{0x0a000064}));
  EXPECT_TRUE(parse_lease_page(R"({"result":3,"text":"0 IPv4 lease(s) found."})")->last);
}

TEST(KeaLeases, WhatIsNoLeaseIsAnError) {
  for (const char* row :
       {"1", "{}", R"({"ip-address":"10.0.0.300","cltt":1,"state":0,"subnet-id":1,"valid-lft":1})",
        R"({"ip-address":"10.0.0.1","cltt":-1,"state":0,"subnet-id":1,"valid-lft":1})",
        R"({"ip-address":"10.0.0.1","cltt":18446744073709551615,"state":0,"subnet-id":1,"valid-lft":1})",
        R"({"ip-address":"10.0.0.1","cltt":1,"state":0,"subnet-id":1,"valid-lft":4294967296})",
        R"({"ip-address":"10.0.0.1","cltt":1,"state":"0","subnet-id":1,"valid-lft":1})"})
    EXPECT_FALSE(parse_lease_page(page_with(row))) << row;
  for (const char* answer :
       {R"({"result":0})", R"({"result":0,"arguments":[]})", R"({"result":0,"arguments":{"leases":{}}})"})
    EXPECT_THAT(parse_lease_page(answer).error().message, HasSubstr("no list of leases")) << answer;
  EXPECT_THAT(parse_lease_page(R"({"result":2})").error().message, HasSubstr("libdhcp_lease_cmds.so"));
  EXPECT_THAT(parse_lease_page(R"({"result":1,"text":"why"})").error().message, HasSubstr("why"));
}

// Answers a page with whatever the test says.
class ScriptedServers : public KeaServers {
 public:
  Result<> test(const KeaSpec&) override { return {}; }
  Result<> apply(const KeaSpec&) override { return {}; }
  Result<> stop(VrfId) override { return {}; }
  int events_fd() const override { return -1; }
  void tick(std::uint64_t) override {}
  std::vector<KeaStatus> status() const override { return {}; }
  bool restart(VrfId) override { return true; }
  Result<std::string> command(VrfId, const std::string& json) override {
    requests.push_back(json);
    return answers.at(std::min(requests.size(), answers.size()) - 1);
  }
  std::vector<std::string> answers;
  std::vector<std::string> requests;
};

std::string page_of(std::uint32_t first, std::uint32_t count) {
  std::string rows;
  for (std::uint32_t n = 0; n < count; ++n)
    rows += std::string(n == 0 ? "" : ",") + R"({"ip-address":")" + to_string(Ip4{first + n}) +
            R"(","cltt":1,"state":0,"subnet-id":1,"valid-lft":1})";
  return page_with(rows);
}

TEST(KeaLeases, ADeletionSaysWhetherThereWasOne) {
  EXPECT_EQ(lease_delete_request(Ip4{0x0a000064}),
            R"({"arguments":{"ip-address":"10.0.0.100"},"command":"lease4-del"})");
  EXPECT_EQ(parse_lease_deleted(R"([{"result": 0, "text": "IPv4 lease deleted."}])").value(), true);
  EXPECT_EQ(parse_lease_deleted(R"([{"result": 3, "text": "IPv4 lease not found."}])").value(), false);
  EXPECT_THAT(parse_lease_deleted(R"([{"result": 2}])").error().message, HasSubstr("libdhcp_lease_cmds.so"));
  EXPECT_FALSE(parse_lease_deleted(R"([{"result": 1, "text": "no"}])").has_value());
  EXPECT_FALSE(parse_lease_deleted("x").has_value());
}

TEST(KeaLeases, ListsAllPages) {
  ScriptedServers servers;
  servers.answers = {page_of(0x0a000000, kLeasePageSize), page_of(0x0a010000, 2)};
  const auto leases = list_leases(servers, VrfId{1});
  ASSERT_TRUE(leases) << leases.error().message;
  EXPECT_EQ(leases->size(), kLeasePageSize + 2u);
  ASSERT_EQ(servers.requests.size(), 2u);
  EXPECT_THAT(servers.requests[1], HasSubstr("10.0.3.231"));
}

TEST(KeaLeases, PagesThatGoRoundEnd) {
  ScriptedServers servers;
  servers.answers = {page_of(0x0a000000, kLeasePageSize)};
  EXPECT_THAT(list_leases(servers, VrfId{1}).error().message, HasSubstr("do not advance"));
  EXPECT_EQ(servers.requests.size(), 2u);
}

TEST(KeaWords, TheLineThatExplains) {
  EXPECT_EQ(explain(""), "");
  EXPECT_EQ(explain("2026-11-21 01:31:43.496 INFO  [kea-dhcp4.hosts/1.2] HOSTS_X fine\n"
                    "2026-11-21 01:31:43.496 ERROR [kea-dhcp4.dhcp4/1.2] DHCP4_PARSER_FAIL bad pool\n"
                    "2026-11-21 01:31:43.496 INFO  [kea-dhcp4.hosts/1.2] HOSTS_Y fine\n"),
            "DHCP4_PARSER_FAIL bad pool");
  EXPECT_EQ(explain("Error encountered: no such interface\nnoise\n"), "no such interface");
  EXPECT_EQ(explain("first\nlast words"), "last words");
  EXPECT_EQ(explain(std::string(5000, 'x')).size(), 1000u);
}

}  // namespace
}  // namespace xk::kea
