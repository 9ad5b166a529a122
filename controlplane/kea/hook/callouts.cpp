// libxdpkea_lease_gate.so: what Kea calls. No ACK leaves before its lease is durable: the packet is parked,
// the lease goes to xdp-kead, and the packet goes on when the answer is there.
//
// Where appliances share the VRF ("shared"), this one's Kea is told of the others' leases by a command
// (follow.h), and takes no packet before it is this appliance's turn.
//
// Parameters in Kea's configuration: "socket", "queue-file" (paths), "durability" ("strict", "available"),
// "decline-period" (seconds, as Kea's decline-probation-period: a callout is not told), "shared".
#include <cc/data.h>
#include <dhcp/pkt4.h>
#include <dhcpsrv/lease.h>
#include <exceptions/exceptions.h>
#include <hooks/hooks.h>
#include <hooks/parking_lots.h>
#include <util/multi_threading_mgr.h>

#include <chrono>
#include <exception>
#include <iostream>
#include <limits>
#include <memory>
#include <string>

#include "controlplane/kea/hook/follow.h"
#include "controlplane/kea/hook/gate_client.h"
#include "controlplane/kea/hook/main_thread.h"

namespace {

using isc::dhcp::Lease4;
using isc::dhcp::Lease4CollectionPtr;
using isc::dhcp::Lease4Ptr;
using isc::dhcp::Pkt4Ptr;
using isc::hooks::CalloutHandle;
using xk::leases::Cause;
using xk::leases::LeaseChange;

std::unique_ptr<xk::hook::GateClient> client;
std::uint32_t decline_period_s = 0;
// A Kea that was serving and has been told of another configuration goes on without losing a packet.
constexpr std::chrono::milliseconds kTurnWait{100};
std::unique_ptr<xk::hook::MainThread> main_thread;  // only where Kea has one thread

LeaseChange change_of(const Lease4& lease, Cause cause, bool erased) {
  LeaseChange change;
  change.erased = erased;
  change.cause = cause;
  change.state = lease.state_ == Lease4::STATE_DECLINED            ? xk::leases::KeaLeaseState::declined
                 : lease.state_ == Lease4::STATE_EXPIRED_RECLAIMED ? xk::leases::KeaLeaseState::reclaimed
                                                                   : xk::leases::KeaLeaseState::active;
  change.address = xk::Ip4{lease.addr_.toUint32()};
  change.subnet_id = lease.subnet_id_;
  change.cltt_unix_s = lease.cltt_;
  change.valid_lifetime_s = lease.valid_lft_;
  change.fqdn_forward = lease.fqdn_fwd_;
  change.fqdn_reverse = lease.fqdn_rev_;
  if (lease.hwaddr_) {
    change.hardware_type = static_cast<std::uint8_t>(lease.hwaddr_->htype_);
    change.hardware_address.assign(lease.hwaddr_->hwaddr_.begin(), lease.hwaddr_->hwaddr_.end());
  }
  if (lease.client_id_)
    change.client_id.assign(lease.client_id_->getClientId().begin(), lease.client_id_->getClientId().end());
  change.hostname = lease.hostname_;
  if (lease.getContext()) change.user_context = lease.getContext()->str();
  return change;
}

void send(const Lease4& lease, Cause cause, bool erased) {
  client->submit({change_of(lease, cause, erased)}, [](bool) {});
}

// Kea's output, which xdp-kead puts into Kea's log file.
void say(const std::string& text) { std::cerr << "libxdpkea_lease_gate: " + text + "\n" << std::flush; }

std::string text_parameter(isc::hooks::LibraryHandle& handle, const char* name) {
  const auto value = handle.getParameter(name);
  if (!value || value->getType() != isc::data::Element::string)
    isc_throw(isc::BadValue, "the parameter '" << name << "' is missing or no text");
  return value->stringValue();
}

std::uint32_t seconds_parameter(isc::hooks::LibraryHandle& handle, const char* name) {
  const auto value = handle.getParameter(name);
  if (!value || value->getType() != isc::data::Element::integer || value->intValue() < 0 ||
      value->intValue() > std::numeric_limits<std::uint32_t>::max())
    isc_throw(isc::BadValue, "the parameter '" << name << "' is missing or no number of seconds");
  return static_cast<std::uint32_t>(value->intValue());
}

// The dataplane may be open yet for the xdp-kead before, which was killed, while this Kea waits for its turn.
int refuse_before_turn(CalloutHandle& handle) {
  if (!client->may_answer()) handle.setStatus(CalloutHandle::NEXT_STEP_DROP);
  return 0;
}

// The reply goes on, or is forgotten.
void finish(const isc::hooks::ParkingLotHandlePtr& lot, const Pkt4Ptr& query, bool durable) {
  if (durable)
    lot->unpark(query);
  else
    lot->drop(query);
}

}  // namespace

