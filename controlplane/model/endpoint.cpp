#include "controlplane/model/endpoint.h"

#include <arpa/inet.h>

#include <charconv>

namespace xk {

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  Endpoint endpoint;
  const std::string_view digits = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), endpoint.port);
  if (error != std::errc{} || end != digits.data() + digits.size() || endpoint.port == 0) return std::nullopt;
  std::string_view address = text.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
    endpoint.ip6 = true;
  }
  endpoint.address = address;
  in6_addr parsed{};
  if (::inet_pton(endpoint.ip6 ? AF_INET6 : AF_INET, endpoint.address.c_str(), &parsed) != 1)
    return std::nullopt;
  return endpoint;
}

}  // namespace xk
