#include "controlplane/model/static_entry.h"

#include <algorithm>
#include <charconv>

#include "controlplane/model/option_bytes.h"

namespace xk {
namespace {

constexpr std::size_t kHostnameMax = 253;  // RFC 1035 2.3.4, as text
constexpr std::size_t kHostLabelMax = 63;
constexpr std::size_t kSubOptionMax = 255;
constexpr std::uint8_t kHostnameOption = 12;

std::unexpected<Error> wrong_entry(std::string message) { return std::unexpected(Error{std::move(message)}); }

std::expected<std::string, Error> line_bytes(const std::string& text, std::string_view what) {
  std::string bytes = text;
  if (text.starts_with("0x")) {
    auto decoded = bytes_of_hex(text);
    if (!decoded) return std::unexpected(std::move(decoded.error()).in(std::string(what)));
    bytes = std::move(*decoded);
  }
  if (bytes.size() > kSubOptionMax) return wrong_entry(std::string(what) + " is over 255 bytes");
  return bytes;
}

std::string line_text(std::string_view bytes) {
  const bool plain = std::ranges::all_of(bytes, [](char c) { return c > ' ' && c < 0x7f && c != '"'; });
  const bool inner_spaces =
      std::ranges::all_of(bytes, [](char c) { return c >= ' ' && c < 0x7f && c != '"'; }) &&
      !bytes.starts_with(' ') && !bytes.ends_with(' ');
  if ((plain || inner_spaces) && !bytes.starts_with("0x")) return std::string(bytes);
  return "0x" + hex_of_bytes(bytes);
}

std::expected<void, Error> set_line(const StaticTexts& texts, StaticEntry& entry) {
  const auto circuit = line_bytes(texts.circuit_id, "circuit-id");
  if (!circuit) return std::unexpected(circuit.error());
  entry.kind = StaticKind::circuit;
  if (texts.remote_id.empty()) {
    entry.identity = static_circuit_identity(*circuit);
    return {};
  }
  const auto remote = line_bytes(texts.remote_id, "remote-id");
  if (!remote) return std::unexpected(remote.error());
  entry.identity = static_circuit_identity(*circuit, *remote);
  return {};
}

std::expected<void, Error> set_identity(const StaticTexts& texts, StaticEntry& entry) {
  const bool line = !texts.circuit_id.empty() || !texts.remote_id.empty();
  const int given = (texts.mac.empty() ? 0 : 1) + (texts.client_id.empty() ? 0 : 1) + (line ? 1 : 0);
  if (given != 1)
    return wrong_entry(given == 0 ? "it does not say who: mac, client-id or circuit-id is needed"
                                  : "mac, client-id and circuit-id are three ways to say who: one is needed");
  if (line) return set_line(texts, entry);
  if (!texts.mac.empty()) {
    const auto mac = parse_mac(texts.mac);
    if (!mac) return std::unexpected(mac.error());
    if (!mac->is_unicast())
      return wrong_entry("\"" + texts.mac + "\" is no MAC address that one station can have");
    entry.kind = StaticKind::mac;
    entry.identity.assign(mac->bytes.begin(), mac->bytes.end());
    return {};
  }
  const auto bytes = bytes_of_hex(texts.client_id);
  if (!bytes) return std::unexpected(Error(bytes.error()).in("client-id"));
  if (bytes->empty() || bytes->size() > kSubOptionMax) return wrong_entry("client-id has not 1 to 255 bytes");
  entry.kind = StaticKind::client_id;
  entry.identity = *bytes;
  return {};
}

bool is_hostname(std::string_view name) {
  if (name.size() > kHostnameMax) return false;
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
      continue;
    }
    const bool fits =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!fits || ++label > kHostLabelMax) return false;
  }
  return label != 0;
}

std::string_view circuit_of(std::string_view identity) {
  return identity.substr(1, static_cast<std::uint8_t>(identity.front()));
}
// Empty: any.
std::string_view remote_of(std::string_view identity) {
  const std::string_view rest = identity.substr(1 + circuit_of(identity).size());
  return rest.empty() ? rest : rest.substr(1);
}

}  // namespace

std::string option_text(const OptionData& option) {
  const std::string name = option.code != 0 ? std::to_string(option.code) : option.name;
  return name + "=" + (option.hex ? "hex:" : "") + option.data;
}