// That a lease is over, or a declined address is free again, is not told: xdp-kead knows by the clock, and
// erases it when it is time.
extern "C" {

int version() { return KEA_HOOKS_VERSION; }

int multi_threading_compatible() { return 1; }

int load(isc::hooks::LibraryHandle& handle) {
  try {
    const std::string durability = text_parameter(handle, "durability");
    if (durability != "strict" && durability != "available")
      isc_throw(isc::BadValue, "the parameter 'durability' is neither 'strict' nor 'available'");
    decline_period_s = seconds_parameter(handle, "decline-period");
    const auto with_others = handle.getParameter("shared");
    const bool shared =
        with_others && with_others->getType() == isc::data::Element::boolean && with_others->boolValue();
    auto started =
        xk::hook::GateClient::start({.socket = text_parameter(handle, "socket"),
                                     .queue_file = text_parameter(handle, "queue-file"),
                                     .durability = durability == "strict" ? xk::hook::Durability::strict
                                                                          : xk::hook::Durability::available,
                                     .say = say});
    if (!started) isc_throw(isc::Unexpected, started.error().message);
    client = std::move(*started);
    if (shared) {
      xk::hook::register_follow(handle);
      handle.registerCallout("pkt4_receive", refuse_before_turn);
      client->wait_for_turn(kTurnWait);
    }
    return 0;
  } catch (const std::exception& error) {
    say(error.what());
    return 1;
  }
}

int unload() {
  client.reset();
  main_thread.reset();
  return 0;
}

int leases4_committed(CalloutHandle& handle) {
  if (handle.getStatus() == CalloutHandle::NEXT_STEP_DROP ||
      handle.getStatus() == CalloutHandle::NEXT_STEP_SKIP)
    return 0;
  Pkt4Ptr query;
  Lease4CollectionPtr leases, deleted;
  handle.getArgument("query4", query);
  handle.getArgument("leases4", leases);
  handle.getArgument("deleted_leases4", deleted);
  std::vector<LeaseChange> changes;
  if (deleted)
    for (const Lease4Ptr& lease : *deleted) changes.push_back(change_of(*lease, Cause::released, true));
  if (leases)
    for (const Lease4Ptr& lease : *leases) changes.push_back(change_of(*lease, Cause::committed, false));
  if (changes.empty() || changes.size() > xk::leases::kChangesMax) return 0;

  const auto lot = handle.getParkingLotHandlePtr();
  lot->reference(query);
  handle.setStatus(CalloutHandle::NEXT_STEP_PARK);
  const bool threads = isc::util::MultiThreadingMgr::instance().getMode();
  if (!threads && !main_thread) main_thread = std::make_unique<xk::hook::MainThread>();
  xk::hook::MainThread* back = threads ? nullptr : main_thread.get();
  client->submit(std::move(changes), [lot, query, back](bool durable) {
    if (back == nullptr) return finish(lot, query, durable);
    back->post([lot, query, durable] { finish(lot, query, durable); });
  });
  return 0;
}

int lease4_decline(CalloutHandle& handle) {
  Lease4Ptr lease;
  handle.getArgument("lease4", lease);
  if (!lease) return 0;
  // As Kea is about to keep it.
  Lease4 declined(*lease);
  declined.decline(decline_period_s);
  send(declined, Cause::declined, false);
  return 0;
}

}  // extern "C"
