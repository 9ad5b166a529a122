#include "tests/packets/snapshot_text.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "tests/packets/packet_text.h"

namespace xk::test {
namespace {

using Words = std::vector<std::string>;

std::unexpected<Error> bad_line(std::string message) { return std::unexpected(Error{std::move(message)}); }

// Reads key=value pairs; the first that fails is the error.
class Pairs {
 public:
  explicit Pairs(const std::string& pair) {
    const std::size_t equals = pair.find('=');
    key_ = pair.substr(0, equals);
    value_ = equals == std::string::npos ? "" : pair.substr(equals + 1);
  }
  [[nodiscard]] bool is(std::string_view key) const { return key_ == key; }
  [[nodiscard]] std::uint32_t number() { return take(parse_number(value_)); }
  [[nodiscard]] Ip4 address() { return take(parse_ip4(value_)); }
  [[nodiscard]] Mac mac() { return take(parse_mac(value_)); }
  [[nodiscard]] Prefix4 prefix() { return take(parse_prefix4(value_)); }
  [[nodiscard]] bool flag() { return number() != 0; }
  [[nodiscard]] std::string text() const {
    std::string text = value_;
    std::erase(text, '"');
    return text;
  }
  [[nodiscard]] std::string bytes() {
    const auto value = take(parse_value({value_}, 0));
    return {value.begin(), value.end()};
  }
  [[nodiscard]] std::string rendered() const {
    std::string value = text();
    for (std::size_t at = value.find("{mac}"); at != std::string::npos; at = value.find("{mac}"))
      value.replace(at, 5, 1, kMacPlaceholder);
    return value;
  }
  [[nodiscard]] VlanTag tag() {
    const std::size_t at = value_.find('@');
    VlanTag tag{Vid{static_cast<std::uint16_t>(take(parse_number(value_.substr(0, at))))}, 0x8100};
    if (at != std::string::npos)
      tag.tpid = static_cast<std::uint16_t>(take(parse_number("0x" + value_.substr(at + 1))));
    return tag;
  }
  [[nodiscard]] std::vector<Ip4> addresses() {
    std::vector<Ip4> found;
    std::string rest = value_;
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      found.push_back(take(parse_ip4(rest.substr(0, comma))));
      rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    }
    return found;
  }
  template <typename Choice>
  [[nodiscard]] Choice choice(std::initializer_list<std::pair<std::string_view, Choice>> choices) {
    for (const auto& [name, value] : choices)
      if (value_ == name) return value;
    error_ = Error{"no choice: " + value_};
    return Choice{};
  }
  void unknown() { error_ = Error{"no key: " + key_}; }
  [[nodiscard]] std::expected<void, Error> done() const {
    if (!error_.message.empty()) return std::unexpected(Error{error_}.in(key_));
    return {};
  }

