// From what Kea says to what is kept.
#include "controlplane/leases/gate.h"
#include "controlplane/leases/relay_info.h"

namespace xk::leases {

Record record_of(const LeaseChange& change, const VrfFacts& facts) {
  Record record;
  record.vrf = facts.name;
  record.address = change.address;
  record.subnet_id = change.subnet_id;
  if (const auto subnet = facts.subnets.find(change.subnet_id); subnet != facts.subnets.end())
    record.subnet = subnet->second;
  record.state = change.cause == Cause::expired || change.state == KeaLeaseState::reclaimed ? State::expired
                 : change.state == KeaLeaseState::declined                                  ? State::declined
                                                                                            : State::active;
  record.start_unix_s = change.cltt_unix_s;
  record.valid_lifetime_s = change.valid_lifetime_s;
  record.hardware_type = change.hardware_type;
  record.fqdn_forward = change.fqdn_forward;
  record.fqdn_reverse = change.fqdn_reverse;
  record.hardware_address = change.hardware_address;
  record.client_id = change.client_id;
  record.hostname = change.hostname;
  record.user_context = change.user_context;
  const RelayInfo relay = relay_info_of(change.user_context);
  record.circuit_id = relay.circuit_id;
  record.remote_id = relay.remote_id;
  record.attachment = facts.attachments.find(relay.circuit_id, colon_hex(change.hardware_address));
  record.engine = "kea";
  record.set_by = to_string(change.cause);
  return record;
}

store::Operation operation_of(const LeaseChange& change, const VrfFacts& facts) {
  store::Operation operation;
  operation.key = lease_key(facts.name, change.address);
  if (change.erased)
    operation.kind = store::Operation::Kind::erase;
  else
    operation.value = to_json(record_of(change, facts));
  return operation;
}

}  // namespace xk::leases
