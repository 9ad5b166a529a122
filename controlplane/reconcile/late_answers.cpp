#include "controlplane/reconcile/late_answers.h"

#include <algorithm>
#include <set>
#include <vector>

namespace xk {
namespace {

template <typename Id>
using Ends = std::map<std::pair<Id, Ip4>, std::uint64_t>;
template <typename Id>
using Had = std::map<Id, std::set<Ip4>>;

Had<AttachmentId> addresses_of(const Snapshot& snapshot) {
  Had<AttachmentId> out;
  for (const AttachmentEntry& entry : snapshot.attachments) {
    if (entry.role != AttachmentRole::server) continue;
    out[entry.id] = {entry.local_addresses.begin(), entry.local_addresses.end()};
  }
  return out;
}

Had<VrfId> servers_of(const Snapshot& snapshot) {
  Had<VrfId> out;
  for (const VrfEntry& entry : snapshot.vrfs) {
    std::set<Ip4>& servers = out[entry.id];
    for (const ServerEntry& server : entry.servers) servers.insert(server.address);
    servers.insert(entry.late_servers.begin(), entry.late_servers.end());
  }
  return out;
}

template <typename Id>
Ends<Id> given_up(const Had<Id>& before, const Ends<Id>& known, const Had<Id>& now, std::uint64_t now_ms) {
  Ends<Id> out;
  for (const auto& [id, addresses] : before) {
    const auto still = now.find(id);
    if (still == now.end()) continue;
    std::vector<std::pair<std::uint64_t, Ip4>> ends;
    for (const Ip4 address : addresses) {
      if (still->second.contains(address)) continue;
      const auto end = known.find({id, address});
      const std::uint64_t until = end == known.end() ? now_ms + kLateAnswersMs : end->second;
      if (until > now_ms) ends.emplace_back(until, address);
    }
    std::ranges::sort(ends, std::greater{});
    ends.resize(std::min(ends.size(), kLateAnswersMax));
    for (const auto& [until, address] : ends) out[{id, address}] = until;
  }
  return out;
}

}  // namespace

std::optional<std::uint64_t> LateAnswers::next_end_ms() const {
  std::optional<std::uint64_t> next;
  const auto consider = [&next](std::uint64_t end) { next = next ? std::min(*next, end) : end; };
  for (const auto& [key, end] : addresses) consider(end);
  for (const auto& [key, end] : servers) consider(end);
  return next;
}

LateAnswers late_answers(const Snapshot& before, const LateAnswers& known, const Snapshot& now,
                         std::uint64_t now_ms) {
  return {.addresses = given_up(addresses_of(before), known.addresses, addresses_of(now), now_ms),
          .servers = given_up(servers_of(before), known.servers, servers_of(now), now_ms)};
}

}  // namespace xk
