// /metrics, /healthz and /readyz over a real TCP socket.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "controlplane/api/scrape_server.h"
#include "controlplane/model/endpoint.h"
#include "dataplane/base/fd.h"

namespace xk::api {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(EndpointText, IsAnAddressWithAPort) {
  EXPECT_EQ(parse_endpoint("127.0.0.1:9547"), (Endpoint{"127.0.0.1", false, 9547}));
  EXPECT_EQ(parse_endpoint("[::1]:1"), (Endpoint{"::1", true, 1}));
  EXPECT_EQ(parse_endpoint("0.0.0.0:65535")->port, 65535);
  for (const char* bad :
       {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "localhost:80", "::1:80",
        "[::1]", "[127.0.0.1]:80", "127.0.0.1:80 ", "127.0.0.1:+80", "[::1:80"})
    EXPECT_FALSE(parse_endpoint(bad).has_value()) << bad;
}

class FakeSource final : public ScrapeSource {
 public:
  bool stuck = false;
  std::vector<NotReadyView> waiting;
  std::atomic<unsigned> asked = 0;
  std::shared_future<void> busy_until;  // if it is one
  Answer<std::string> metrics() override {
    ++asked;
    if (busy_until.valid()) busy_until.wait();
    return "# HELP a b\n# TYPE a gauge\na 1\n";
  }
  Answer<bool> alive() override {
    if (stuck) return std::unexpected(Failure{503, {"the loop does not move"}});
    return true;
  }
  Answer<ReadyView> ready() override { return ReadyView{waiting.empty(), waiting}; }
};

class Scraped : public testing::Test {
 protected:
  void SetUp() override {
    // A port of the kernel's choice; taken again a moment later by the server.
    const Fd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    ASSERT_EQ(::bind(probe.get(), reinterpret_cast<const sockaddr*>(&address_), size), 0);
    ASSERT_EQ(::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address_), &size), 0);
    text_ = "127.0.0.1:" + std::to_string(ntohs(address_.sin_port));
  }
  void serve() {
    const auto started = server_.start(text_);
    ASSERT_TRUE(started.has_value()) << started.error().message;
  }
  std::string get(const std::string& path, const std::string& method = "GET") {
    const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval at_most{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &at_most, sizeof at_most);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address_), sizeof address_) != 0)
      return "refused";
    const std::string request = method + " " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "not sent";
    std::string answer;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::recv(fd.get(), buffer, sizeof buffer, 0)) > 0;)
      answer.append(buffer, static_cast<std::size_t>(got));
    return answer;
  }

  sockaddr_in address_{};
  std::string text_;
  FakeSource source_;
  ScrapeServer server_{source_};
};

TEST_F(Scraped, AnswersThreeQuestions) {
  serve();
  const std::string metrics = get("/metrics");
  EXPECT_THAT(metrics, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(metrics, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(metrics, HasSubstr("\r\n\r\n# HELP a b\n"));
  EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(get("/readyz"), HasSubstr(R"({"ready":true,"not_ready":[]})"));
  source_.stuck = true;
  source_.waiting = {{"red", "pending", "interface eth1 does not exist"}};
  EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(get("/readyz"), HasSubstr(R"("vrf":"red","state":"pending")"));
}

// A change may keep the daemon's loop busy for minutes: a probe of the process must not wait for it.
TEST_F(Scraped, HealthIsAnsweredWhileOthersWait) {
  std::promise<void> done;
  source_.busy_until = done.get_future().share();
  serve();
  std::vector<std::future<std::string>> scrapes;
  for (unsigned i = 0; i < ScrapeServer::kWaitingMax; ++i)
    scrapes.push_back(std::async(std::launch::async, [this] { return get("/metrics"); }));
  while (source_.asked < ScrapeServer::kWaitingMax) std::this_thread::yield();
  EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200"));
  const std::string one_more = get("/readyz");
  EXPECT_THAT(one_more, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(one_more, HasSubstr("others wait"));
  done.set_value();
  for (auto& scrape : scrapes) EXPECT_THAT(scrape.get(), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 200")) << "places are free again";
}

TEST_F(Scraped, NothingElseIsAnswered) {
  serve();
  EXPECT_THAT(get("/v1/status"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(get("/metrics", "POST"), StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(get("/metrics", "DELETE"), StartsWith("HTTP/1.1 405"));
}

TEST_F(Scraped, AnAddressThatIsTakenIsAnError) {
  serve();
  ScrapeServer second(source_);
  const auto refused = second.start(text_);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("cannot listen at " + text_));
  server_.stop();
  EXPECT_EQ(get("/metrics"), "refused");
  EXPECT_TRUE(second.start(text_).has_value());
}

}  // namespace
}  // namespace xk::api
