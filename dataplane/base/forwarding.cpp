#include "dataplane/base/forwarding.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string>

#include "bpf/shared/limits.h"

namespace xk {
namespace {

constexpr std::size_t kCircuitIdMax = 255;

std::unexpected<Error> broken(std::string message) { return std::unexpected(Error{std::move(message)}); }

template <typename Word>
Word load(const char* at) {
  Word word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// Whole words, so that nothing is put together in memory first.
std::uint64_t circuit_hash(VrfId server_vrf, std::string_view text) {
  constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15u;
  std::uint64_t hash = (server_vrf.value + text.size() + 1) * kMultiplier;
  const auto mix = [&hash](std::uint64_t word) { hash = (std::rotl(hash, 29) ^ word) * kMultiplier; };
  for (; text.size() >= 8; text.remove_prefix(8)) mix(load<std::uint64_t>(text.data()));
  if (text.size() >= 4) {
    mix(load<std::uint32_t>(text.data()));
    text.remove_prefix(4);
  }
  for (const char c : text) mix(static_cast<unsigned char>(c));
  hash ^= hash >> 32;
  return hash == 0 ? 1 : hash;
}

std::string name_of(const AttachmentEntry& attachment) {
  return "attachment " + std::to_string(attachment.id.value);
}

// Replaces every copy of the MAC's text in from by the placeholder; returns the bytes written, 0
// if there was no copy. to holds as many bytes as from.
std::size_t replace_mac(std::string_view from, const Mac& mac, char* to) {
  const auto text = mac_text(mac);
  const std::string_view needle(text.data(), text.size());
  std::size_t written = 0;
  bool found = false;
  while (!from.empty()) {
    if (from.starts_with(needle)) {
      to[written++] = kMacPlaceholder;
      from.remove_prefix(needle.size());
      found = true;
    } else {
      to[written++] = from.front();
      from.remove_prefix(1);
    }
  }
  return found ? written : 0;
}

// A MAC's text somewhere in the text: one a client could have, at or after a position.
std::optional<std::pair<Mac, std::size_t>> mac_in(std::string_view text, std::size_t from) {
  for (; from + kMacTextLength <= text.size(); ++from) {
    const auto mac = parse_mac(text.substr(from, kMacTextLength));
    if (mac && std::string_view(mac_text(*mac).data(), kMacTextLength) == text.substr(from, kMacTextLength))
      return std::pair{*mac, from};
  }
  return std::nullopt;
}

}  // namespace

void FlatIndex::reset(std::size_t keys) {
  const std::size_t size = std::bit_ceil(std::max<std::size_t>(keys, 1) * 2);
  slots_.assign(size, Slot{});
  mask_ = size - 1;
}

bool FlatIndex::insert(std::uint64_t key, std::uint32_t value, std::uint32_t second) {
  std::size_t at = start(key);
  for (; slots_[at].key != 0; at = (at + 1) & mask_)
    if (slots_[at].key == key) return false;
  slots_[at] = Slot{key, value, second};
  return true;
}

std::expected<std::unique_ptr<const Forwarding>, Error> Forwarding::make(Snapshot snapshot) {
  std::unique_ptr<Forwarding> forwarding(new Forwarding(std::move(snapshot)));
  if (auto indexed = forwarding->index(); !indexed) return std::unexpected(std::move(indexed).error());
  return forwarding;
}

std::expected<void, Error> Forwarding::index() {
  if (auto ids = index_ids(); !ids) return ids;
  for (const AttachmentEntry& attachment : snapshot_.attachments) {
    if (port(attachment.port) == nullptr) return broken(name_of(attachment) + ": its port does not exist");
    if (vrf(attachment.vrf) == nullptr) return broken(name_of(attachment) + ": its VRF does not exist");
  }
  for (const VrfEntry& entry : snapshot_.vrfs) {
    if (vrf(entry.server_vrf) == nullptr)
      return broken("vrf " + entry.name + ": its server VRF does not exist");
    for (const ServerEntry& server : entry.servers) {
      const AttachmentEntry* via = attachment(server.via);
      if (server.via.value != 0 && (via == nullptr || via->role == AttachmentRole::client))
        return broken("vrf " + entry.name + ": server " + to_string(server.address) +
                      " is behind no server or handoff attachment");
    }
  }
  if (auto natives = index_natives(); !natives) return natives;
  index_addresses();
  index_ways();
  return index_circuit_ids();
}

std::expected<void, Error> Forwarding::index_natives() {
  if (snapshot_.natives.empty()) return {};
  std::vector<bool> seen(XK_VRFS_MAX + 1);
  probes_.resize(XK_VRFS_MAX + 1);
  for (const NativeVrf& native : snapshot_.natives) {
    const VrfEntry* entry = vrf(native.vrf);
    if (entry == nullptr) return broken("a native engine is of a VRF that does not exist");
    if (const auto wrong = wrong_with_native(native, *entry); !wrong.empty())
      return broken("vrf " + entry->name + ": " + std::string(wrong));
    if (seen[native.vrf.value]) return broken("vrf " + entry->name + ": it has two native engines");
    seen[native.vrf.value] = true;
    probes_[native.vrf.value] = native.probe;
  }
  return {};
}

std::expected<void, Error> Forwarding::index_ids() {
  const auto place = [](std::vector<std::uint32_t>& by_id, std::uint32_t id, std::size_t position) {
    if (id >= by_id.size()) by_id.resize(id + 1);
    if (by_id[id] != 0) return false;
    by_id[id] = static_cast<std::uint32_t>(position + 1);
    return true;
  };
  for (std::size_t i = 0; i < snapshot_.ports.size(); ++i) {
    const PortEntry& entry = snapshot_.ports[i];
    if (auto checked = check_port(entry); !checked)
      return std::unexpected(std::move(checked).error().in("port " + entry.name));
    if (!place(port_by_id_, entry.id.value, i)) return broken("port " + entry.name + ": its id is taken");
  }
  for (std::size_t i = 0; i < snapshot_.vrfs.size(); ++i) {
    const VrfEntry& entry = snapshot_.vrfs[i];
    if (auto checked = check_vrf(entry); !checked)
      return std::unexpected(std::move(checked).error().in("vrf " + entry.name));
    if (!place(vrf_by_id_, entry.id.value, i)) return broken("vrf " + entry.name + ": its id is taken");
  }
  by_place_.reset(snapshot_.attachments.size());
  for (std::size_t i = 0; i < snapshot_.attachments.size(); ++i) {
    const AttachmentEntry& entry = snapshot_.attachments[i];
    if (auto checked = check_attachment(entry); !checked)
      return std::unexpected(std::move(checked).error().in(name_of(entry)));
    if (!place(attachment_by_id_, entry.id.value, i)) return broken(name_of(entry) + ": its id is taken");
    if (!by_place_.insert(place_key(entry.port, entry.outer.vid.value, entry.inner.vid.value),
                          static_cast<std::uint32_t>(i), entry.vrf.value))
      return broken(name_of(entry) + ": another attachment has its port and VLANs");
  }
  return {};
}

void Forwarding::index_addresses() {
  std::size_t addresses = 0;
  for (const AttachmentEntry& entry : snapshot_.attachments) addresses += 2 + entry.local_addresses.size();
  std::size_t servers = 0;
  std::size_t late = 0;
  for (const VrfEntry& entry : snapshot_.vrfs) {
    servers += entry.servers.size();
    late += entry.late_servers.size();
  }
  local_.reset(addresses);
  own_.reset(2 * (addresses + servers + snapshot_.vrfs.size()));
  servers_.reset(servers);
  late_servers_.reset(late);
  servers_in_.reset(servers + late);

  const auto own = [this](const VrfEntry& entry, Ip4 address) {
    if (address.is_zero()) return;
    own_.insert(address_key(entry.id.value, address), 1);
    own_.insert(address_key(entry.server_vrf.value, address), 1);
  };
  const auto local = [&](const AttachmentEntry& entry, Ip4 address) {
    if (address.is_zero()) return;
    local_.insert(address_key(entry.id.value, address), 1);
    own(*vrf(entry.vrf), address);
  };
  for (const AttachmentEntry& entry : snapshot_.attachments) {
    local(entry, entry.relay_address);
    local(entry, entry.server_identifier);
    for (const Ip4 address : entry.local_addresses) local(entry, address);
  }
  for (const VrfEntry& entry : snapshot_.vrfs) {
    own(entry, entry.giaddr);
    for (std::uint32_t i = 0; i < entry.servers.size(); ++i) {
      const ServerEntry& server = entry.servers[i];
      own(entry, server.source);
      servers_.insert(address_key(entry.id.value, server.address), i);
      servers_in_.insert(address_key(entry.server_vrf.value, server.address), 1);
    }
    for (const Ip4 server : entry.late_servers) {
      late_servers_.insert(address_key(entry.id.value, server), 1);
      servers_in_.insert(address_key(entry.server_vrf.value, server), 1);
    }
  }
}

void Forwarding::index_ways() {
  ways_from_.push_back(0);
  for (const VrfEntry& entry : snapshot_.vrfs) {
    for (const ServerEntry& server : entry.servers) {
      Way way{.server = server, .port = {}, .outer = {}, .inner = {}, .there = false};
      if (const AttachmentEntry* via = attachment(server.via)) {
        way.port = via->port;
        way.outer = via->outer;
        way.inner = via->inner;
        way.there = true;
      }
      ways_.push_back(way);
    }
    ways_from_.push_back(static_cast<std::uint32_t>(ways_.size()));
  }
}

std::expected<void, Error> Forwarding::index_circuit_ids() {
  circuits_.assign(std::bit_ceil(std::max<std::size_t>(snapshot_.attachments.size(), 1) * 2), CircuitSlot{});
  mac_in_circuits_.assign(vrf_by_id_.size(), false);
  const std::size_t mask = circuits_.size() - 1;
  const auto client = [](const AttachmentEntry& entry) {
    return entry.role == AttachmentRole::client && !entry.circuit_id.empty();
  };
  const auto clash = [](const AttachmentEntry& one, const AttachmentEntry& other) {
    return broken(name_of(one) + " and " + name_of(other) +
                  ": their circuit-ids do not tell them apart for a server they share");
  };
  for (std::size_t i = 0; i < snapshot_.attachments.size(); ++i) {
    const AttachmentEntry& entry = snapshot_.attachments[i];
    if (!client(entry)) continue;
    const VrfId server_vrf = vrf(entry.vrf)->server_vrf;
    if (const AttachmentEntry* other = find_circuit(server_vrf, entry.circuit_id))
      return clash(*other, entry);
    const std::uint64_t hash = circuit_hash(server_vrf, entry.circuit_id);
    std::size_t at = hash & mask;
    while (circuits_[at].hash != 0) at = (at + 1) & mask;
    circuits_[at] = CircuitSlot{hash, static_cast<std::uint32_t>(i)};
    if (entry.circuit_id.find(kMacPlaceholder) != std::string::npos)
      mac_in_circuits_[server_vrf.value] = true;
  }
  // A circuit-id that spells out a MAC must not be what another one becomes for that client.
  std::array<char, kCircuitIdMax> replaced{};
  for (const AttachmentEntry& entry : snapshot_.attachments) {
    if (!client(entry)) continue;
    const VrfId server_vrf = vrf(entry.vrf)->server_vrf;
    if (!mac_in_circuits_[server_vrf.value]) continue;
    for (auto mac = mac_in(entry.circuit_id, 0); mac; mac = mac_in(entry.circuit_id, mac->second + 1)) {
      const std::size_t length = replace_mac(entry.circuit_id, mac->first, replaced.data());
      const AttachmentEntry* other = find_circuit(server_vrf, {replaced.data(), length});
      if (other != nullptr) return clash(*other, entry);
    }
  }
  return {};
}

const AttachmentEntry* Forwarding::find_circuit(VrfId server_vrf, std::string_view text) const {
  const std::uint64_t hash = circuit_hash(server_vrf, text);
  const std::size_t mask = circuits_.size() - 1;
  for (std::size_t at = hash & mask; circuits_[at].hash != 0; at = (at + 1) & mask) {
    if (circuits_[at].hash != hash) continue;
    const AttachmentEntry& entry = snapshot_.attachments[circuits_[at].attachment];
    if (entry.circuit_id == text && vrf(entry.vrf)->server_vrf == server_vrf) return &entry;
  }
  return nullptr;
}

const AttachmentEntry* Forwarding::by_circuit_id(VrfId server_vrf, Bytes circuit_id,
                                                 const Mac& chaddr) const {
  const std::string_view text(reinterpret_cast<const char*>(circuit_id.data()), circuit_id.size());
  // The placeholder itself never leaves us.
  if (text.empty() || text.size() > kCircuitIdMax || text.find(kMacPlaceholder) != std::string_view::npos)
    return nullptr;
  if (const AttachmentEntry* exact = find_circuit(server_vrf, text)) return exact;
  if (server_vrf.value >= mac_in_circuits_.size() || !mac_in_circuits_[server_vrf.value]) return nullptr;
  std::array<char, kCircuitIdMax> replaced;
  const std::size_t length = replace_mac(text, chaddr, replaced.data());
  return length == 0 ? nullptr : find_circuit(server_vrf, {replaced.data(), length});
}

}  // namespace xk
