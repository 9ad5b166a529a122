// "127.0.0.1:9547", "[::1]:9547": an address to listen at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace xk {

struct Endpoint {
  std::string address;  // numeric
  bool ip6 = false;
  std::uint16_t port = 0;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// nullopt: it is none. Port 0 is none either.
[[nodiscard]] std::optional<Endpoint> parse_endpoint(std::string_view text);

}  // namespace xk
