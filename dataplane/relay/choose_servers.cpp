#include "dataplane/relay/choose_servers.h"

#include <bit>

#include "dataplane/dhcp/frame.h"
#include "dataplane/dhcp/message4.h"
#include "dataplane/dhcp/options4.h"
#include "dataplane/relay/mix.h"
#include "dataplane/relay/server_health.h"

namespace xk {
namespace {

constexpr std::uint64_t kMsPerS = 1000;

constexpr std::uint64_t bit(std::size_t index) { return std::uint64_t{1} << index; }

std::uint64_t client_hash(const Message4View& message, const Options4& options) {
  if (options.client_id.length == 0) return mix(message.chaddr().number());
  std::uint64_t hash = options.client_id.length;
  for (const std::uint8_t byte : message.bytes().subspan(options.client_id.value(), options.client_id.length))
    hash = (std::rotl(hash, 8) ^ byte) * 0x9e3779b97f4a7c15u;
  return mix(hash);
}

// Rendezvous hashing (Thaler and Ravishankar, 1998): the candidate of the highest weight.
std::size_t heaviest(const VrfEntry& vrf, std::uint64_t candidates, std::uint64_t client) {
  std::size_t best = 0;
  std::uint64_t best_weight = 0;
  for (std::uint64_t left = candidates; left != 0; left &= left - 1) {
    const auto index = static_cast<std::size_t>(std::countr_zero(left));
    const std::uint64_t weight = mix(client ^ mix(vrf.servers[index].address.value));
    if (left != candidates && weight <= best_weight) continue;
    best = index;
    best_weight = weight;
  }
  return best;
}

bool is_probe(MessageType type) { return type == MessageType::discover || type == MessageType::inform; }

}  // namespace

std::uint64_t choose_servers(const Received& received, std::span<ServerSlot* const> slots) {
  const VrfEntry& vrf = *received.vrf;
  const std::size_t count = vrf.servers.size();
  const std::uint64_t all = count == 0 ? 0 : ~std::uint64_t{0} >> (64 - count);
  for (ServerSlot* slot : slots) judge_server(*slot, received.now_ms, vrf.dead_after_s * kMsPerS);
  if (count <= 1 || vrf.server_mode == ServerMode::all) return all;

  const auto datagram = check_datagram4(received.frame, received.headers);
  if (!datagram) return bit(0);
  const auto message = Message4View::parse(datagram->payload, dhcp4::kBootRequest);
  if (!message) return bit(0);
  const auto options = scan_options4(message->bytes());
  if (!options) return bit(0);

  std::uint64_t usable = 0;
  std::uint64_t to_probe = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const ServerEntry& server = vrf.servers[i];
    if (!options->server_id.is_zero() && options->server_id == server.address) return bit(i);
    if (server.via.value == 0 || server.next_hop.is_zero()) continue;
    if (!is_dead(*slots[i]))
      usable |= bit(i);
    else if (is_probe(options->type) &&
             is_probe_due(*slots[i], received.now_ms, vrf.probe_interval_s * kMsPerS))
      to_probe |= bit(i);
  }
  if (usable == 0) return all;
  if (vrf.server_mode == ServerMode::failover) return (usable & -usable) | to_probe;
  const std::uint64_t client = client_hash(*message, *options);
  const std::uint64_t own = bit(heaviest(vrf, usable, client));
  return to_probe == 0 ? own : own | (to_probe & bit(heaviest(vrf, usable | to_probe, client)));
}

}  // namespace xk
