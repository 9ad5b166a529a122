// [[vrf]] and the tables inside
#include "controlplane/config/keys.h"
#include "controlplane/model/names.h"

namespace xk::config {
namespace {

constexpr std::string_view kVlan =
    "`\"none\"`, `100`, `\"100\"` or `\"200.300\"` (outer.inner, in quotes); ids 1 to 4094";

const auto kVrfChildren =
    std::to_array<std::string_view>({"options", "class", "subnet", "attachment", "relay", "kea", "native"});

const auto kVrfKeys = std::to_array<Key<FileVrf>>({
    {&FileVrf::name,
     {.name = "name",
      .description = "Name of the VRF, unique in the file.",
      .example = "\"red\"",
      .required = true,
      .check = check_vrf_name,
      .allowed = "1 to 63 letters, digits, `-`, `_`, `.`, a letter or digit first"}},
    {&FileVrf::device,
     {.name = "device",
      .description =
          "The kernel's VRF device, when there is one: servers are looked up in its routing table.",
      .example = "\"vrf-red\"",
      .default_text = "none: the VRF is only a name",
      .check = check_interface,
      .allowed = "1 to 15 characters without space, `/`, `:`, quotes and `\\`",
      .empty_allowed = true}},
    {&FileVrf::discover,
     {.name = "discover",
      .description =
          "Interfaces in the device become attachments, and their addresses subnets and gateways, as "
          "`[discovery]` says; what is configured here goes before.",
      .example = "true",
      .allowed = "needs `device`"}},
    {&FileVrf::engine,
     {.name = "engine",
      .description =
          "Who answers: `kea` (a Kea of the VRF's own, in its own network namespace), `relay` (servers "
          "elsewhere) or `native` (the dataplane itself, which keeps the leases in a journal).",
      .example = "\"relay\"",
      .words = kEngineNames,
      .allowed = "`native` not with `[ha]`"}},
    {&FileVrf::queue_depth,
     {.name = "queue_depth",
      .description = "Packets that wait in the VRF's queue before it loses some.",
      .example = "2048",
      .default_text = "`dataplane.queue_depth`",
      .min = 16,
      .max = 32768,
      .allowed = "a power of two"}},
    {&FileVrf::static_by,
     {.name = "static_by",
      .description =
          "Who answers clients with a static lease in a VRF of the `kea` engine: `dataplane` (at once, from "
          "what "
          "is configured here) or `kea`, which gives them the same address; for VRFs whose options are in a "
          "template.",
      .example = "\"kea\"",
      .words = kStaticByNames,
      .allowed = "always `dataplane` with the `native` engine"}},
    {&FileVrf::paused_renewals,
     {.name = "paused_renewals",
      .description =
          "While a pool or a client is paused (`xdp-keactl pool pause`, `client pause`) there are no new "
          "leases; this says whether those that are there are renewed.",
      .example = "\"deny\"",
      .words = kPausedRenewalsNames}},
});

const auto kSubnetChildren = std::to_array<std::string_view>({"options", "pool"});

const auto kSubnetKeys = std::to_array<Key<FileSubnet>>({
    {&FileSubnet::prefix,
     {.name = "prefix",
      .description = "The clients' subnet. Subnets of one VRF do not overlap; those of different VRFs may.",
      .example = "\"10.0.0.0/24\"",
      .required = true,
      .allowed = "/8 to /30, host bits zero"}},
    {&FileSubnet::pools,
     {.name = "pools",
      .description =
          "Ranges, or addresses, that are handed out. Gateways and server identifiers in them are left out; "
          "the subnet's network and broadcast address must not be in them.",
      .example = "[\"10.0.0.100-10.0.0.199\"]",
      .use = Use::server,
      .max = 1024,
      .allowed = "inside the prefix, not overlapping"}},
    {&FileSubnet::exclude,
     {.name = "exclude",
      .description =
          "Ranges, or addresses, of the pools that are not handed out. A client that has leased one keeps it "
          "to the end of its lease.",
      .example = "[\"10.0.0.110\", \"10.0.0.120-10.0.0.129\"]",
      .use = Use::server,
      .max = 4096,
      .allowed = "inside the prefix"}},
    {&FileSubnet::gateway,
     {.name = "gateway",
      .description = "Default router of the clients (option 3).",
      .example = "\"10.0.0.1\"",
      .default_text = "none",
      .allowed = "a host address of the prefix"}},
    {&FileSubnet::server_identifier,
     {.name = "server_identifier",
      .description = "Address by which clients reach the appliance (option 54); they renew there.",
      .example = "\"10.0.0.1\"",
      .default_text = "the gateway",
      .allowed = "a unicast address; with the `kea` and `native` engines it or the gateway is needed"}},
    {&FileSubnet::dns,
     {.name = "dns",
      .description = "Name servers (option 6).",
      .example = "[\"10.0.0.2\", \"10.0.0.3\"]",
      .use = Use::server,
      .max = 63}},
    {&FileSubnet::domain,
     {.name = "domain",
      .description = "Domain name (option 15).",
      .example = "\"red.example.net\"",
      .default_text = "none",
      .use = Use::server,
      .check = check_domain,
      .allowed = "a domain name",
      .empty_allowed = true}},
    {&FileSubnet::ntp,
     {.name = "ntp",
      .description = "Time servers (option 42).",
      .example = "[\"10.0.0.4\"]",
      .use = Use::server,
      .max = 63}},
    {&FileSubnet::lease_time_s,
     {.name = "lease_time_s",
      .description = "Lease time in seconds (option 51).",
      .example = "600",
      .use = Use::server,
      .min = 10,
      .max = 31536000}},
    {&FileSubnet::lease_time_max_s,
     {.name = "lease_time_max_s",
      .description = "The longest lease time in seconds that clients get who ask for more than lease_time_s.",
      .example = "86400",
      .default_text = "`lease_time_s`",
      .use = Use::native,
      .min = 10,
      .max = 31536000,
      .allowed = "not less than `lease_time_s`"}},
    {&FileSubnet::network,
     {.name = "network",
      .description =
          "Subnets of the VRF with the same name here share a link (a shared network): a client that is on "
          "one of them gets an address of any.",
      .example = "\"floor-2\"",
      .default_text = "none: by itself",
      .use = Use::native,
      .check = check_name,
      .allowed = "1 to 63 letters, digits, `-`, `_`, `.`, a letter or digit first",
      .empty_allowed = true}},
    {&FileSubnet::next_server,
     {.name = "next_server",
      .description = "The server of the clients' next step in booting (siaddr), as for PXE.",
      .example = "\"10.0.0.5\"",
      .default_text = "none",
      .use = Use::native}},
    {&FileSubnet::boot_file,
     {.name = "boot_file",
      .description = "The file that they get there (the message's field `file`).",
      .example = "\"pxelinux.0\"",
      .default_text = "none",
      .use = Use::native,
      .check = check_boot_file,
      .allowed = "at most 127 characters",
      .empty_allowed = true}},
});

const auto kAttachmentKeys = std::to_array<Key<FileAttachment>>({
    {&FileAttachment::interface,
     {.name = "interface",
      .description = "Kernel interface or `[[port]]`. One that does not exist yet is served when it appears.",
      .example = "\"eth1\"",
      .required = true,
      .check = check_interface,
      .allowed = "1 to 15 characters without space, `/`, `:`, quotes and `\\`"}},
    {&FileAttachment::vlan,
     {.name = "vlan",
      .description =
          "The tags that clients' frames carry on the interface. Frames with VID 0 (priority tags) count as "
          "untagged.",
      .example = "\"200.300\"",
      .allowed = kVlan}},
    {&FileAttachment::outer_tpid,
     {.name = "outer_tpid",
      .description = "Tag protocol of the outer tag in frames to clients. Any of the two is taken from them.",
      .example = "\"0x88a8\"",
      .default_text = "`\"0x8100\"`",
      .allowed = "needs a tag"}},
    {&FileAttachment::inner_tpid,
     {.name = "inner_tpid",
      .description = "Tag protocol of the inner tag in frames to clients.",
      .example = "\"0x8100\"",
      .default_text = "`\"0x8100\"`",
      .allowed = "needs two tags"}},
    {&FileAttachment::subnet,
     {.name = "subnet",
      .description = "Prefix of the VRF's subnet that the clients are in.",
      .example = "\"10.0.0.0/24\"",
      .default_text = "the VRF's only subnet"}},
    {&FileAttachment::address,
     {.name = "address",
      .description = "giaddr of requests from here.",
      .example = "\"10.0.0.1\"",
      .default_text = "the subnet's gateway",
      .use = Use::relay,
      .allowed = "a host address of the subnet"}},
    {&FileAttachment::circuit_id,
     {.name = "circuit_id",
      .description = "Template of sub-option 1 here.",
      .example = "\"{port}:{svlan}.{cvlan}\"",
      .default_text = "`option82.circuit_id`",
      .check = check_template,
      .allowed = "a template, see [Templates](#templates)",
      .empty_allowed = true}},
    {&FileAttachment::remote_id,
     {.name = "remote_id",
      .description = "Template of sub-option 2 here.",
      .example = "\"{hostname}:{vrf}\"",
      .default_text = "`option82.remote_id`",
      .check = check_template,
      .allowed = "a template, see [Templates](#templates)",
      .empty_allowed = true}},
    {&FileAttachment::policy,
     {.name = "policy",
      .description = "What to do here with requests that already carry option 82.",
      .example = "\"keep\"",
      .default_text = "`option82.policy`",
      .words = kOption82PolicyNames}},
    {&FileAttachment::trusted,
     {.name = "trusted",
      .description = "Take requests with option 82 and giaddr zero here.",
      .example = "true",
      .default_text = "`option82.trusted`"}},
});

const auto kRelayKeys = std::to_array<Key<FileRelay>>({
    {&FileRelay::servers,
     {.name = "servers",
      .description = "DHCP servers; server_mode says which of them a request goes to. Replies are taken from "
                     "these only.",
      .example = "[\"192.0.2.10\", \"192.0.2.11\"]",
      .use = Use::relay,
      .max = 32,
      .allowed = "needed by the `relay` engine"}},
    {&FileRelay::server_vrf,
     {.name = "server_vrf",
      .description = "VRF that the servers are reached in, when it is another one.",
      .example = "\"red\"",
      .default_text = "the VRF itself",
      .use = Use::relay,
      .check = check_vrf_name,
      .allowed = "a VRF of the file",
      .empty_allowed = true}},
    {&FileRelay::server_interface,
     {.name = "server_interface",
      .description = "Kernel interface or `[[port]]` that the servers are reached by.",
      .example = "\"eth3\"",
      .default_text = "by the kernel's routes",
      .use = Use::relay,
      .check = check_interface,
      .allowed = "needed with `server_vlan` and `next_hop`",
      .empty_allowed = true}},
    {&FileRelay::server_vlan,
     {.name = "server_vlan",
      .description = "Tags towards the servers.",
      .example = "400",
      .use = Use::relay,
      .allowed = kVlan}},
    {&FileRelay::server_outer_tpid,
     {.name = "server_outer_tpid",
      .description = "Tag protocol of the outer tag towards the servers.",
      .example = "\"0x88a8\"",
      .default_text = "`\"0x8100\"`",
      .use = Use::relay,
      .allowed = "needs a tag"}},
    {&FileRelay::server_inner_tpid,
     {.name = "server_inner_tpid",
      .description = "Tag protocol of the inner tag towards the servers.",
      .example = "\"0x8100\"",
      .default_text = "`\"0x8100\"`",
      .use = Use::relay,
      .allowed = "needs two tags"}},
    {&FileRelay::next_hop,
     {.name = "next_hop",
      .description = "MAC address of the router (or the server) that requests are sent to.",
      .example = "\"02:00:00:00:00:01\"",
      .default_text = "from the kernel's neighbour table",
      .use = Use::relay,
      .allowed = "a unicast MAC address"}},
    {&FileRelay::source,
     {.name = "source",
      .description =
          "giaddr and source address of all the VRF's requests, instead of each attachment's. The client's "
          "subnet then goes into sub-option 5 (RFC 3527).",
      .example = "\"192.0.2.1\"",
      .default_text = "each attachment's address",
      .use = Use::relay,
      .allowed = "a unicast address"}},
    {&FileRelay::server_mode,
     {.name = "server_mode",
      .description =
          "Which of the servers a request goes to: `all` of them; with `failover` the first of the list that "
          "lives; with `hash` the one that the client (option 61, else its MAC address) hashes to, so that a "
          "client always meets the same one and only a dead server's clients go to others. A request that "
          "names a server (option 54) goes to that one with both. While every server is dead, all get it.",
      .example = "\"failover\"",
      .use = Use::relay,
      .words = kServerModeNames}},
    {&FileRelay::dead_after_s,
     {.name = "dead_after_s",
      .description = "A server that has answered no request for so long, at least two of them, is dead. One "
                     "answer makes it live again.",
      .example = "20",
      .use = Use::relay,
      .min = 1,
      .max = 3600}},
    {&FileRelay::probe_interval_s,
     {.name = "probe_interval_s",
      .description = "A dead server gets a client's DISCOVER or INFORM so often, beside the server that the "
                     "request is for, to see whether it answers again.",
      .example = "2",
      .use = Use::relay,
      .min = 1,
      .max = 3600}},
    {&FileRelay::hops_max,
     {.name = "hops_max",
      .description = "Requests that have passed this many relays are dropped (RFC 1542 4.1.1).",
      .example = "4",
      .use = Use::upstream,
      .min = 1,
      .max = 16}},
    {&FileRelay::link_selection,
     {.name = "link_selection",
      .description = "Sub-option 5, the client's subnet (RFC 3527). Always on with the `kea` engine.",
      .example = "true",
      .default_text = "`true` with `source`, else `false`",
      .use = Use::relay}},
    {&FileRelay::server_id_override,
     {.name = "server_id_override",
      .description =
          "Sub-option 11: the server shall call itself by our address, so that clients renew through us "
          "(RFC 5107).",
      .example = "true",
      .use = Use::upstream,
      .allowed = "needs a gateway or server_identifier in every subnet"}},
    {&FileRelay::relay_flags,
     {.name = "relay_flags",
      .description = "Sub-option 10: whether the client's request came as unicast or broadcast (RFC 5010).",
      .example = "true",
      .use = Use::upstream}},
    {&FileRelay::vss,
     {.name = "vss",
      .description =
          "Sub-options 151 and 152: which VPN the client is in (RFC 6607). A server that returns 152 did not "
          "understand it; its reply is dropped.",
      .example = "\"name:red\"",
      .default_text = "none",
      .use = Use::upstream,
      .check = check_vss,
      .allowed =
          "`\"\"`, `\"global\"`, `\"name:TEXT\"` (1 to 64 characters) or `\"vpn-id:OUI:INDEX\"` (6 and 8 hex "
          "digits, RFC 2685)",
      .empty_allowed = true}},
});

const auto kKeaKeys = std::to_array<Key<FileKea>>({
    {&FileKea::user,
     {.name = "user",
      .description = "Whom the VRF's Kea runs as.",
      .example = "\"_kea\"",
      .use = Use::kea,
      .check = check_user,
      .allowed = "a user name, not root"}},
    {&FileKea::template_file,
     {.name = "template",
      .description =
          "A Kea configuration of your own with placeholders (`%%VRF_NAME%%` and so on), instead of one made "
          "from this file. Kea tests it before it is used.",
      .example = "\"/etc/xdp-kea/red.json\"",
      .default_text = "none: made from this file",
      .use = Use::kea,
      .check = check_file,
      .allowed = "an absolute path",
      .empty_allowed = true}},
    {&FileKea::binary,
     {.name = "binary",
      .description = "The Kea DHCPv4 server.",
      .example = "\"/usr/sbin/kea-dhcp4\"",
      .use = Use::kea,
      .check = check_file,
      .allowed = "an absolute path"}},
    {&FileKea::durability,
     {.name = "durability",
      .description =
          "Each lease is on stable storage before its ACK leaves: in the store. While that cannot take it "
          "(or "
          "xdp-kead is being restarted), with `available` the ACK leaves once the lease is in a queue on "
          "this "
          "machine's disk, which goes into the store when that is back; with `strict` there is no ACK until "
          "then. `none`: Kea keeps its leases by itself and syncs none of them.",
      .example = "\"strict\"",
      .use = Use::kea,
      .words = kDurabilityNames}},
});

}  // namespace

const Section<FileVrf>& vrf_section() {
  static const Section<FileVrf> section{
      {.path = "vrf",
       .repeated = true,
       .children = kVrfChildren,
       .description =
           "A routing domain with its own clients, subnets and leases; at most 4096. Addresses of different "
           "VRFs may overlap. A VRF without subnets and attachments is only a name, for `server_vrf`.",
       .example = "[[vrf]]\nname = \"red\"\n\n[[vrf.subnet]]\nprefix = \"10.0.0.0/24\"\npools = "
                  "[\"10.0.0.100-10.0.0.199\"]\ngateway = \"10.0.0.1\"\n\n[[vrf.attachment]]\ninterface = "
                  "\"eth1\"\n"},
      kVrfKeys};
  return section;
}

const Section<FileSubnet>& subnet_section() {
  static const Section<FileSubnet> section{
      {.path = "vrf.subnet",
       .repeated = true,
       .children = kSubnetChildren,
       .description =
           "A subnet of the VRF above. With the `relay` engine only prefix, gateway and server_identifier "
           "mean anything: the rest is the servers' business, and refused here.",
       .example = "[[vrf]]\nname = \"red\"\n\n[[vrf.subnet]]\nprefix = \"10.0.0.0/24\"\npools = "
                  "[\"10.0.0.100-10.0.0.149\", \"10.0.0.200-10.0.0.249\"]\ngateway = \"10.0.0.1\"\ndns = "
                  "[\"10.0.0.2\"]\n"
                  "domain = \"red.example.net\"\nntp = [\"10.0.0.4\"]\nlease_time_s = 600\n"},
      kSubnetKeys};
  return section;
}

const Section<FileAttachment>& attachment_section() {
  static const Section<FileAttachment> section{
      {.path = "vrf.attachment",
       .repeated = true,
       .description =
           "Where clients of the VRF are: interface and tags; no two attachments have the same. At most "
           "65536, counting one for each VRF with a Kea and each way to servers elsewhere.",
       .example =
           "[[vrf]]\nname = \"red\"\n\n[[vrf.subnet]]\nprefix = \"10.0.0.0/24\"\ngateway = \"10.0.0.1\"\n\n"
           "[[vrf.attachment]]\ninterface = \"eth1\"\n\n[[vrf.attachment]]\ninterface = \"eth2\"\nvlan = "
           "100\n\n"
           "[[vrf.attachment]]\ninterface = \"eth2\"\nvlan = \"200.300\"\nouter_tpid = \"0x88a8\"\n"
           "trusted = true\npolicy = \"replace\"\n"},
      kAttachmentKeys};
  return section;
}

const Section<FileRelay>& relay_section() {
  static const Section<FileRelay> section{
      {.path = "vrf.relay",
       .description =
           "How requests are relayed. The keys about servers belong to the `relay` engine; hops_max, "
           "server_id_override, relay_flags and vss to `kea` too.",
       .example = "[[vrf]]\nname = \"core\"\n\n[[vrf]]\nname = \"blue\"\nengine = "
                  "\"relay\"\n\n[[vrf.subnet]]\nprefix = "
                  "\"10.1.0.0/24\"\ngateway = \"10.1.0.1\"\n\n[[vrf.attachment]]\ninterface = \"eth1\"\nvlan "
                  "= 100\n\n"
                  "[vrf.relay]\nservers = [\"192.0.2.10\", \"192.0.2.11\"]\nserver_vrf = \"core\"\nsource = "
                  "\"192.0.2.1\"\nserver_id_override = true\nvss = \"name:blue\"\n",
       .use = Use::upstream},
      kRelayKeys};
  return section;
}

const Section<FileKea>& kea_section() {
  static const Section<FileKea> section{
      {.path = "vrf.kea",
       .description = "The VRF's own Kea.",
       .example =
           "[[vrf]]\nname = \"red\"\n\n[[vrf.subnet]]\nprefix = \"10.0.0.0/24\"\ngateway = \"10.0.0.1\"\n\n"
           "[vrf.kea]\ntemplate = \"/etc/xdp-kea/red.json\"\n",
       .use = Use::kea},
      kKeaKeys};
  return section;
}

}  // namespace xk::config