std::expected<OptionData, Error> parse_option_text(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0)
    return wrong_entry("option \"" + std::string(text) +
                       "\" is none; give it as ntp-servers=10.0.0.9 or 43=hex:0102");
  OptionData option;
  const std::string_view name = text.substr(0, equals);
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), option.code);
  const bool number = error == std::errc{} && end == name.data() + name.size();
  if (!number) {
    option.code = 0;
    option.name = name;
  }
  std::string_view data = text.substr(equals + 1);
  if (data.starts_with("hex:")) {
    option.hex = true;
    data.remove_prefix(4);
  }
  option.data = data;
  return option;
}

std::expected<StaticEntry, Error> parse_static_identity(const StaticTexts& texts) {
  StaticEntry entry;
  entry.vrf = texts.vrf;
  if (texts.vrf.empty()) return wrong_entry("it does not say in which VRF");
  // It is a part of the key in the store.
  const auto in_names = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  };
  if (!std::ranges::all_of(texts.vrf, in_names))
    return wrong_entry("its VRF has a name that none can have: letters, digits, \"-\", \"_\" and \".\"");
  if (auto set = set_identity(texts, entry); !set) return std::unexpected(std::move(set.error()));
  return entry;
}

std::expected<StaticEntry, Error> parse_static(const StaticTexts& texts) {
  auto entry = parse_static_identity(texts);
  if (!entry) return entry;
  if (!texts.address.empty()) {
    const auto address = parse_ip4(texts.address);
    if (!address) return std::unexpected(address.error());
    if (!address->is_unicast()) return wrong_entry(texts.address + " is no address that a host can have");
    entry->address = *address;
  }
  if (!texts.hostname.empty() && !is_hostname(texts.hostname))
    return wrong_entry("\"" + texts.hostname + "\" is no host name: letters, digits, - and _ between dots");
  entry->hostname = texts.hostname;
  for (const std::string& text : texts.options) {
    auto option = parse_option_text(text);
    if (!option) return std::unexpected(std::move(option.error()));
    const auto same = [&](const OptionData& other) { return option_code(other) == option_code(*option); };
    if (std::ranges::any_of(entry->options, same)) return wrong_entry("option " + text + " is there twice");
    entry->options.push_back(std::move(*option));
  }
  // Any VRF's id does: it is a trial.
  if (auto rendered = render_static(*entry, VrfId{1}); !rendered)
    return std::unexpected(std::move(rendered.error()));
  return entry;
}

StaticTexts texts_of(const StaticEntry& entry) {
  StaticTexts texts;
  texts.vrf = entry.vrf;
  switch (entry.kind) {
    case StaticKind::mac: {
      Mac mac;
      std::copy_n(entry.identity.begin(), mac.bytes.size(), reinterpret_cast<char*>(mac.bytes.data()));
      texts.mac = to_string(mac);
      break;
    }
    case StaticKind::client_id:
      texts.client_id = hex_of_bytes(entry.identity);
      break;
    case StaticKind::circuit: {
      texts.circuit_id = line_text(circuit_of(entry.identity));
      const std::string_view remote = remote_of(entry.identity);
      if (!remote.empty()) texts.remote_id = line_text(remote);
      break;
    }
  }
  if (!entry.address.is_zero()) texts.address = to_string(entry.address);
  texts.hostname = entry.hostname;
  for (const OptionData& option : entry.options) texts.options.push_back(option_text(option));
  return texts;
}

std::string identity_text(const StaticEntry& entry) {
  const StaticTexts texts = texts_of(entry);
  if (!texts.mac.empty()) return "mac " + texts.mac;
  if (!texts.client_id.empty()) return "client-id " + texts.client_id;
  return "circuit-id " + texts.circuit_id + (texts.remote_id.empty() ? "" : " remote-id " + texts.remote_id);
}

std::expected<StaticLease, Error> render_static(const StaticEntry& entry, VrfId vrf) {
  StaticLease lease{vrf, entry.kind, entry.identity, entry.address, {}};
  if (!entry.hostname.empty()) lease.options = option_of(kHostnameOption, entry.hostname);
  for (const OptionData& option : entry.options) {
    if (!entry.hostname.empty() && option_code(option) == kHostnameOption)
      return wrong_entry("it has a host name and option 12, which are the same");
    const auto bytes = option_bytes(option);
    if (!bytes) return std::unexpected(bytes.error());
    lease.options += *bytes;
  }
  if (const std::string_view why = wrong_with_static_lease(lease); !why.empty())
    return wrong_entry(std::string(why));
  return lease;
}

std::string_view kind_word(StaticKind kind) {
  switch (kind) {
    case StaticKind::client_id:
      return "client-id";
    case StaticKind::mac:
      return "mac";
    case StaticKind::circuit:
      break;
  }
  return "circuit";
}

}  // namespace xk
