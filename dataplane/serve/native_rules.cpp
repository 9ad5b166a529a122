#include "dataplane/serve/native_rules.h"

#include <algorithm>
#include <bit>

#include "dataplane/base/text_bytes.h"

namespace xk {
namespace {

// Free addresses looked at for one client that turn out to be somebody's static lease.
constexpr int kCandidatesMax = 4096;

bool is_over(const Lease& lease, EngineSeconds now_s) {
  return lease.until_s != kEngineForEver && lease.until_s <= now_s;
}

bool is_of(const Lease& lease, const NativeQuestion& question) {
  return lease.state != LeaseState::free && lease.state != LeaseState::declined &&
         lease.client == question.client;
}

// Whether another client may have the address now.
bool is_to_be_had(const Lease& lease, EngineSeconds now_s) {
  return lease.state == LeaseState::free ||
         ((lease.state == LeaseState::offered || lease.state == LeaseState::leased) && is_over(lease, now_s));
}

bool is_static(const NativeQuestion& question, Ip4 address) {
  return question.statics != nullptr && question.statics->concerns(question.plan.vrf().id) &&
         question.statics->find(question.plan.vrf().id, address) != nullptr;
}

// Whether the pool is for clients like this one; paused ones are not asked about here.
bool is_for(const NativePool& pool, const NativeQuestion& question) {
  return pool.classes == 0 || (pool.classes & question.classes) != 0;
}

const SubnetEntry* subnet_on_link(const NativeQuestion& question, Ip4 address) {
  const SubnetEntry* subnet = subnet_of(question.plan.vrf(), address);
  if (subnet == nullptr || question.subnet == nullptr) return nullptr;
  const bool same =
      question.plan.on_one_link(question.plan.index_of(*subnet), question.plan.index_of(*question.subnet));
  return same ? subnet : nullptr;
}

bool is_paused_client(const NativeQuestion& question) {
  const NativePlan& plan = question.plan;
  return (!question.request.client_id.empty() &&
          plan.is_paused(StaticKind::client_id, text_of(question.request.client_id))) ||
         plan.is_paused(StaticKind::mac, text_of(question.request.chaddr.bytes));
}

// ---- how long ------------------------------------------------------------------------------------------

std::uint32_t lease_time_of(const NativeQuestion& question, const SubnetEntry& subnet) {
  if (question.request.type == MessageType::none) return kEngineForEver;
  std::uint32_t lease_s = subnet.lease_time_s;
  const auto& classes = question.plan.native().classes;
  for (std::uint32_t bits = question.classes; bits != 0; bits &= bits - 1)
    if (const std::uint32_t of_class = classes[static_cast<std::size_t>(std::countr_zero(bits))].lease_time_s;
        of_class != 0) {
      lease_s = of_class;
      break;
    }
  const NativeSubnet& native = question.plan.native().subnets[question.plan.index_of(subnet)];
  const std::uint32_t most = std::max(lease_s, native.lease_time_max_s);
  return std::clamp(question.request.lease_time_s, lease_s, most);
}

Decision give(const NativeQuestion& question, Act act, Lease& lease, const SubnetEntry& subnet) {
  Decision decision;
  decision.act = act;
  decision.lease = &lease;
  decision.subnet = &subnet;
  decision.lease_s = lease_time_of(question, subnet);
  return decision;
}

// ---- which address -------------------------------------------------------------------------------------

// The lease that the client has or had on its link, the most alive one.
Lease* own_lease(const NativeQuestion& question) {
  Lease* best = nullptr;
  int best_rank = 0;
  for (Lease* lease = question.leases.first_of(question.client); lease != nullptr;
       lease = question.leases.next_of(*lease)) {
    if (!is_of(*lease, question) || subnet_on_link(question, lease->address) == nullptr) continue;
    const NativePool* pool = question.plan.pool_of(lease->address);
    if (pool == nullptr || !is_for(*pool, question) || is_static(question, lease->address)) continue;
    const bool alive = !is_over(*lease, question.now_s);
    const int rank = alive && lease->state == LeaseState::leased ? 3 : alive ? 2 : 1;
    if (rank > best_rank) best = lease;
    best_rank = std::max(rank, best_rank);
  }
  return best;
}

// The record of an address that the client may be given although it is not its own, or nullptr.
Lease* takeable(const NativeQuestion& question, Ip4 address) {
  const NativePool* pool = question.plan.pool_of(address);
  if (pool == nullptr || pool->paused || !is_for(*pool, question)) return nullptr;
  if (subnet_on_link(question, address) == nullptr || is_static(question, address)) return nullptr;
  Lease* lease = question.leases.find(address);
  return lease != nullptr && is_to_be_had(*lease, question.now_s) ? lease : nullptr;
}

// Goes through addresses of a range, free ones or such whose lease is over.
class Search {
 public:
  Search(const NativeQuestion& question, bool expired) : question_(question), expired_(expired) {}

