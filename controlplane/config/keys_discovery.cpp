// [discovery] and the tables inside
#include "controlplane/config/keys.h"
#include "controlplane/model/names.h"

namespace xk::config {
namespace {

const auto kDiscoveryChildren = std::to_array<std::string_view>({"options", "relay", "kea", "native"});

const auto kDiscoveryKeys = std::to_array<Key<FileDiscovery>>({
    {&FileDiscovery::enabled,
     {.name = "enabled",
      .description = "Whether VRF devices that no `[[vrf]]` names are served.",
      .example = "true"}},
    {&FileDiscovery::include,
     {.name = "include",
      .description = "Names of the VRF devices that are served; `*`, `?` and `[...]` as in a shell.",
      .example = "[\"vrf-*\"]",
      .default_text = "`[\"*\"]`",
      .max = 1024,
      .check = check_glob,
      .allowed = "patterns of 1 to 64 characters"}},
    {&FileDiscovery::exclude,
     {.name = "exclude",
      .description = "And of these those that are not.",
      .example = "[\"vrf-mgmt\"]",
      .max = 1024,
      .check = check_glob,
      .allowed = "patterns of 1 to 64 characters"}},
    {&FileDiscovery::interfaces,
     {.name = "interfaces",
      .description = "Names of the interfaces, in VRF devices, that clients are on.",
      .example = "[\"eth1.*\", \"br*\"]",
      .default_text = "`[\"*\"]`",
      .max = 1024,
      .check = check_glob,
      .allowed = "patterns of 1 to 64 characters"}},
    {&FileDiscovery::exclude_interfaces,
     {.name = "exclude_interfaces",
      .description = "And of these those that are not: uplinks, for instance.",
      .example = "[\"eth0*\"]",
      .max = 1024,
      .check = check_glob,
      .allowed = "patterns of 1 to 64 characters"}},
    {&FileDiscovery::engine,
     {.name = "engine",
      .description = "Who answers in VRFs that are found: see `vrf.engine`.",
      .example = "\"relay\"",
      .words = kEngineNames,
      .allowed = "`native` not with `[ha]`"}},
    {&FileDiscovery::pool,
     {.name = "pool",
      .description = "Which addresses of a subnet that is found are handed out: `all` hosts, half of them, "
                     "`none`, or the host numbers from first to last. What an interface of the VRF holds is "
                     "always left out.",
      .example = "\"10-200\"",
      .use = Use::server,
      .check = check_pool_rule,
      .allowed = "`\"all\"`, `\"none\"`, `\"upper-half\"`, `\"lower-half\"`, `\"FIRST-LAST\"`"}},
    {&FileDiscovery::dns,
     {.name = "dns",
      .description = "Name servers (option 6) of subnets that are found.",
      .example = "[\"192.0.2.53\"]",
      .use = Use::server,
      .max = 63}},
    {&FileDiscovery::domain,
     {.name = "domain",
      .description = "Domain name (option 15) of subnets that are found.",
      .example = "\"example.net\"",
      .default_text = "none",
      .use = Use::server,
      .check = check_domain,
      .allowed = "a domain name",
      .empty_allowed = true}},
    {&FileDiscovery::ntp,
     {.name = "ntp",
      .description = "Time servers (option 42) of subnets that are found.",
      .example = "[\"192.0.2.123\"]",
      .use = Use::server,
      .max = 63}},
    {&FileDiscovery::lease_time_s,
     {.name = "lease_time_s",
      .description = "Lease time in seconds (option 51) of subnets that are found.",
      .example = "600",
      .use = Use::server,
      .min = 10,
      .max = 31536000}},
});

}  // namespace

const Section<FileDiscovery>& discovery_section() {
  static const Section<FileDiscovery> section{
      {.path = "discovery",
       .children = kDiscoveryChildren,
       .description =
           "VRFs found in the kernel, and followed while running: every VRF device becomes a VRF of the same "
           "name, every interface in it an attachment (through VLAN devices, bonds and bridges down to the "
           "ports), every interface's first IPv4 address a subnet and its gateway. A VRF that needs settings "
           "of its own is configured as a `[[vrf]]` with `device` and `discover = true`. What cannot be "
           "served "
           "is listed with the reason by `xdp-keactl attachment list`. Option 82 is as in `[option82]`.",
       .example = "[discovery]\nenabled = true\ninclude = [\"vrf-*\"]\nexclude = [\"vrf-mgmt\"]\n"
                  "exclude_interfaces = [\"eth0*\"]\npool = \"100-199\"\nlease_time_s = 600\n\n"
                  "[[vrf]]\nname = \"red\"\ndevice = \"vrf-red\"\ndiscover = true\nengine = \"relay\"\n\n"
                  "[vrf.relay]\nservers = [\"192.0.2.10\"]\n"},
      kDiscoveryKeys};
  return section;
}

const Section<FileOption>& discovery_option_section() {
  static const Section<FileOption> section{
      {.path = "discovery.options",
       .repeated = true,
       .description = "Further options of subnets that are found.",
       .example = "[discovery]\nenabled = true\noptions = [{name = \"interface-mtu\", data = \"1400\"}]\n",
       .use = Use::server,
       .keys_of = "vrf.subnet.options"},
      option_section().keys};
  return section;
}

const Section<FileRelay>& discovery_relay_section() {
  static const Section<FileRelay> section{
      {.path = "discovery.relay",
       .description = "How requests of VRFs that are found are relayed.",
       .example = "[discovery]\nenabled = true\nengine = \"relay\"\n\n[discovery.relay]\nservers = "
                  "[\"192.0.2.10\"]\nserver_id_override = true\n",
       .use = Use::upstream,
       .keys_of = "vrf.relay"},
      relay_section().keys};
  return section;
}

const Section<FileKea>& discovery_kea_section() {
  static const Section<FileKea> section{
      {.path = "discovery.kea",
       .description = "The Keas of VRFs that are found.",
       .example = "[discovery]\nenabled = true\n\n[discovery.kea]\nuser = \"_kea\"\n",
       .use = Use::kea,
       .keys_of = "vrf.kea"},
      kea_section().keys};
  return section;
}

const Section<FileNative>& discovery_native_section() {
  static const Section<FileNative> section{
      {.path = "discovery.native",
       .description = "How the native engine serves VRFs that are found.",
       .example = "[discovery]\nenabled = true\nengine = \"native\"\n\n[discovery.native]\nrapid_commit = "
                  "true\n",
       .use = Use::native,
       .keys_of = "vrf.native"},
      native_section().keys};
  return section;
}

}  // namespace xk::config
