#include "controlplane/leases/pauses.h"

#include <array>
#include <charconv>

#include "controlplane/leases/record.h"

namespace xk::leases {
namespace {

constexpr std::array<std::string_view, 3> kKinds{"pool", "mac", "client-id"};
constexpr std::size_t kClientMax = 255;
constexpr std::string_view kValueHead = R"({"v":1,"since":)";

std::string hex_address(Ip4 address) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(address.value >> shift & 0xff);
  return hex(bytes);
}

bool read_address(std::string_view text, Ip4& out) {
  if (text.size() != 8) return false;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out.value, 16);
  return failed == std::errc{} && end == text.data() + text.size();
}

bool read_who(std::string_view text, Pause& out) {
  if (out.kind == PauseKind::pool)
    return text.size() == 17 && text[8] == '-' && read_address(text.substr(0, 8), out.pool.first) &&
           read_address(text.substr(9), out.pool.last) && out.pool.first <= out.pool.last;
  const auto bytes = bytes_of_hex(text);
  if (!bytes || bytes->empty() || bytes->size() > kClientMax || text.contains(':')) return false;
  out.client = *bytes;
  return true;
}

}  // namespace

std::string_view to_string(PauseKind kind) { return kKinds.at(static_cast<std::size_t>(kind)); }

std::string who_of(const Pause& pause) {
  if (pause.kind == PauseKind::pool) return to_string(pause.pool);
  return pause.kind == PauseKind::mac ? colon_hex(pause.client) : hex(pause.client);
}

std::string pause_key(const Pause& pause) {
  std::string key(kPausePrefix);
  key += pause.vrf;
  key += '/';
  key += to_string(pause.kind);
  key += '/';
  key += pause.kind == PauseKind::pool ? hex_address(pause.pool.first) + "-" + hex_address(pause.pool.last)
                                       : hex(pause.client);
  return key;
}

std::string pause_value(const Pause& pause) {
  return std::string(kValueHead) + std::to_string(pause.since_unix_s) + "}";
}

std::expected<Pause, Error> parse_pause_key(std::string_view key) {
  const auto refuse = [&] {
    return std::unexpected(Error{"'" + std::string(key.substr(0, 200)) + "' is no key of a pause"});
  };
  if (!key.starts_with(kPausePrefix)) return refuse();
  const std::string_view rest = key.substr(kPausePrefix.size());
  const std::size_t first = rest.find('/');
  const std::size_t second = first == rest.npos ? rest.npos : rest.find('/', first + 1);
  if (first == 0 || second == rest.npos) return refuse();
  Pause pause;
  pause.vrf = rest.substr(0, first);
  const std::string_view kind = rest.substr(first + 1, second - first - 1);
  std::size_t number = 0;
  while (number < kKinds.size() && kKinds.at(number) != kind) ++number;
  if (number == kKinds.size()) return refuse();
  pause.kind = static_cast<PauseKind>(number);
  if (!read_who(rest.substr(second + 1), pause)) return refuse();
  return pause;
}

std::expected<Pause, Error> parse_pause(std::string_view key, std::string_view value) {
  auto pause = parse_pause_key(key);
  if (!pause) return pause;
  const auto refuse = [&] {
    return std::unexpected(Error{"the value of '" + std::string(key.substr(0, 200)) + "' is no pause"});
  };
  if (!value.starts_with(kValueHead)) return refuse();
  value.remove_prefix(kValueHead.size());
  const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), pause->since_unix_s);
  const std::string_view rest(end, static_cast<std::size_t>(value.data() + value.size() - end));
  // A later version may have more members.
  if (failed != std::errc{} || pause->since_unix_s < 0 || !rest.ends_with('}')) return refuse();
  return pause;
}

std::string paused_text(const std::vector<Pause>& pauses, bool renewals) {
  std::string text = renewals ? "xdp-kea-paused 1 allow\n" : "xdp-kea-paused 1 deny\n";
  for (const Pause& pause : pauses) {
    text += to_string(pause.kind);
    text += ' ';
    text += pause.kind == PauseKind::pool ? to_string(pause.pool) : hex(pause.client);
    text += '\n';
  }
  return text + "end\n";
}

std::string paused_file_of(const std::string& directory, const std::string& vrf) {
  return directory + "/" + vrf + ".paused";
}

}  // namespace xk::leases
