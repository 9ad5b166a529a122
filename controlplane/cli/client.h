// The API as the tool sees it: one request, one connection, bounded answers.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/api/views_json.h"
#include "controlplane/cli/exit_codes.h"

namespace xk::cli {

inline constexpr const char* kDefaultSocket = "/run/xdp-kea/api.sock";

struct ClientError {
  ExitCode code = ExitCode::refused;
  std::vector<std::string> messages;  // lines for a person, at least one
};

class Client {
 public:
  explicit Client(std::string socket) : socket_(std::move(socket)) {}

  // target: path and query, already percent-encoded.
  [[nodiscard]] std::expected<api::Json, ClientError> get(const std::string& target) const;
  [[nodiscard]] std::expected<api::Json, ClientError> post(const std::string& target,
                                                           const std::string& body) const;

 private:
  [[nodiscard]] std::expected<api::Json, ClientError> send(const char* method, const std::string& target,
                                                           const std::string& body) const;
  std::string socket_;
};

// Everything but unreserved characters as %XX (RFC 3986 2.1).
[[nodiscard]] std::string percent_encoded(std::string_view text);

}  // namespace xk::cli
