// libxdpkea_static.so: what Kea calls. Static leases that operators give through xdp-kead are Kea's host
// reservations, as they change, without a new configuration.
//
// Parameters in Kea's configuration: "file" and "paused-file", which xdp-kead keeps, and "lease-grace"
// (seconds).
#include <cc/data.h>
#include <dhcp/dhcp4.h>
#include <dhcp/option.h>
#include <dhcp/pkt4.h>
#include <dhcpsrv/host.h>
#include <dhcpsrv/host_data_source_factory.h>
#include <dhcpsrv/host_mgr.h>
#include <dhcpsrv/lease.h>
#include <dhcpsrv/subnet.h>
#include <exceptions/exceptions.h>
#include <hooks/hooks.h>

#include <algorithm>
#include <exception>
#include <iostream>
#include <limits>

#include "controlplane/kea/static_hook/host_source.h"

namespace {

using isc::dhcp::Host;
using isc::dhcp::HostDataSourceFactory;
using isc::dhcp::HostMgr;
using isc::dhcp::OptionPtr;
using isc::hooks::CalloutHandle;
using xk::hook::StaticFollower;
using xk::hook::StaticHosts;

std::shared_ptr<StaticFollower> leases;
std::shared_ptr<xk::hook::Subnets> subnets;
std::shared_ptr<xk::hook::Held> held;

using SubnetsById = std::map<std::uint32_t, xk::hook::SubnetFacts>;

// "10.0.0.100 - 10.0.0.199", "10.0.0.100-10.0.0.199" or a prefix.
void add_range(std::string text, std::vector<xk::Range4>& ranges) {
  std::erase(text, ' ');
  if (const auto range = xk::parse_range4(text)) ranges.push_back(*range);
  if (const auto prefix = xk::parse_prefix4(text)) ranges.push_back({prefix->network, prefix->broadcast()});
}

bool is_list(const isc::data::ConstElementPtr& element) {
  return element && element->getType() == isc::data::Element::list;
}

xk::hook::SubnetFacts facts_of(const isc::data::ConstElementPtr& subnet, const xk::Prefix4& prefix) {
  xk::hook::SubnetFacts facts;
  facts.prefix = prefix;
  if (const auto pools = subnet->get("pools"); is_list(pools)) {
    for (unsigned i = 0; i < pools->size(); ++i)
      if (const auto pool = pools->get(static_cast<int>(i))->get("pool"))
        add_range(pool->stringValue(), facts.pools);
  }
  const auto context = subnet->get("user-context");
  const auto own = context && context->getType() == isc::data::Element::map ? context->get("xdp-kea")
                                                                            : isc::data::ConstElementPtr();
  const auto exclude = own ? own->get("exclude") : isc::data::ConstElementPtr();
  for (unsigned i = 0; is_list(exclude) && i < exclude->size(); ++i)
    add_range(exclude->get(static_cast<int>(i))->stringValue(), facts.excludes);
  return facts;
}

void add_subnets(const isc::data::ConstElementPtr& list, SubnetsById& subnets_by_id) {
  if (!is_list(list)) return;
  for (unsigned i = 0; i < list->size(); ++i) {
    const auto subnet = list->get(static_cast<int>(i));
    const auto id = subnet->get("id");
    const auto prefix = subnet->get("subnet");
    if (!id || !prefix) continue;
    if (const auto parsed = xk::parse_prefix4(prefix->stringValue()))
      subnets_by_id[static_cast<std::uint32_t>(id->intValue())] = facts_of(subnet, *parsed);
  }
}

SubnetsById subnets_of(isc::data::ConstElementPtr config) {
  SubnetsById found;
  if (!config || config->getType() != isc::data::Element::map) return found;
  if (const auto inner = config->get("Dhcp4")) config = inner;
  add_subnets(config->get("subnet4"), found);
  const auto networks = config->get("shared-networks");
  for (unsigned i = 0; is_list(networks) && i < networks->size(); ++i)
    add_subnets(networks->get(static_cast<int>(i))->get("subnet4"), found);
  return found;
}

std::string text_parameter(isc::hooks::LibraryHandle& handle, const char* name) {
  const auto value = handle.getParameter(name);
  if (!value || value->getType() != isc::data::Element::string)
    isc_throw(isc::BadValue, "the parameter '" << name << "' is missing or no text");
  return value->stringValue();
}

std::uint32_t grace_parameter(isc::hooks::LibraryHandle& handle) {
  const auto value = handle.getParameter("lease-grace");
  if (!value || value->getType() != isc::data::Element::integer || value->intValue() < 0 ||
      value->intValue() > std::numeric_limits<std::uint32_t>::max())
    isc_throw(isc::BadValue, "the parameter 'lease-grace' is missing or no number of seconds");
  return static_cast<std::uint32_t>(value->intValue());
}

std::string client_id_of(const isc::dhcp::Pkt4Ptr& query) {
  const OptionPtr option = query->getOption(isc::dhcp::DHO_DHCP_CLIENT_IDENTIFIER);
  return option ? std::string(option->getData().begin(), option->getData().end()) : std::string();
}

std::string sub_option(const OptionPtr& agent, std::uint16_t code) {
  const OptionPtr option = agent->getOption(code);
  return option ? std::string(option->getData().begin(), option->getData().end()) : std::string();
}

}  // namespace

