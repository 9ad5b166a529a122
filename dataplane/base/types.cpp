#include "dataplane/base/types.h"

#include <charconv>
#include <optional>

#include "dataplane/base/hex.h"

namespace xk {
namespace {

// A decimal number without sign, leading zeros or anything after it.
std::optional<std::uint32_t> decimal(std::string_view text, std::uint32_t max) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  std::uint32_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size() || number > max) return std::nullopt;
  return number;
}

std::unexpected<Error> no_such(std::string_view text, std::string_view what) {
  std::string message;
  message.append("\"").append(text).append("\" is no ").append(what);
  return std::unexpected(Error{std::move(message)});
}

}  // namespace

std::string to_string(const Mac& mac) {
  const auto text = mac_text(mac);
  return {text.data(), text.size()};
}

std::string to_string(Ip4 address) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    text += std::to_string(address.value >> shift & 0xffu);
    if (shift != 0) text += '.';
  }
  return text;
}

std::string to_string(const Prefix4& prefix) {
  return to_string(prefix.network) + "/" + std::to_string(prefix.length);
}

std::string to_string(const Range4& range) { return to_string(range.first) + "-" + to_string(range.last); }

std::string vlan_text(Vid outer, Vid inner) {
  if (outer.value == 0) return "-";
  if (inner.value == 0) return std::to_string(outer.value);
  return std::to_string(outer.value) + "." + std::to_string(inner.value);
}

std::expected<Mac, Error> parse_mac(std::string_view text) {
  constexpr std::string_view kWhat = "MAC address (like 02:00:00:00:00:01)";
  if (text.size() != kMacTextLength) return no_such(text, kWhat);
  Mac mac;
  for (std::size_t i = 0; i < mac.bytes.size(); ++i) {
    const int high = hex_digit(text[3 * i]);
    const int low = hex_digit(text[3 * i + 1]);
    if (high < 0 || low < 0) return no_such(text, kWhat);
    if (i + 1 < mac.bytes.size() && text[3 * i + 2] != ':') return no_such(text, kWhat);
    mac.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return mac;
}

std::expected<Ip4, Error> parse_ip4(std::string_view text) {
  constexpr std::string_view kWhat = "IPv4 address (like 10.0.0.1)";
  std::uint32_t value = 0;
  std::string_view rest = text;
  for (int i = 0; i < 4; ++i) {
    const std::size_t dot = i < 3 ? rest.find('.') : rest.size();
    if (dot == std::string_view::npos) return no_such(text, kWhat);
    const auto number = decimal(rest.substr(0, dot), 255);
    if (!number) return no_such(text, kWhat);
    value = value << 8 | *number;
    rest.remove_prefix(i < 3 ? dot + 1 : dot);
  }
  return Ip4{value};
}

std::expected<Prefix4, Error> parse_prefix4(std::string_view text) {
  constexpr std::string_view kWhat = "IPv4 prefix (like 10.0.0.0/24)";
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return no_such(text, kWhat);
  const auto network = parse_ip4(text.substr(0, slash));
  const auto length = decimal(text.substr(slash + 1), 32);
  if (!network || !length) return no_such(text, kWhat);
  const Prefix4 prefix{*network, static_cast<std::uint8_t>(*length)};
  if ((network->value & ~prefix.mask()) != 0) {
    const Prefix4 meant{Ip4{network->value & prefix.mask()}, prefix.length};
    return std::unexpected(Error{"\"" + std::string(text) + "\" has host bits set; " + to_string(meant) +
                                 " is the prefix it is in"});
  }
  return prefix;
}

std::expected<Range4, Error> parse_range4(std::string_view text) {
  constexpr std::string_view kWhat = "IPv4 address range (like 10.0.0.10-10.0.0.20)";
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return no_such(text, kWhat);
  const auto first = parse_ip4(text.substr(0, dash));
  const auto last = parse_ip4(text.substr(dash + 1));
  if (!first || !last) return no_such(text, kWhat);
  if (*last < *first) return std::unexpected(Error{"\"" + std::string(text) + "\" ends before it begins"});
  return Range4{*first, *last};
}

}  // namespace xk
