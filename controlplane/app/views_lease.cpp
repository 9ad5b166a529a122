// Leases as the store has them.
#include <algorithm>

#include "controlplane/app/views.h"

namespace xk::kead {

api::HaView ha_view(const HaStatus& status) {
  return {.enabled = true,
          .name = status.name,
          .state = status.session ? "in touch" : "silent",
          .silent_since_unix_s = status.silent_unix_ms / 1000,
          .trouble = status.trouble,
          .appliances = status.appliances,
          .takeovers = status.takeovers};
}

void add_standings(const HaStatus& status, std::vector<api::VrfView>& vrfs) {
  for (api::VrfView& vrf : vrfs) {
    const auto found = status.vrfs.find(vrf.name);
    if (found == status.vrfs.end()) continue;
    vrf.standing = ha::to_string(found->second.standing);
    vrf.active_on = found->second.active;
    vrf.active_since_unix_s = found->second.since_unix_ms / 1000;
    vrf.standby_reason = found->second.reason;
  }
}

api::StoreView store_view(const store::Health& health) {
  return {.backend = health.backend,
          .where = health.where,
          .state = health.available ? "available" : "unavailable",
          .trouble = health.trouble,
          .revision = health.revision,
          .queued = health.queued,
          .commits = health.commits,
          .syncs = health.syncs,
          .failures = health.failures};
}

void add_gates(const std::vector<leases::GateStatus>& gates, std::vector<api::KeaView>& keas) {
  for (api::KeaView& kea : keas) {
    const auto gate = std::ranges::find(gates, kea.vrf, &leases::GateStatus::name);
    if (gate == gates.end()) continue;
    kea.gated = gate->connected;
    kea.lease_changes = gate->changes;
    kea.acks_withheld = gate->figures.withheld;
    kea.leases_queued = gate->figures.queued;
    if (kea.last_error.empty()) kea.last_error = gate->trouble;
  }
}

api::LeaseView lease_view(const leases::Record& record, std::uint64_t now_unix_s, std::uint64_t grace_s) {
  const auto expires = record.expires_unix_s();
  // Kea reclaims a lease some time after its end, and tells then.
  const bool over = expires && static_cast<std::uint64_t>(*expires) <= now_unix_s;
  const auto end = static_cast<std::uint64_t>(record.start_unix_s) + record.valid_lifetime_s;
  const std::uint64_t kept_s = record.state == leases::State::declined ? 0 : grace_s;
  return {
      .vrf = record.vrf,
      .address = to_string(record.address),
      .mac = leases::colon_hex(record.hardware_address),
      .client_id = leases::hex(record.client_id),
      .hostname = record.hostname,
      .state = record.state != leases::State::expired && over ? "expired" : leases::to_string(record.state),
      .subnet = record.subnet.length == 0 ? "" : to_string(record.subnet),
      .attachment = record.attachment,
      .lease_time_s = record.valid_lifetime_s,
      .expires_unix_s = end,
      .server = record.engine,
      .start_unix_s = static_cast<std::uint64_t>(record.start_unix_s),
      .kept_until_unix_s = end + kept_s,
      .circuit_id = record.circuit_id,
      .remote_id = record.remote_id};
}

}  // namespace xk::kead
