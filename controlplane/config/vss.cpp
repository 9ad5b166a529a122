#include "controlplane/config/vss.h"

#include <cstdint>

#include "dataplane/base/hex.h"

namespace xk::config {
namespace {

constexpr std::uint8_t kTypeName = 0;  // RFC 6607 3.5
constexpr std::uint8_t kTypeVpnId = 1;
constexpr std::uint8_t kTypeGlobal = 255;
constexpr std::size_t kNameMax = 64;
constexpr std::string_view kNamePrefix = "name:";
constexpr std::string_view kVpnIdPrefix = "vpn-id:";

std::unexpected<Error> refused(std::string text) { return std::unexpected(Error{std::move(text)}); }

// Adds the bytes of hex digits; false: something else.
bool add_hex(std::string_view digits, std::string& bytes) {
  const auto read = digits.contains(':') ? std::nullopt : read_hex(digits);
  if (read) bytes += *read;
  return read.has_value();
}

}  // namespace

std::expected<VssEntry, Error> parse_vss(std::string_view text) {
  if (text.empty()) return VssEntry{};
  if (text == "global") return VssEntry{true, kTypeGlobal, ""};
  if (text.starts_with(kNamePrefix)) {
    const std::string_view name = text.substr(kNamePrefix.size());
    if (name.empty() || name.size() > kNameMax) {
      return refused("has a name of " + std::to_string(name.size()) + " characters; 1 to 64 are allowed");
    }
    for (const char c : name) {
      if (c < ' ' || c > '~') return refused("has a character that is not printable ASCII (RFC 6607 3.5)");
    }
    return VssEntry{true, kTypeName, std::string(name)};
  }
  if (text.starts_with(kVpnIdPrefix)) {
    const std::string_view id = text.substr(kVpnIdPrefix.size());
    VssEntry vss{true, kTypeVpnId, ""};
    if (id.size() != 15 || id[6] != ':' || !add_hex(id.substr(0, 6), vss.value) ||
        !add_hex(id.substr(7), vss.value)) {
      return refused(
          "is no VPN-ID; it is a 3-byte OUI and a 4-byte index in hex (RFC 2685), as in "
          "\"vpn-id:00005e:0000002a\"");
    }
    return vss;
  }
  return refused(
      "is no VSS setting; allowed: \"\" (none), \"global\", \"name:TEXT\" or \"vpn-id:OUI:INDEX\"");
}

std::string vss_text(const VssEntry& vss) {
  if (!vss.enabled) return "";
  if (vss.type == kTypeGlobal) return "global";
  if (vss.type == kTypeName) return std::string(kNamePrefix) + vss.value;
  std::string hex;
  append_hex(hex, vss.value);
  return std::string(kVpnIdPrefix) + hex.substr(0, 6) + ":" + (hex.size() > 6 ? hex.substr(6) : "");
}

}  // namespace xk::config
