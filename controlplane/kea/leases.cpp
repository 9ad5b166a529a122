#include "controlplane/kea/leases.h"

#include <limits>
#include <optional>

#include "controlplane/kea/json.h"
#include "dataplane/base/bytes.h"

namespace xk::kea {

namespace {

using nlohmann::json;

constexpr std::size_t kLeasesMax = 1 << 24;
constexpr std::uint8_t kCircuitId = 1;  // RFC 3046 2.0
constexpr std::uint8_t kRemoteId = 2;

// The bytes of "0a0b", "0x0a0b" or "0A:0b"; nothing if it is none of these.
std::optional<std::string> hex_bytes(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  std::string bytes;
  int high = -1;
  for (const char c : text) {
    if (c == ':' && high < 0) continue;
    int digit = 0;
    if (c >= '0' && c <= '9')
      digit = c - '0';
    else if (c >= 'a' && c <= 'f')
      digit = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F')
      digit = c - 'A' + 10;
    else
      return std::nullopt;
    if (high < 0) {
      high = digit;
    } else {
      bytes += static_cast<char>(high * 16 + digit);
      high = -1;
    }
  }
  if (high >= 0) return std::nullopt;
  return bytes;
}

std::string without_colons(std::string text) {
  std::erase(text, ':');
  return text;
}

// A member that is an unsigned number of at most max.
Result<std::uint64_t> number(const json& row, const char* name, std::uint64_t max) {
  const auto member = row.find(name);
  if (member == row.end() || !member->is_number_unsigned() || member->get<std::uint64_t>() > max)
    return std::unexpected(Error{std::string("a lease of Kea has no good '") + name + "'"});
  return member->get<std::uint64_t>();
}

// A member that is a text; empty if it is missing or something else.
std::string text(const json& row, const char* name) {
  const auto member = row.find(name);
  return member != row.end() && member->is_string() ? member->get<std::string>() : std::string();
}

const json* object(const json& parent, const char* name) {
  const auto member = parent.find(name);
  return member != parent.end() && member->is_object() ? &*member : nullptr;
}

void take_sub_options(const std::string& bytes, Lease& lease) {
  ByteReader reader(Bytes(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
  while (reader.left() >= 2) {
    const std::uint8_t code = reader.u8();
    const Bytes value = reader.take(reader.u8());
    if (!reader.ok()) return;
    const std::string copied(value.begin(), value.end());
    if (code == kCircuitId) lease.circuit_id = copied;
    if (code == kRemoteId) lease.remote_id = copied;
  }
}

// {"ISC": {"relay-agent-info": "0x0104..."}} in 2.2, {"ISC": {"relay-agent-info": {"sub-options":
// "0x0104...", ...}}} from 2.4 on.
void take_relay_agent_info(const json& row, Lease& lease) {
  const json* context = object(row, "user-context");
  const json* isc = context == nullptr ? nullptr : object(*context, "ISC");
  if (isc == nullptr) return;
  const json* info = object(*isc, "relay-agent-info");
  const std::string hex = info == nullptr ? text(*isc, "relay-agent-info") : text(*info, "sub-options");
  if (const auto bytes = hex_bytes(hex)) take_sub_options(*bytes, lease);
}

Result<Lease> parse_lease(const json& row) {
  if (!row.is_object()) return std::unexpected(Error{"a lease of Kea is not an object"});
  Lease lease;
  const auto address = parse_ip4(text(row, "ip-address"));
  if (!address) return std::unexpected(Error(address.error()).in("a lease of Kea has no good 'ip-address'"));
  lease.address = *address;
  constexpr std::uint64_t u32_max = std::numeric_limits<std::uint32_t>::max();
  // A time that cannot overflow when a lifetime is added.
  const auto cltt = number(row, "cltt", std::numeric_limits<std::uint64_t>::max() / 2);
  const auto lifetime = number(row, "valid-lft", u32_max);
  const auto subnet = number(row, "subnet-id", u32_max);
  const auto state = number(row, "state", u32_max);
  for (const auto* field : {&cltt, &lifetime, &subnet, &state}) {
    if (!*field) return std::unexpected(Error(field->error()).in(to_string(lease.address)));
  }
  lease.cltt_unix_s = *cltt;
  lease.valid_lifetime_s = static_cast<std::uint32_t>(*lifetime);
  lease.subnet_id = static_cast<std::uint32_t>(*subnet);
  lease.state = *state == 0 ? LeaseState::active : *state == 1 ? LeaseState::declined : LeaseState::expired;
  lease.mac = text(row, "hw-address");
  lease.client_id = without_colons(text(row, "client-id"));
  lease.hostname = text(row, "hostname");
  take_relay_agent_info(row, lease);
  return lease;
}

}  // namespace

std::string lease_page_request(Ip4 from, std::uint32_t limit) {
  return json{{"command", "lease4-get-page"},
              {"arguments", {{"from", from.is_zero() ? "start" : to_string(from)}, {"limit", limit}}}}
      .dump();
}

Result<LeasePage> parse_lease_page(std::string_view text_of_answer, std::uint32_t limit) {
  const auto answer = parse_answer(text_of_answer);
  if (!answer) return std::unexpected(answer.error());
  LeasePage page;
  if (answer->result == 3) {
    page.last = true;
    return page;
  }
  if (answer->result == 2)
    return std::unexpected(Error{"Kea cannot list leases: its hook libdhcp_lease_cmds.so is not loaded"});
  if (answer->result != 0) return std::unexpected(Error{"Kea cannot list leases: " + answer->text});
  const auto rows =
      answer->arguments.is_object() ? answer->arguments.find("leases") : answer->arguments.end();
  if (!answer->arguments.is_object() || rows == answer->arguments.end() || !rows->is_array())
    return std::unexpected(Error{"Kea's answer has no list of leases"});
  for (const json& row : *rows) {
    auto lease = parse_lease(row);
    if (!lease) return std::unexpected(lease.error());
    page.leases.push_back(std::move(*lease));
  }
  page.last = page.leases.size() < limit;
  if (!page.leases.empty()) page.next_from = page.leases.back().address;
  return page;
}

std::string lease_delete_request(Ip4 address) {
  return json{{"command", "lease4-del"}, {"arguments", {{"ip-address", to_string(address)}}}}.dump();
}

Result<bool> parse_lease_deleted(std::string_view text_of_answer) {
  const auto answer = parse_answer(text_of_answer);
  if (!answer) return std::unexpected(answer.error());
  if (answer->result == 0 || answer->result == 3) return answer->result == 0;
  if (answer->result == 2)
    return std::unexpected(Error{"Kea cannot delete leases: its hook libdhcp_lease_cmds.so is not loaded"});
  return std::unexpected(Error{"Kea did not delete the lease: " + answer->text});
}

Result<std::vector<Lease>> list_leases(KeaServers& servers, VrfId vrf) {
  std::vector<Lease> all;
  Ip4 from{};
  for (;;) {
    const auto answer = servers.command(vrf, lease_page_request(from));
    if (!answer) return std::unexpected(answer.error());
    auto page = parse_lease_page(*answer);
    if (!page) return std::unexpected(page.error());
    all.insert(all.end(), std::make_move_iterator(page->leases.begin()),
               std::make_move_iterator(page->leases.end()));
    if (page->last) return all;
    // Addresses ascend; anything else would go round for ever.
    if (page->next_from <= from) return std::unexpected(Error{"Kea's pages of leases do not advance"});
    if (all.size() > kLeasesMax) return std::unexpected(Error{"Kea lists too many leases"});
    from = page->next_from;
  }
}

}  // namespace xk::kea