  Lease* in_subnet(std::uint32_t subnet) {
    for (const std::uint32_t index : question_.plan.pools_of(subnet)) {
      const NativePool& pool = question_.plan.native().pools[index];
      if (pool.paused || !is_for(pool, question_) || pool.ranges.empty()) continue;
      Lease* found = question_.plan.native().allocate == Allocate::hashed
                         ? hashed(pool, question_.plan.size_of(index))
                         : from_place(pool, 0, pool.ranges[0].first);
      if (found != nullptr) return found;
    }
    return nullptr;
  }

 private:
  Lease* in_range(const Range4& range, Ip4 from) {
    while (tries_ < kCandidatesMax) {
      Lease* lease =
          expired_ ? question_.leases.next_expired(range, from) : question_.leases.next_free(range, from);
      if (lease == nullptr) return nullptr;
      const bool good = !is_static(question_, lease->address) && is_to_be_had(*lease, question_.now_s);
      if (good) return lease;
      ++tries_;
      if (lease->address == range.last) return nullptr;
      from = Ip4{lease->address.value + 1};
    }
    return nullptr;
  }
  // From an address in one of the pool's ranges on, through those behind it, then those in front.
  Lease* from_place(const NativePool& pool, std::size_t first, Ip4 from) {
    for (std::size_t i = 0; i <= pool.ranges.size(); ++i) {
      const std::size_t at = (first + i) % pool.ranges.size();
      const bool again = i == pool.ranges.size();
      if (again && from == pool.ranges[first].first) break;
      const Ip4 begin = i == 0 ? from : pool.ranges[at].first;
      if (Lease* found = in_range(pool.ranges[at], begin)) return found;
    }
    return nullptr;
  }
  Lease* hashed(const NativePool& pool, std::uint64_t size) {
    std::uint64_t at = question_.client.high % size;
    std::size_t range = 0;
    while (at >= pool.ranges[range].size()) at -= pool.ranges[range++].size();
    return from_place(pool, range, Ip4{pool.ranges[range].first.value + static_cast<std::uint32_t>(at)});
  }