extern "C" {

int version() { return KEA_HOOKS_VERSION; }

int multi_threading_compatible() { return 1; }

int load(isc::hooks::LibraryHandle& handle) {
  try {
    auto started = StaticFollower::start(text_parameter(handle, "file"));
    if (!started) isc_throw(isc::Unexpected, started.error().message);
    auto paused = xk::hook::PausedFollower::start(text_parameter(handle, "paused-file"));
    if (!paused) isc_throw(isc::Unexpected, paused.error().message);
    leases = std::move(*started);
    subnets = std::make_shared<xk::hook::Subnets>();
    held = std::make_shared<xk::hook::Held>(std::shared_ptr<xk::hook::PausedFollower>(std::move(*paused)),
                                            subnets, grace_parameter(handle));
    HostDataSourceFactory::registerFactory(
        StaticHosts::kType,
        [](const isc::db::DatabaseConnection::ParameterMap&) {
          return isc::dhcp::HostDataSourcePtr(new StaticHosts(leases, subnets, held));
        },
        true);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "libxdpkea_static: " << error.what() << std::endl;
    return 1;
  }
}

int unload() {
  HostMgr::delBackend(StaticHosts::kType);
  HostDataSourceFactory::deregisterFactory(StaticHosts::kType, true);
  leases.reset();
  held.reset();
  subnets.reset();
  return 0;
}

// A new configuration has new host data sources: ours is one again.
int dhcp4_srv_configured(CalloutHandle& handle) {
  isc::data::ConstElementPtr config;
  handle.getArgument("json_config", config);
  subnets->set(subnets_of(config));
  HostMgr::delBackend(StaticHosts::kType);
  HostMgr::addBackend(std::string("type=") + StaticHosts::kType);
  return 0;
}

// The line that the client is on: circuit-id and remote-id, or the circuit alone, whichever has a static
// lease.
int host4_identifier(CalloutHandle& handle) {
  isc::dhcp::Pkt4Ptr query;
  handle.getArgument("query4", query);
  const OptionPtr agent = query ? query->getOption(isc::dhcp::DHO_DHCP_AGENT_OPTIONS) : OptionPtr();
  if (!agent) return 0;
  constexpr std::uint16_t kCircuitId = 1;
  constexpr std::uint16_t kRemoteId = 2;
  const std::string circuit = sub_option(agent, kCircuitId);
  for (const std::string& line : {xk::static_circuit_identity(circuit, sub_option(agent, kRemoteId)),
                                  xk::static_circuit_identity(circuit)}) {
    if (!leases->find(xk::StaticKind::circuit, line)) continue;
    handle.setArgument("id_type", Host::IDENT_FLEX);
    handle.setArgument("id_value", std::vector<std::uint8_t>(line.begin(), line.end()));
    return 0;
  }
  return 0;
}

// A paused client, or one of a paused pool, is not answered, unless it has a lease that it may renew.
int subnet4_select(CalloutHandle& handle) {
  isc::dhcp::Pkt4Ptr query;
  isc::dhcp::Subnet4Ptr subnet;
  handle.getArgument("query4", query);
  handle.getArgument("subnet4", subnet);
  if (!query || !subnet || held->nothing_paused()) return 0;
  if (query->getType() != isc::dhcp::DHCPDISCOVER && query->getType() != isc::dhcp::DHCPREQUEST) return 0;
  std::string mac;
  if (const auto hardware = query->getHWAddr())
    mac.assign(hardware->hwaddr_.begin(), hardware->hwaddr_.end());
  const std::string client_id = client_id_of(query);
  auto fixed = leases->find(xk::StaticKind::client_id, client_id);
  if (!fixed) fixed = leases->find(xk::StaticKind::mac, mac);
  const xk::Ip4 own = fixed && subnets->holds(subnet->getID(), fixed->address) ? fixed->address : xk::Ip4{};
  if (held->refuses(subnet->getID(), mac, client_id, xk::Ip4{query->getCiaddr().toUint32()}, own))
    handle.setStatus(CalloutHandle::NEXT_STEP_DROP);
  return 0;
}

// The lease of an address that is excluded now gets no longer.
int lease4_renew(CalloutHandle& handle) {
  isc::dhcp::Lease4Ptr lease;
  handle.getArgument("lease4", lease);
  if (!lease) return 0;
  const std::int64_t end = held->kept_end_unix_s(lease->subnet_id_, xk::Ip4{lease->addr_.toUint32()});
  if (end == 0) return 0;
  const std::int64_t left = std::max<std::int64_t>(end - lease->cltt_, 1);
  lease->valid_lft_ = static_cast<std::uint32_t>(std::min<std::int64_t>(left, lease->valid_lft_));
  return 0;
}

}  // extern "C"