 private:
  template <typename T>
  T take(std::expected<T, Error> parsed) {
    if (parsed) return *parsed;
    error_ = parsed.error();
    return T{};
  }
  std::string key_, value_;
  Error error_;
};

std::expected<void, Error> set_port(PortEntry& port, Pairs pair) {
  if (pair.is("name"))
    port.name = pair.text();
  else if (pair.is("mac"))
    port.mac = pair.mac();
  else if (pair.is("mtu"))
    port.mtu = static_cast<std::uint16_t>(pair.number());
  else
    pair.unknown();
  return pair.done();
}

std::expected<void, Error> set_vrf(VrfEntry& vrf, Pairs pair) {
  if (pair.is("name"))
    vrf.name = pair.text();
  else if (pair.is("engine"))
    vrf.engine =
        pair.choice<Engine>({{"kea", Engine::kea}, {"relay", Engine::relay}, {"native", Engine::native}});
  else if (pair.is("server_vrf"))
    vrf.server_vrf = VrfId{pair.number()};
  else if (pair.is("giaddr"))
    vrf.giaddr = pair.address();
  else if (pair.is("server_mode"))
    vrf.server_mode = pair.choice<ServerMode>(
        {{"all", ServerMode::all}, {"failover", ServerMode::failover}, {"hash", ServerMode::hash}});
  else if (pair.is("draining"))
    vrf.draining = pair.flag();
  else if (pair.is("static_leases"))
    vrf.static_leases = pair.flag();
  else if (pair.is("hops_max"))
    vrf.hops_max = static_cast<std::uint8_t>(pair.number());
  else if (pair.is("link_selection"))
    vrf.link_selection = pair.flag();
  else if (pair.is("server_id_override"))
    vrf.server_id_override = pair.flag();
  else if (pair.is("relay_flags"))
    vrf.relay_flags = pair.flag();
  else if (pair.is("vss")) {
    const std::string text = pair.text();
    const auto type = parse_number(text.substr(0, text.find(':')));
    if (!type) return std::unexpected(type.error());
    vrf.vss = VssEntry{true, static_cast<std::uint8_t>(*type), text.substr(text.find(':') + 1)};
  } else
    pair.unknown();
  return pair.done();
}

std::expected<void, Error> set_attachment(AttachmentEntry& entry, Pairs pair) {
  if (pair.is("port"))
    entry.port = PortId{static_cast<std::uint16_t>(pair.number())};
  else if (pair.is("vrf"))
    entry.vrf = VrfId{pair.number()};
  else if (pair.is("role"))
    entry.role = pair.choice<AttachmentRole>({{"client", AttachmentRole::client},
                                              {"server", AttachmentRole::server},
                                              {"handoff", AttachmentRole::handoff}});
  else if (pair.is("outer"))
    entry.outer = pair.tag();
  else if (pair.is("inner"))
    entry.inner = pair.tag();
  else if (pair.is("trusted"))
    entry.trusted = pair.flag();
  else if (pair.is("answer_arp"))
    entry.answer_arp = pair.flag();
  else if (pair.is("server_identifier"))
    entry.server_identifier = pair.address();
  else if (pair.is("relay_address"))
    entry.relay_address = pair.address();
  else if (pair.is("link_address"))
    entry.link_address = pair.address();
  else if (pair.is("subnet"))
    entry.subnet = pair.prefix();
  else if (pair.is("local"))
    entry.local_addresses = pair.addresses();
  else if (pair.is("circuit_id"))
    entry.circuit_id = pair.rendered();
  else if (pair.is("remote_id"))
    entry.remote_id = pair.rendered();
  else if (pair.is("policy"))
    entry.policy = pair.choice<Option82Policy>({{"append", Option82Policy::append},
                                                {"replace", Option82Policy::replace},
                                                {"keep", Option82Policy::keep},
                                                {"drop", Option82Policy::drop}});
  else
    pair.unknown();
  return pair.done();
}

std::expected<void, Error> set_server(ServerEntry& server, Pairs pair) {
  if (pair.is("via"))
    server.via = AttachmentId{pair.number()};
  else if (pair.is("next_hop"))
    server.next_hop = pair.mac();
  else if (pair.is("source"))
    server.source = pair.address();
  else
    pair.unknown();
  return pair.done();
}

template <typename Entry, typename Set>
std::expected<void, Error> set_all(Entry& entry, const Words& words, std::size_t from, Set set) {
  for (std::size_t i = from; i < words.size(); ++i)
    if (auto done = set(entry, Pairs(words[i])); !done) return done;
  return {};
}

std::expected<void, Error> add_attachment(NamedSnapshot& named, const Words& words, std::uint32_t id) {
  AttachmentEntry entry;
  entry.id = AttachmentId{id};
  for (std::size_t i = 2; i < words.size(); ++i) {
    const Pairs pair(words[i]);
    if (pair.is("name")) {
      named.attachments[pair.text()] = entry.id;
    } else if (auto done = set_attachment(entry, pair); !done) {
      return done;
    }
  }
  named.snapshot.attachments.push_back(std::move(entry));
  return {};
}

std::expected<void, Error> add_server(NamedSnapshot& named, const Words& words, std::uint32_t vrf_id) {
  const auto address = words.size() > 2 ? parse_ip4(words[2]) : bad_line("server VRF-ID ADDRESS");
  if (!address) return std::unexpected(address.error());
  for (VrfEntry& vrf : named.snapshot.vrfs) {
    if (vrf.id.value != vrf_id) continue;
    ServerEntry server{.address = *address};
    if (auto done = set_all(server, words, 3, set_server); !done) return done;
    vrf.servers.push_back(server);
    return {};
  }
  return bad_line("no VRF " + words[1]);
}

std::expected<void, Error> set_subnet(SubnetEntry& subnet, Pairs pair) {
  if (pair.is("server_identifier"))
    subnet.server_identifier = pair.address();
  else if (pair.is("lease"))
    subnet.lease_time_s = pair.number();
  else if (pair.is("renew"))
    subnet.renew_s = pair.number();
  else if (pair.is("rebind"))
    subnet.rebind_s = pair.number();
  else if (pair.is("options"))
    subnet.options = pair.bytes();
  else
    pair.unknown();
  return pair.done();
}

std::expected<void, Error> add_subnet(NamedSnapshot& named, const Words& words, std::uint32_t vrf_id) {
  const auto prefix = words.size() > 2 ? parse_prefix4(words[2]) : bad_line("subnet VRF-ID PREFIX");
  if (!prefix) return std::unexpected(prefix.error());
  const auto vrf = std::ranges::find(named.snapshot.vrfs, VrfId{vrf_id}, &VrfEntry::id);
  if (vrf == named.snapshot.vrfs.end()) return bad_line("no VRF " + words[1]);
  SubnetEntry subnet;
  subnet.prefix = *prefix;
  if (auto done = set_all(subnet, words, 3, set_subnet); !done) return done;
  vrf->subnets.push_back(std::move(subnet));
  return {};
}

struct StaticText {
  StaticLease lease;
  std::optional<std::string> circuit_id, remote_id;
};

std::expected<void, Error> set_static(StaticText& text, Pairs pair) {
  if (pair.is("mac")) {
    const Mac mac = pair.mac();
    text.lease.identity.assign(mac.bytes.begin(), mac.bytes.end());
  } else if (pair.is("client_id")) {
    text.lease.kind = StaticKind::client_id;
    text.lease.identity = pair.bytes();
  } else if (pair.is("circuit_id")) {
    text.circuit_id = pair.text();
  } else if (pair.is("remote_id")) {
    text.remote_id = pair.text();
  } else if (pair.is("address")) {
    text.lease.address = pair.address();
  } else if (pair.is("options")) {
    text.lease.options = pair.bytes();
  } else {
    pair.unknown();
  }
  return pair.done();
}

std::expected<void, Error> add_static(NamedSnapshot& named, const Words& words, std::uint32_t vrf_id) {
  StaticText text;
  text.lease.vrf = VrfId{vrf_id};
  if (auto done = set_all(text, words, 2, set_static); !done) return done;
  if (text.circuit_id) {
    text.lease.kind = StaticKind::circuit;
    text.lease.identity = text.remote_id ? static_circuit_identity(*text.circuit_id, *text.remote_id)
                                         : static_circuit_identity(*text.circuit_id);
  }
  named.static_leases.push_back(std::move(text.lease));
  return {};
}

std::expected<void, Error> change(NamedSnapshot& named, const Words& words) {
  if (words.size() < 3) return bad_line("set KIND NAME key=value");
  Snapshot& snapshot = named.snapshot;
  if (words[1] == "vrf")
    for (VrfEntry& vrf : snapshot.vrfs)
      if (vrf.name == words[2]) return set_all(vrf, words, 3, set_vrf);
  if (words[1] == "port")
    for (PortEntry& port : snapshot.ports)
      if (port.name == words[2]) return set_all(port, words, 3, set_port);
  if (words[1] == "attachment" && named.attachments.contains(words[2]))
    for (AttachmentEntry& entry : snapshot.attachments)
      if (entry.id == named.attachments.at(words[2])) return set_all(entry, words, 3, set_attachment);
  return bad_line("set: no " + words[1] + " " + words[2]);
}

}  // namespace

