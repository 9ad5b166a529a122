#include "controlplane/leases/relay_info.h"

#include <algorithm>

#include "controlplane/leases/record.h"
#include "dataplane/base/bytes.h"

namespace xk::leases {
namespace {

constexpr std::uint8_t kCircuitId = 1;
constexpr std::uint8_t kRemoteId = 2;

// The text in the quotes that follow.
std::string_view quoted(std::string_view text) {
  const std::size_t from = text.find('"');
  if (from == text.npos) return {};
  const std::size_t to = text.find('"', from + 1);
  return to == text.npos ? std::string_view() : text.substr(from + 1, to - from - 1);
}

// The hex digits of the sub-options. A look for the member's name does: its value is plain hex digits, and
// the context is read for each lease that is given.
std::string_view digits_of(std::string_view context) {
  for (const std::string_view member : {R"("sub-options":)", R"("relay-agent-info":)"}) {
    std::string_view rest = context;
    for (std::size_t at = rest.find(member); at != rest.npos; at = rest.find(member)) {
      rest = rest.substr(at + member.size());
      const std::string_view value = quoted(rest);
      if (value.starts_with("0x")) return value.substr(2);
    }
  }
  return {};
}

}  // namespace

RelayInfo relay_info_of(std::string_view user_context) {
  RelayInfo info;
  std::string compact(user_context);
  std::erase(compact, ' ');
  const auto bytes = bytes_of_hex(digits_of(compact));
  if (!bytes) return info;
  ByteReader reader(Bytes(reinterpret_cast<const std::uint8_t*>(bytes->data()), bytes->size()));
  while (reader.left() >= 2) {
    const std::uint8_t code = reader.u8();
    const Bytes value = reader.take(reader.u8());
    if (!reader.ok()) break;
    if (code == kCircuitId) info.circuit_id.assign(value.begin(), value.end());
    if (code == kRemoteId) info.remote_id.assign(value.begin(), value.end());
  }
  return info;
}

}  // namespace xk::leases
