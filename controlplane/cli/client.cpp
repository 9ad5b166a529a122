#include "controlplane/cli/client.h"

#include <grp.h>
#include <httplib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <utility>

#include "controlplane/api/control.h"
#include "dataplane/base/error.h"
#include "dataplane/base/fd.h"

namespace xk::cli {
namespace {

using api::Json;

// The daemon gives up first, and says what it is at.
constexpr time_t kAnswerSeconds = (api::kAnswerWait + std::chrono::seconds(30)).count();

// A daemon that closes early must not end the tool by a signal.
class IgnoreSigpipe {
 public:
  IgnoreSigpipe() {
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, &before_);
  }
  ~IgnoreSigpipe() { sigaction(SIGPIPE, &before_, nullptr); }
  IgnoreSigpipe(const IgnoreSigpipe&) = delete;
  IgnoreSigpipe& operator=(const IgnoreSigpipe&) = delete;

 private:
  struct sigaction before_{};
};

// "group netops" of the socket, or nothing if the group has no access or no name.
std::string group_hint(const std::string& path) {
  struct stat file{};
  if (stat(path.c_str(), &file) != 0 || (file.st_mode & S_IWGRP) == 0 || file.st_gid == 0) return "";
  std::array<char, 16384> buffer{};
  group entry{};
  group* found = nullptr;
  if (getgrgid_r(file.st_gid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return "";
  return ", or as a member of group " + std::string(entry.gr_name);
}

ClientError unreachable(const std::string& path, int number) {
  const std::string start =
      "start it: systemctl start xdp-kead, or: xdp-kead --config /etc/xdp-kea/xdp-kea.toml";
  const std::string elsewhere = "if it listens elsewhere: -s SOCKET, or XDP_KEA_API_SOCKET=SOCKET";
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return {ExitCode::no_daemon, {"xdp-kead is not running: there is no socket " + path, start, elsewhere}};
    case ECONNREFUSED:
      if (struct stat file{}; stat(path.c_str(), &file) == 0 && !S_ISSOCK(file.st_mode)) {
        return {ExitCode::no_daemon, {path + " is no socket", elsewhere}};
      }
      return {ExitCode::no_daemon,
              {"xdp-kead is not running: nobody listens on " + path + " any more", start, elsewhere}};
    case EACCES:
    case EPERM:
      return {ExitCode::no_permission,
              {"no permission to use " + path, "run it as root (sudo)" + group_hint(path),
               "who may is set by appliance.api_socket_mode and appliance.api_group"}};
    default:
      return {ExitCode::no_daemon,
              {"cannot reach xdp-kead at " + errno_error(path, number).message, elsewhere}};
  }
}

// The library does not say why it cannot connect, so a connection is tried first.
std::optional<ClientError> probe(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return ClientError{ExitCode::usage,
                       {"socket path '" + path + "': 1 to " + std::to_string(sizeof address.sun_path - 1) +
                        " bytes are allowed"}};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return ClientError{ExitCode::refused, {errno_error("socket").message}};
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return std::nullopt;
  return unreachable(path, errno);
}

ClientError refused(int status, const std::string& body) {
  ClientError error{status == 404 ? ExitCode::not_found : ExitCode::refused, {}};
  if (const auto json = api::parse_json(body, api::kAnswerBytesMax)) {
    if (auto errors = api::from_json<api::ErrorsBody>(*json)) error.messages = std::move(errors->errors);
  }
  if (error.messages.empty())
    error.messages = {"the daemon answered with HTTP status " + std::to_string(status)};
  return error;
}

}  // namespace

std::expected<Json, ClientError> Client::send(const char* method, const std::string& target,
                                              const std::string& body) const {
  if (auto problem = probe(socket_)) return std::unexpected(std::move(*problem));

  const IgnoreSigpipe ignore;
  httplib::ClientImpl client(socket_, 80);
  client.set_address_family(AF_UNIX);
  client.set_read_timeout(kAnswerSeconds);
  std::string answer;
  bool too_big = false;
  httplib::Request request;
  request.method = method;
  request.path = target;
  request.headers = {
      {"Host", "localhost"}, {"Accept", "application/json"}, {"Content-Type", "application/json"}};
  request.body = body;
  request.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
    too_big = answer.size() + size > api::kAnswerBytesMax;
    if (!too_big) answer.append(data, size);
    return !too_big;
  };
  const auto result = client.send(request);
  const auto bad = [this](const std::string& what) {
    return std::unexpected(ClientError{ExitCode::bad_answer,
                                       {"no usable answer from " + socket_ + ": " + what,
                                        "is an xdp-kead of this version listening there?"}});
  };
  if (too_big) return bad("longer than " + std::to_string(api::kAnswerBytesMax) + " bytes");
  if (!result)
    return bad("the connection ended or took too long (" + httplib::to_string(result.error()) + ")");
  if (result->status < 200 || result->status > 299) return std::unexpected(refused(result->status, answer));
  auto json = api::parse_json(answer, api::kAnswerBytesMax);
  if (!json) return bad(json.error().message);
  return std::move(*json);
}

std::expected<Json, ClientError> Client::get(const std::string& target) const {
  return send("GET", target, "");
}

std::expected<Json, ClientError> Client::post(const std::string& target, const std::string& body) const {
  return send("POST", target, body);
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kUnreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (kUnreserved.contains(c)) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return encoded;
}

}  // namespace xk::cli