std::expected<void, Error> NamedSnapshot::apply(std::string_view line) {
  const Words split = words(line);
  if (split.empty()) return {};
  if (split[0] == "set") return change(*this, split);
  if (split.size() < 2) return bad_line("no entry: " + split[0]);
  const auto id = parse_number(split[1]);
  if (!id) return std::unexpected(id.error());
  if (split[0] == "port") {
    PortEntry port;
    port.id = PortId{static_cast<std::uint16_t>(*id)};
    port.kind = PortKind::sim;
    if (auto done = set_all(port, split, 2, set_port); !done) return done;
    snapshot.ports.push_back(std::move(port));
    return {};
  }
  if (split[0] == "vrf") {
    VrfEntry vrf;
    vrf.id = vrf.server_vrf = VrfId{*id};
    if (auto done = set_all(vrf, split, 2, set_vrf); !done) return done;
    snapshot.vrfs.push_back(std::move(vrf));
    return {};
  }
  if (split[0] == "attachment") return add_attachment(*this, split, *id);
  if (split[0] == "server") return add_server(*this, split, *id);
  if (split[0] == "subnet") return add_subnet(*this, split, *id);
  if (split[0] == "static") return add_static(*this, split, *id);
  return bad_line("no entry: " + split[0]);
}

}  // namespace xk::test