  const NativeQuestion& question_;
  bool expired_;
  int tries_ = 0;
};

Lease* any_address(const NativeQuestion& question) {
  for (const bool expired : {false, true}) {
    Search search(question, expired);
    for (const std::uint32_t subnet : question.plan.link_of(question.plan.index_of(*question.subnet)))
      if (Lease* found = search.in_subnet(subnet)) return found;
  }
  return nullptr;
}

// ---- who may -------------------------------------------------------------------------------------------

// own: a lease of the client's that is over, or null. It may be counted still, until a sweep has seen it.
bool over_limit(const NativeQuestion& question, const Lease* own) {
  const NativeVrf& native = question.plan.native();
  const auto full = [own](std::uint32_t most, const GroupCounts& counts, std::uint32_t key,
                          std::uint32_t Lease::* group) {
    const bool counted = own != nullptr && own->counted && own->*group == key;
    return most != 0 && key != 0 && counts.of(key) >= most + (counted ? 1u : 0u);
  };
  return full(native.circuit_leases_max, question.leases.circuits(), question.circuit, &Lease::circuit) ||
         full(native.attachment_leases_max, question.leases.attachments(), question.attachment,
              &Lease::attachment);
}

// Who may have so many leases may have declined so many: one that declines whatever it gets has no pool.
bool declined_enough(const NativeQuestion& question) {
  const NativeVrf& native = question.plan.native();
  const auto full = [](std::uint32_t most, const GroupCounts& counts, std::uint32_t key) {
    return most != 0 && counts.of(GroupCounts::declined_key(key)) >= most;
  };
  return full(native.circuit_leases_max, question.leases.circuits(), question.circuit) ||
         full(native.attachment_leases_max, question.leases.attachments(), question.attachment);
}

bool all_paused(const NativeQuestion& question) {
  bool paused = false;
  for (const std::uint32_t subnet : question.plan.link_of(question.plan.index_of(*question.subnet)))
    for (const std::uint32_t index : question.plan.pools_of(subnet)) {
      const NativePool& pool = question.plan.native().pools[index];
      if (!is_for(pool, question)) continue;
      if (!pool.paused) return false;
      paused = true;
    }
  return paused;
}

// A new lease or one that is over, for a client that asked or sent a DISCOVER; act says what becomes of it.
Decision find_address(const NativeQuestion& question, Act act) {
  Lease* lease = own_lease(question);
  const bool has = lease != nullptr && !is_over(*lease, question.now_s);
  if (has && lease->state == LeaseState::leased)
    return give(question, act, *lease, *subnet_of(question.plan.vrf(), lease->address));
  if (is_paused_client(question)) return Decision::drop(XK_SERVE_PAUSED);
  if (!has && over_limit(question, lease)) return Decision::drop(XK_SERVE_LIMIT);
  if (lease != nullptr && question.plan.pool_of(lease->address)->paused) lease = nullptr;
  bool first = false;
  if (lease == nullptr) {
    if (!question.request.requested.is_zero()) lease = takeable(question, question.request.requested);
    if (lease == nullptr) lease = any_address(question);
    first = true;
  }
  if (lease == nullptr) return Decision::drop(all_paused(question) ? XK_SERVE_PAUSED : XK_SERVE_EXHAUSTED);
  Decision decision = give(question, act, *lease, *subnet_of(question.plan.vrf(), lease->address));
  decision.first_offer = first;
  return decision;
}

// ---- messages ------------------------------------------------------------------------------------------

// RFC 2131 4.3.1; RFC 4039 3.1.
Decision decide_discover(const NativeQuestion& question) {
  const bool at_once = question.request.rapid_commit && question.plan.native().rapid_commit;
  return find_address(question, at_once ? Act::commit : Act::offer);
}

// The client's lease of the address goes on.
Decision prolong(const NativeQuestion& question, Lease& lease, const SubnetEntry& subnet) {
  const NativePool* pool = question.plan.pool_of(lease.address);
  const bool alive = lease.state == LeaseState::leased && !is_over(lease, question.now_s);
  const bool paused = (pool != nullptr && pool->paused) || is_paused_client(question);
  const bool given_up = pool == nullptr || !is_for(*pool, question) || is_static(question, lease.address);
  if (given_up || (paused && !alive)) {
    if (!alive) return Decision::nak(given_up ? "address not available" : "no new leases");
    if (is_static(question, lease.address)) return Decision::nak("address reserved");
    Decision decision = give(question, Act::commit, lease, subnet);
    if (lease.until_s != kEngineForEver) {
      decision.lease_s = std::min(decision.lease_s, lease.until_s - question.now_s);
      decision.only_the_rest = true;
    }
    return decision;
  }
  if (paused && !question.plan.native().renew_paused) return Decision::nak("paused");
  if (!alive && lease.state == LeaseState::leased && over_limit(question, &lease))
    return Decision::drop(XK_SERVE_LIMIT);
  return give(question, Act::commit, lease, subnet);
}

// RFC 2131 4.3.2, DHCPREQUEST generated during SELECTING state.
Decision decide_selecting(const NativeQuestion& question) {
  const ServerRequest& request = question.request;
  Lease* held = own_lease(question);
  if (!is_us(request, question.forwarding, question.subnet, request.server_id)) {
    Decision decision = Decision::drop(XK_SERVE_SILENT);
    const bool offered = held != nullptr && held->state == LeaseState::offered;
    decision.lease = offered ? held : nullptr;
    decision.withdraw = offered;
    return decision;
  }
  const Ip4 asked = request.requested.is_zero() ? request.ciaddr : request.requested;
  const SubnetEntry* subnet = subnet_on_link(question, asked);
  if (subnet == nullptr) return Decision::nak("address of another network");
  Lease* lease = question.leases.find(asked);
  if (lease != nullptr && is_of(*lease, question)) {
    if ((lease->flags & kLeaseProbing) != 0) return Decision::drop(XK_SERVE_SILENT);
    return prolong(question, *lease, *subnet);
  }
  // Its offer is forgotten (a restart), and nobody else has it.
  if (is_paused_client(question)) return Decision::drop(XK_SERVE_PAUSED);
  lease = takeable(question, asked);
  if (lease == nullptr) return Decision::nak("address not available");
  const bool held_is_over = held != nullptr && is_over(*held, question.now_s);
  if (over_limit(question, held_is_over ? held : nullptr)) return Decision::drop(XK_SERVE_LIMIT);
  return give(question, Act::commit, *lease, *subnet);
}

// INIT-REBOOT, RENEWING and REBINDING: the client says what it has.
Decision decide_having(const NativeQuestion& question) {
  const ServerRequest& request = question.request;
  const bool authoritative = question.plan.native().authoritative;
  const bool rebooted = request.ciaddr.is_zero();
  const Ip4 asked = rebooted ? request.requested : request.ciaddr;
  if (!asked.is_unicast()) return Decision::drop(XK_SERVE_SILENT);
  const SubnetEntry* subnet = subnet_on_link(question, asked);
  if (subnet == nullptr)
    return authoritative || own_lease(question) != nullptr ? Decision::nak("address of another network")
                                                           : Decision::drop(XK_SERVE_SILENT);
  Lease* lease = question.leases.find(asked);
  if (lease != nullptr && is_of(*lease, question))
    return lease->state == LeaseState::leased ? prolong(question, *lease, *subnet)
                                              : Decision::drop(XK_SERVE_SILENT);
  // RFC 2131 4.3.2: with no record of the client the server must remain silent; what it says does not fit
  // where we know better: another has the address, or the client has another one.
  if (own_lease(question) != nullptr) return Decision::nak("another address is yours");
  const bool anothers = lease != nullptr && !is_to_be_had(*lease, question.now_s);
  if (authoritative && (anothers || !rebooted)) return Decision::nak("no such lease");
  return Decision::drop(XK_SERVE_SILENT);
}

Decision decide_request(const NativeQuestion& question) {
  return question.request.server_id.is_zero() ? decide_having(question) : decide_selecting(question);
}

// RFC 2131 4.3.3 and 4.3.4: from the holder only, to this server.
Decision decide_giving_back(const NativeQuestion& question, Act act, Ip4 address, Outcome done) {
  const ServerRequest& request = question.request;
  if (!request.server_id.is_zero() &&
      !is_us(request, question.forwarding, question.subnet, request.server_id))
    return Decision::drop(XK_SERVE_SILENT);
  Lease* lease = question.leases.find(address);
  if (lease == nullptr || !is_of(*lease, question)) return Decision::drop(done);
  const bool too_many = act == Act::decline && declined_enough(question);
  Decision decision;
  decision.act = too_many ? Act::release : act;
  decision.reason = too_many ? XK_SERVE_LIMIT : done;
  decision.lease = lease;
  return decision;
}

// RFC 2131 4.3.5: no lease is looked at. 3.4: an address of none of our networks is no reason to answer.
Decision decide_inform(const NativeQuestion& question) {
  if (!question.request.ciaddr.is_unicast()) return Decision::drop(XK_REPLY_NO_TARGET);
  Decision decision;
  decision.act = Act::inform;
  decision.subnet = subnet_of(question.plan.vrf(), question.request.ciaddr);
  return decision.subnet == nullptr ? Decision::drop(XK_SERVE_NO_SUBNET) : decision;
}

// RFC 1534 2: a lease without end.
Decision decide_bootp(const NativeQuestion& question) {
  if (!question.plan.native().bootp) return Decision::drop(XK_SERVE_BOOTP);
  Decision decision = find_address(question, Act::commit);
  if (decision.act == Act::drop) decision.reason = XK_SERVE_BOOTP;
  return decision;
}

}  // namespace

Decision decide(const NativeQuestion& question) {
  const ServerRequest& request = question.request;
  switch (request.type) {
    case MessageType::none:
      return decide_bootp(question);
    case MessageType::discover:
      return decide_discover(question);
    case MessageType::request:
      return decide_request(question);
    case MessageType::decline:
      return decide_giving_back(question, Act::decline, request.requested, XK_SERVE_DECLINED);
    case MessageType::release:
      return decide_giving_back(question, Act::release, request.ciaddr, XK_SERVE_RELEASED);
    case MessageType::inform:
      return decide_inform(question);
    default:
      return Decision::drop(XK_OPTION_MESSAGE_TYPE_BAD);
  }
}

}  // namespace xk
