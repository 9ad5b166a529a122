// The API over a real unix socket: every route, taking the socket, and peers that mean no good.
#include "controlplane/api/api_server.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <fstream>
#include <mutex>
#include <thread>

#include "controlplane/api/routes.h"
#include "controlplane/api/views_json.h"
#include "tests/unit/api_fake.h"

namespace xk::api {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct HttpAnswer {
  int status = 0;
  std::string head;
  std::string body;
};

HttpAnswer split(const std::string& answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.1 ") || end == std::string::npos) return {0, answer, ""};
  return {std::stoi(answer.substr(9, 3)), answer.substr(0, end + 2), answer.substr(end + 4)};
}

class ApiServerTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto started = server.start({path, 0660, ""});
    ASSERT_TRUE(started.has_value()) << started.error().message;
  }

  [[nodiscard]] HttpAnswer send(const std::string& request) const { return split(ask(path, request)); }
  [[nodiscard]] HttpAnswer get(const std::string& target) const {
    return send("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  [[nodiscard]] HttpAnswer post(const std::string& target, const std::string& body) const {
    return send("POST " + target +
                " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  void expect_still_serving() const { EXPECT_EQ(get("/v1/config").status, 200); }

  TemporaryDirectory directory;
  std::string path = directory.file("api.sock");
  FakeControl control;
  ApiServer server{control};
};

template <typename View>
View view_of(const HttpAnswer& answer) {
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(answer.head, HasSubstr("Content-Type: application/json\r\n"));
  const auto json = parse_json(answer.body, kAnswerBytesMax);
  EXPECT_TRUE(json.has_value()) << answer.body;
  auto view = from_json<View>(json.value_or(Json{}));
  EXPECT_TRUE(view.has_value()) << (view ? "" : view.error().message);
  return view.value_or(View{});
}

TEST_F(ApiServerTest, AnswersEveryRoute) {
  EXPECT_EQ(view_of<StatusView>(get("/v1/status")).generation, 7u);
  EXPECT_EQ(view_of<VrfsBody>(get("/v1/vrfs")).vrfs.size(), 2u);
  EXPECT_EQ(view_of<AttachmentsBody>(get("/v1/attachments")).attachments.size(), 4u);
  EXPECT_EQ(view_of<AllCountersView>(get("/v1/counters")).vrfs.size(), 2u);
  EXPECT_EQ(view_of<LeasePageView>(get("/v1/leases")).leases.size(), 2u);
  EXPECT_EQ(view_of<KeasBody>(get("/v1/kea")).keas.size(), 2u);
  EXPECT_THAT(view_of<ConfigBody>(get("/v1/config")).toml, StartsWith("[appliance]"));
  EXPECT_EQ(view_of<ReloadView>(post("/v1/reload", "")).generation, 8u);
  EXPECT_EQ(control.reloads, 1);

  const auto answer = post("/v1/kea/red/command", R"({"command": "list-commands"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"([{"result":0,"text":"done","arguments":["lease4-get"]}])");
  EXPECT_EQ(control.last_kea_command, R"(red {"command":"list-commands"})");
}

TEST_F(ApiServerTest, OneVrfComesWithWhatBelongsToIt) {
  const auto body = view_of<VrfBody>(get("/v1/vrfs/blue"));
  EXPECT_EQ(body.vrf.id, 2u);
  ASSERT_EQ(body.attachments.size(), 2u);
  EXPECT_EQ(body.attachments[0].vrf, "blue");
  ASSERT_TRUE(body.kea.has_value());
  EXPECT_EQ(body.kea->state, "backoff");
  EXPECT_EQ(view_of<VrfBody>(get("/v1/vrfs/%62lue")).vrf.name, "blue") << "percent-encoded";
}

TEST_F(ApiServerTest, FiltersByVrf) {
  const auto leases = view_of<LeasePageView>(get("/v1/leases?vrf=blue")).leases;
  ASSERT_EQ(leases.size(), 1u);
  EXPECT_EQ(leases[0].vrf, "blue");
  const auto red = view_of<AllCountersView>(get("/v1/counters?vrf=red"));
  ASSERT_EQ(red.vrfs.size(), 1u);
  EXPECT_EQ(red.vrfs[0].rx, 1000u);
  const auto blue = view_of<AllCountersView>(get("/v1/counters?vrf=blue"));
  ASSERT_EQ(blue.vrfs.size(), 1u) << "it has not counted yet";
  EXPECT_EQ(blue.vrfs[0].vrf, "blue");
  EXPECT_EQ(view_of<AllCountersView>(get("/v1/counters?vrf=-")).vrfs.at(0).rx, 3u);
}

TEST_F(ApiServerTest, RefusesWithTheRightStatus) {
  const struct {
    HttpAnswer answer;
    int status;
    const char* error;
  } cases[] = {
      {get("/v1/vrfs/green"), 404, "there is no VRF 'green'"},
      {get("/v1/leases?vrf=green"), 404, "there is no VRF 'green'"},
      {get("/v1/counters?vrf=green"), 404, "there is no VRF 'green'"},
      {get("/"), 404, "there is no '/' here"},
      {get("/v1/vrfs/"), 404, "there is no '/v1/vrfs/' here"},
      {get("/v1/vrfs/a/b"), 404, "there is no '/v1/vrfs/a/b' here"},
      {get("/v1/leases?vrff=red"), 400, "unknown query parameter 'vrff'"},
      {get("/v1/leases?vrf=red&vrf=blue"), 400, "query parameter 'vrf' given twice"},
      {get("/v1/reload"), 405, "/v1/reload takes POST, not GET"},
      {post("/v1/status", ""), 405, "/v1/status takes GET, not POST"},
      {send("DELETE /v1/vrfs/red HTTP/1.1\r\n\r\n"), 405, "/v1/vrfs/red takes GET, not DELETE"},
      {post("/v1/kea/green/command", R"({"command": "x"})"), 404, "there is no VRF 'green'"},
      {post("/v1/kea/red/command", "not JSON"), 400, "the body is no Kea command: not JSON, from byte 2"},
      {post("/v1/kea/red/command", R"({"comand": "x"})"), 400, "the body is no Kea command: it must be "},
      {post("/v1/kea/red/command", "[]"), 400, "the body is no Kea command: it must be "},
      {get("/" + std::string(kPathBytesMax, 'a')), 414, "the path is longer than 256 bytes"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(c.answer.status, c.status) << c.answer.body;
    const auto json = parse_json(c.answer.body, kAnswerBytesMax);
    ASSERT_TRUE(json.has_value()) << c.answer.body;
    const auto errors = from_json<ErrorsBody>(*json);
    ASSERT_TRUE(errors.has_value()) << errors.error().message;
    EXPECT_THAT(errors->errors.at(0), StartsWith(c.error));
  }
  EXPECT_THAT(post("/v1/status", "").head, HasSubstr("Allow: GET\r\n"));
  EXPECT_EQ(control.reloads, 0);
}

TEST_F(ApiServerTest, PassesFailuresOn) {
  for (const int status : {400, 404, 409, 502, 503}) {
    control.failure = Failure{status, {"first", "second"}};
    for (const char* target :
         {"/v1/status", "/v1/vrfs", "/v1/vrfs/red", "/v1/attachments", "/v1/counters", "/v1/counters?vrf=red",
          "/v1/leases", "/v1/leases?vrf=red", "/v1/kea", "/v1/config"}) {
      EXPECT_EQ(get(target).status, status) << target;
      EXPECT_EQ(get(target).body, R"({"errors":["first","second"]})") << target;
    }
    EXPECT_EQ(post("/v1/reload", "").status, status);
    EXPECT_EQ(post("/v1/kea/red/command", R"({"command": "x"})").status, status);
  }
}

TEST_F(ApiServerTest, KeaAnsweringJunkIsABadGateway) {
  control.kea_answer = "{\"result\": ";
  const auto answer = post("/v1/kea/red/command", R"({"command": "x"})");
  EXPECT_EQ(answer.status, 502);
  EXPECT_THAT(answer.body, HasSubstr("Kea of VRF red answered not JSON"));
}

TEST_F(ApiServerTest, InvalidUtf8FromClientsIsReplacedAndFromPeersRefused) {
  control.hostname = "lap\xfftop";
  EXPECT_EQ(view_of<LeasePageView>(get("/v1/leases")).leases.at(0).hostname, "lap\xef\xbf\xbdtop");
  EXPECT_EQ(get("/v1/vrfs/%ff%fe").status, 404);
  EXPECT_EQ(post("/v1/kea/red/command", "{\"command\": \"\xff\"}").status, 400);
}

TEST_F(ApiServerTest, HeadHasNoBody) {
  const auto answer = send("HEAD /v1/config HTTP/1.1\r\n\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "");
}

TEST_F(ApiServerTest, BodiesAreBoundedOnBothSides) {
  const std::string command = R"({"command":"x","arguments":")";
  const std::string fits = command + std::string(kRequestBytesMax - command.size() - 2, 'a') + "\"}";
  EXPECT_EQ(post("/v1/kea/red/command", fits).status, 200);
  const auto over = post("/v1/kea/red/command", fits + " ");
  EXPECT_EQ(over.status, 413);
  EXPECT_EQ(over.body, R"({"errors":["the body is longer than 16777216 bytes"]})");
  // a length that is a lie about nothing to come
  EXPECT_EQ(send("POST /v1/reload HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n").status, 413);
  EXPECT_EQ(control.reloads, 0);
}

TEST_F(ApiServerTest, ChunkedAndCompressedBodiesAreBoundedToo) {
  std::string chunked = "POST /v1/kea/red/command HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string chunk = "10000\r\n" + std::string(0x10000, ' ') + "\r\n";
  for (std::size_t bytes = 0; bytes <= kRequestBytesMax; bytes += 0x10000) chunked += chunk;
  EXPECT_EQ(send(chunked + "0\r\n\r\n").status, 413);
  EXPECT_EQ(send("POST /v1/kea/red/command HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "f\r\n{\"command\":\"x\"}\r\n0\r\n\r\n")
                .status,
            200);
  EXPECT_EQ(
      send("POST /v1/reload HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\njunk").status,
      400);
  expect_still_serving();
}

TEST_F(ApiServerTest, FormsAreRefused) {
  EXPECT_EQ(send("POST /v1/reload HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
                 "Content-Length: 5\r\n\r\n--x--")
                .status,
            415);
  EXPECT_EQ(control.reloads, 0);
}

TEST_F(ApiServerTest, JunkOnTheWireHarmsNobody) {
  const std::string requests[] = {
      "",
      "\r\n\r\n",
      std::string(1000, '\0'),
      "GET\r\n\r\n",
      "GET /v1/status HTTP/9.9\r\n\r\n",
      "GET http://[ HTTP/1.1\r\n\r\n",
      "GET /v1/status HTTP/1.1\r\n" + std::string(200'000, 'a'),
      "GET /v1/status HTTP/1.1\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n",
      "POST /v1/reload HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
      "POST /v1/kea/red/command HTTP/1.1\r\nContent-Length: 50\r\n\r\n{\"command",
      "POST /v1/kea/red/command HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "GET /%00%01%zz?%=%&&&= HTTP/1.1\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"};
  for (const std::string& request : requests) {
    EXPECT_NE(split(ask(path, request)).status, 200) << request.substr(0, 60);
    expect_still_serving();
  }
}

TEST_F(ApiServerTest, HeadersWithoutEndAreCutOff) {
  std::string request = "GET /v1/status HTTP/1.1\r\n";
  while (request.size() < (4u << 20)) request += "X-Header: value value value value\r\n";
  EXPECT_THAT(ask(path, request), Not(HasSubstr("200 OK")));
  expect_still_serving();
}

TEST_F(ApiServerTest, PeersThatSayNothingDoNotLockOthersOut) {
  std::vector<Fd> silent;
  for (unsigned i = 0; i < ApiServer::kWaitingMax + 10; ++i) silent.push_back(connect_to(path));
  const auto before = std::chrono::steady_clock::now();
  expect_still_serving();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(3));
  char nothing = 0;
  EXPECT_EQ(recv(silent.front().get(), &nothing, 1, 0), 0) << "too many: the oldest is closed";
}

TEST_F(ApiServerTest, PeersThatSpeakSlowlyAreCutOff) {
  std::vector<Fd> slow;
  for (unsigned i = 0; i < ApiServer::kWorkers; ++i) {
    slow.push_back(connect_to(path));
    ASSERT_EQ(::send(slow.back().get(), "GET", 3, MSG_NOSIGNAL), 3);
  }
  expect_still_serving();  // as soon as their time is over
}

TEST_F(ApiServerTest, AnswersWhoStillSends) {
  // the answer comes before the body has been read; it must not be lost with it
  const auto answer =
      send("DELETE /v1/status HTTP/1.1\r\nContent-Length: 300000\r\n\r\n" + std::string(300'000, 'x'));
  EXPECT_EQ(answer.status, 405);
}

TEST_F(ApiServerTest, ManyAtOnceAllGetTheirAnswer) {
  std::vector<std::jthread> peers;
  std::atomic<int> good = 0;
  for (int i = 0; i < 16; ++i) {
    peers.emplace_back([this, &good] { good += get("/v1/status").status == 200; });
  }
  peers.clear();
  EXPECT_EQ(good, 16);
}

TEST_F(ApiServerTest, TheSocketHasItsModeAndGoesWithTheServer) {
  struct stat file{};
  ASSERT_EQ(stat(path.c_str(), &file), 0);
  EXPECT_TRUE(S_ISSOCK(file.st_mode));
  EXPECT_EQ(file.st_mode & 07777, 0660u);
  server.stop();
  EXPECT_NE(stat(path.c_str(), &file), 0);
  server.stop();  // again: nothing
  ASSERT_TRUE(server.start({path, 0600, ""}).has_value()) << "and comes back";
  ASSERT_EQ(stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 07777, 0600u);
  expect_still_serving();
}

TEST_F(ApiServerTest, ALiveSocketIsNotTaken) {
  ApiServer second(control);
  const auto started = second.start({path, 0660, ""});
  ASSERT_FALSE(started.has_value());
  EXPECT_THAT(started.error().message, StartsWith("API socket " + path + " is taken: another xdp-kead"));
  expect_still_serving();
  EXPECT_EQ(server.start({path, 0660, ""}).error().message, "the API serves already");
}

TEST_F(ApiServerTest, StoppingEndsSilentConnectionsAtOnce) {
  const Fd silent = connect_to(path);
  expect_still_serving();
  const auto before = std::chrono::steady_clock::now();
  server.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(3));
}

TEST_F(ApiServerTest, DoesNotTouchTheProcessesSignals) {
  struct sigaction now{};
  sigaction(SIGPIPE, nullptr, &now);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
}

class SocketTest : public testing::Test {
 protected:
  TemporaryDirectory directory;
  std::string path = directory.file("api.sock");
};

TEST_F(SocketTest, AStaleSocketIsReplaced) {
  {
    const Fd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    ASSERT_EQ(bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(path));
  const auto taken = ListeningSocket::take({path, 0600, ""});
  ASSERT_TRUE(taken.has_value()) << taken.error().message;
  EXPECT_TRUE(connect_to(path));
}

TEST_F(SocketTest, AnotherProgramsSocketIsNotTaken) {
  const Fd other(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  ASSERT_EQ(bind(other.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(other.get(), 1), 0);
  const auto taken = ListeningSocket::take({path, 0600, ""});
  ASSERT_FALSE(taken.has_value());
  EXPECT_THAT(taken.error().message, HasSubstr(" is taken: "));
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(SocketTest, WhatIsNoSocketStays) {
  std::ofstream(path) << "precious";
  const auto taken = ListeningSocket::take({path, 0600, ""});
  ASSERT_FALSE(taken.has_value());
  EXPECT_THAT(taken.error().message, EndsWith("there is a file that is no socket; not touched"));
  EXPECT_TRUE(std::filesystem::is_regular_file(path));
}

TEST_F(SocketTest, SaysWhatIsWrongWithThePlace) {
  const auto error = [](const SocketSpec& spec) {
    const auto taken = ListeningSocket::take(spec);
    return taken ? "none" : taken.error().message;
  };
  EXPECT_THAT(error({"", 0600, ""}), HasSubstr("has 1 to 107 bytes"));
  EXPECT_THAT(error({directory.file(std::string(108, 'a')), 0600, ""}), HasSubstr("has 1 to 107 bytes"));
  EXPECT_EQ(
      error({directory.file("none/api.sock"), 0600, ""}),
      "API socket: cannot open " + directory.file("none/api.sock.lock") + ": No such file or directory");
  EXPECT_EQ(error({path, 0600, "no-such-group"}), "group 'no-such-group' of the API socket does not exist");
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(SocketTest, TheGroupIsSet) {
  const group* nogroup = getgrnam("nogroup");
  ASSERT_NE(nogroup, nullptr);
  const gid_t id = nogroup->gr_gid;
  const auto taken = ListeningSocket::take({path, 0660, "nogroup"});
  ASSERT_TRUE(taken.has_value()) << taken.error().message;
  struct stat file{};
  ASSERT_EQ(stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_gid, id);
}

TEST_F(SocketTest, AFileThatIsNoLongerOursStays) {
  auto taken = ListeningSocket::take({path, 0600, ""});
  ASSERT_TRUE(taken.has_value());
  std::filesystem::rename(path, path + ".moved");
  std::ofstream(path) << "another's";
  taken->close();
  EXPECT_TRUE(std::filesystem::is_regular_file(path));
}

}  // namespace
}  // namespace xk::api
