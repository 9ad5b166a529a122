// libxdpkea_static.so: what Kea calls. Static leases that operators give through xdp-kead are Kea's host
// reservations, as they change, without a new configuration.
//
// Parameter in Kea's configuration: "file", which xdp-kead keeps.
#include <cc/data.h>
#include <dhcp/dhcp4.h>
#include <dhcp/option.h>
#include <dhcp/pkt4.h>
#include <dhcpsrv/host.h>
#include <dhcpsrv/host_data_source_factory.h>
#include <dhcpsrv/host_mgr.h>
#include <exceptions/exceptions.h>
#include <hooks/hooks.h>

#include <exception>
#include <iostream>

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

using Prefixes = std::map<std::uint32_t, xk::Prefix4>;

void add_subnets(const isc::data::ConstElementPtr& list, Prefixes& prefixes) {
  if (!list || list->getType() != isc::data::Element::list) return;
  for (unsigned i = 0; i < list->size(); ++i) {
    const auto subnet = list->get(static_cast<int>(i));
    const auto id = subnet->get("id");
    const auto prefix = subnet->get("subnet");
    if (!id || !prefix) continue;
    if (const auto parsed = xk::parse_prefix4(prefix->stringValue()))
      prefixes[static_cast<std::uint32_t>(id->intValue())] = *parsed;
  }
}

Prefixes subnets_of(isc::data::ConstElementPtr config) {
  Prefixes prefixes;
  if (!config || config->getType() != isc::data::Element::map) return prefixes;
  if (const auto inner = config->get("Dhcp4")) config = inner;
  add_subnets(config->get("subnet4"), prefixes);
  const auto networks = config->get("shared-networks");
  if (!networks || networks->getType() != isc::data::Element::list) return prefixes;
  for (unsigned i = 0; i < networks->size(); ++i)
    add_subnets(networks->get(static_cast<int>(i))->get("subnet4"), prefixes);
  return prefixes;
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
    const auto file = handle.getParameter("file");
    if (!file || file->getType() != isc::data::Element::string)
      isc_throw(isc::BadValue, "the parameter 'file' is missing or no text");
    auto started = StaticFollower::start(file->stringValue());
    if (!started) isc_throw(isc::Unexpected, started.error().message);
    leases = std::move(*started);
    subnets = std::make_shared<xk::hook::Subnets>();
    HostDataSourceFactory::registerFactory(
        StaticHosts::kType,
        [](const isc::db::DatabaseConnection::ParameterMap&) {
          return isc::dhcp::HostDataSourcePtr(new StaticHosts(leases, subnets));
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

}  // extern "C"
