#include "controlplane/config/write_value.h"

#include <array>
#include <cstdio>

namespace xk::config {
namespace {

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      std::array<char, 8> escape{};
      const int length = std::snprintf(escape.data(), escape.size(), "\\u%04x", byte);
      out.append(escape.data(), static_cast<std::size_t>(length));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace

std::string write_value(const std::string& value, const KeyInfo&) { return in_quotes(value); }
std::string write_value(bool value, const KeyInfo&) { return value ? "true" : "false"; }
std::string write_value(std::uint32_t value, const KeyInfo&) { return std::to_string(value); }
std::string write_value(Choice value, const KeyInfo& key) {
  return in_quotes(value.index < key.words.size() ? key.words[value.index] : "");
}
std::string write_value(Ip4 value, const KeyInfo&) { return in_quotes(to_string(value)); }
std::string write_value(const Prefix4& value, const KeyInfo&) { return in_quotes(to_string(value)); }
std::string write_value(const Range4& value, const KeyInfo&) { return in_quotes(to_string(value)); }
std::string write_value(const Mac& value, const KeyInfo&) { return in_quotes(to_string(value)); }
std::string write_value(const VlanIds& value, const KeyInfo&) {
  return in_quotes(value.outer.value == 0 ? "none" : vlan_text(value.outer, value.inner));
}
std::string write_value(Tpid value, const KeyInfo&) {
  return value.value == 0x88a8 ? "\"0x88a8\"" : "\"0x8100\"";
}
std::string write_value(FileMode value, const KeyInfo&) {
  std::array<char, 16> text{};
  const int length = std::snprintf(text.data(), text.size(), "%04o", value.value);
  return in_quotes({text.data(), static_cast<std::size_t>(length)});
}

}  // namespace xk::config
