// [appliance], [dataplane], [[dataplane.lcore]], [[port]], [option82]
#include "controlplane/config/keys.h"
#include "controlplane/model/names.h"

namespace xk::config {
namespace {

constexpr std::string_view kPath = "an absolute path of at most 80 characters";

const auto kApplianceKeys = std::to_array<Key<FileAppliance>>({
    {&FileAppliance::name,
     {.name = "name",
      .description =
          "Name of this appliance. Network namespaces, kernel interfaces and ownership marks are made "
          "from it: the names of two appliances on one machine must differ in their first 8 letters.",
      .example = "\"edge1\"",
      .check = check_appliance_name,
      .allowed = "1 to 32 letters, digits, `-`, `_`, a letter first"}},
    {&FileAppliance::hostname,
     {.name = "hostname",
      .description = "What `{hostname}` stands for in templates.",
      .example = "\"edge1.example.net\"",
      .default_text = "the machine's host name",
      .check = check_host_name,
      .allowed = "1 to 64 letters, digits, `-`, `_`, `.`",
      .empty_allowed = true}},
    {&FileAppliance::state_dir,
     {.name = "state_dir",
      .description = "What must survive a reboot: the numeric ids of the VRFs, Kea's leases. Each Kea's log "
                     "is there too.",
      .example = "\"/var/lib/xdp-kea\"",
      .check = check_directory,
      .allowed = kPath}},
    {&FileAppliance::run_dir,
     {.name = "run_dir",
      .description = "Sockets and generated files.",
      .example = "\"/run/xdp-kea\"",
      .check = check_directory,
      .allowed = kPath}},
    {&FileAppliance::bpf_dir,
     {.name = "bpf_dir",
      .description =
          "Directory on a bpffs where maps and links are pinned; they survive the daemons. The bpffs is "
          "mounted if it is not.",
      .example = "\"/sys/fs/bpf/xdp-kea\"",
      .check = check_directory,
      .allowed = kPath}},
    {&FileAppliance::api_socket,
     {.name = "api_socket",
      .description = "Unix socket of the HTTP API that `xdp-keactl` talks to.",
      .example = "\"/run/xdp-kea/api.sock\"",
      .default_text = "`api.sock` in `run_dir`",
      .check = check_socket,
      .allowed = "an absolute path of at most 107 characters"}},
    {&FileAppliance::api_socket_mode,
     {.name = "api_socket_mode",
      .description =
          "Permissions of the API socket, in octal: they alone decide who may command the appliance.",
      .example = "\"0600\""}},
    {&FileAppliance::api_group,
     {.name = "api_group",
      .description = "Group of the API socket.",
      .example = "\"netadmin\"",
      .default_text = "root",
      .check = check_group,
      .allowed = "a group name",
      .empty_allowed = true}},
    {&FileAppliance::metrics_address,
     {.name = "metrics_address",
      .description =
          "TCP address of `/metrics` (Prometheus), `/healthz` and `/readyz`. Whoever reaches it may read "
          "them; nothing can be changed there.",
      .example = "\"127.0.0.1:9547\"",
      .default_text = "none: not served",
      .check = check_endpoint,
      .allowed = "a numeric address and a port, `127.0.0.1:9547` or `[::1]:9547`",
      .empty_allowed = true}},
    {&FileAppliance::log_level,
     {.name = "log_level",
      .description = "The least serious messages that `xdp-kead` logs.",
      .example = "\"debug\"",
      .words = kLogLevels}},
    {&FileAppliance::handoff_prefix,
     {.name = "handoff_prefix",
      .description =
          "Where the /31 pairs between the dataplane and the VRFs' Kea namespaces come from: two addresses "
          "a VRF. They are seen by no client, but must not overlap any VRF's subnets.",
      .example = "\"169.254.0.0/16\"",
      .allowed = "large enough for two addresses a VRF and the first two"}},
});

const auto kDataplaneChildren = std::to_array<std::string_view>({"lcore"});

const auto kDataplaneKeys = std::to_array<Key<FileDataplane>>({
    {&FileDataplane::user,
     {.name = "user",
      .description = "Whom `xdp-kea-dataplane` runs as, without any capability, while packets flow.",
      .example = "\"xdp-kea\"",
      .check = check_user,
      .allowed = "a user name, not root"}},
    {&FileDataplane::buffers,
     {.name = "buffers",
      .description = "Packet buffers shared by all ports and queues, about 2.5 KiB each.",
      .example = "65536",
      .min = 1024,
      .max = 1048576,
      .allowed = "what fits into `memory_mib`"}},
    {&FileDataplane::queue_depth,
     {.name = "queue_depth",
      .description =
          "Packets that wait in a VRF's queue before the VRF, and only it, loses some. For VRFs without a "
          "queue_depth of their own.",
      .example = "1024",
      .min = 16,
      .max = 32768,
      .allowed = "a power of two"}},
    {&FileDataplane::quantum_bytes,
     {.name = "quantum_bytes",
      .description = "Bytes that a VRF may send in its turn (deficit round robin).",
      .example = "4096",
      .min = 64,
      .max = 1048576}},
    {&FileDataplane::idle_spin_us,
     {.name = "idle_spin_us",
      .description =
          "Microseconds that a loop goes on polling after the last packet before it sleeps; one whose CPU "
          "others need sleeps sooner. 0: sleeps at once.",
      .example = "100",
      .min = 0,
      .max = 1000000}},
    {&FileDataplane::memory_mib,
     {.name = "memory_mib",
      .description = "Memory of DPDK's EAL in MiB: hugepages where there are any, else ordinary pages.",
      .example = "512",
      .min = 64,
      .max = 65536}},
});

const auto kLcoreKeys = std::to_array<Key<FileLcore>>({
    {&FileLcore::cpu,
     {.name = "cpu",
      .description = "CPU the thread is pinned to. Two lcores never share one.",
      .example = "1",
      .required = true,
      .min = 0,
      .max = 1023}},
    {&FileLcore::loops,
     {.name = "loops",
      .description =
          "What it runs: `rx` (receive, classify, queue), `vrf` (the relay's rules, in turn over the VRFs "
          "that have work), `tx` (send).",
      .example = "[\"rx\", \"vrf\", \"tx\"]",
      .required = true,
      .min = 1,
      .max = 3,
      .words = kLoopRoleNames}},
});

const auto kPortKeys = std::to_array<Key<FilePort>>({
    {&FilePort::name,
     {.name = "name",
      .description =
          "Name by which attachments call it: of an `af_xdp` port, the kernel interface; of others, any.",
      .example = "\"eth1\"",
      .required = true,
      .check = check_interface,
      .allowed = "1 to 15 characters without space, `/`, `:`, quotes and `\\`"}},
    {&FilePort::driver,
     {.name = "driver",
      .description =
          "`af_xdp`: a kernel interface with the XDP program in front. `ethdev`: a DPDK driver; no XDP, so "
          "the dataplane classifies everything itself. `pcap`: capture files, for tests.",
      .example = "\"ethdev\"",
      .words = kDriverNames}},
    {&FilePort::device,
     {.name = "device",
      .description = "DPDK device string (PCI address or virtual device) of an `ethdev` port, capture files "
                     "of a `pcap` port (`in=FILE,out=FILE`).",
      .example = "\"0000:03:00.0\"",
      .default_text = "none",
      .check = check_device,
      .allowed = "needed by `ethdev` and `pcap`, refused with `af_xdp`"}},
    {&FilePort::queues,
     {.name = "queues",
      .description = "Receive queues to use. 0: as many as the interface has.",
      .example = "4",
      .min = 0,
      .max = 64}},
    {&FilePort::exception,
     {.name = "exception",
      .description =
          "What becomes of an `ethdev` port's traffic that is not ours: `drop` it (counted), or hand it to "
          "the `exception_device` (`port`), and take that device's traffic out here.",
      .example = "\"port\"",
      .words = kExceptionPolicyNames,
      .allowed = "`port` needs `driver = \"ethdev\"` and `exception_device`"}},
    {&FilePort::exception_device,
     {.name = "exception_device",
      .description = "DPDK device string of the exception port.",
      .example = "\"net_tap0,iface=exc0\"",
      .default_text = "none",
      .check = check_device,
      .allowed = "with `exception = \"port\"` only"}},
    {&FilePort::generic,
     {.name = "generic",
      .description = "Attach XDP in generic mode at once instead of trying native mode first.",
      .example = "true",
      .allowed = "`af_xdp` only"}},
});

const auto kStoreChildren = std::to_array<std::string_view>({"etcd"});

const auto kStoreKeys = std::to_array<Key<FileStore>>({
    {&FileStore::backend,
     {.name = "backend",
      .description =
          "`embedded`: a database in `state_dir`, nothing to set up. `etcd`: an etcd cluster, which "
          "several appliances may share.",
      .example = "\"etcd\"",
      .words = kStoreBackendNames,
      .allowed = "a change needs a restart of xdp-kead"}},
    {&FileStore::lease_grace_s,
     {.name = "lease_grace_s",
      .description =
          "Seconds that a lease is kept for its client after its end: nobody else is given the address as "
          "long as there is another one.",
      .example = "86400",
      .max = 31536000,
      .allowed = "a change needs a restart of xdp-kead"}},
});

const auto kHaKeys = std::to_array<Key<FileHa>>({
    {&FileHa::enabled,
     {.name = "enabled",
      .description =
          "Every VRF is active on one of the appliances that share the etcd cluster, and another takes "
          "over when that one falls silent. No ACK leaves while etcd does not have its lease.",
      .example = "true",
      .allowed = "needs `backend = \"etcd\"` in `[store]`; a change needs a restart of xdp-kead"}},
    {&FileHa::name,
     {.name = "name",
      .description = "What this appliance is called among them.",
      .example = "\"edge-1\"",
      .default_text = "the host's name",
      .check = check_host_name,
      .allowed = "another one on each appliance",
      .empty_allowed = true}},
    {&FileHa::ttl_s,
     {.name = "ttl_s",
      .description =
          "Seconds without etcd after which this appliance is silent for certain and another may take "
          "over. etcd knows none below 2 with its default election timeout.",
      .example = "3",
      .min = 2,
      .max = 60}},
});

const auto kEtcdKeys = std::to_array<Key<FileEtcd>>({
    {&FileEtcd::endpoints,
     {.name = "endpoints",
      .description = "The cluster's client URLs: the first that answers is used.",
      .example = "[\"https://10.0.0.1:2379\", \"https://10.0.0.2:2379\"]",
      .max = 16,
      .check = check_url,
      .allowed = "`http://` or `https://`, host and port; needed with `backend = \"etcd\"`"}},
    {&FileEtcd::ca_file,
     {.name = "ca_file",
      .description = "Certificates that the servers' are signed with (PEM).",
      .example = "\"/etc/xdp-kea/etcd-ca.pem\"",
      .default_text = "the system's",
      .check = check_file,
      .allowed = "an absolute path",
      .empty_allowed = true}},
    {&FileEtcd::certificate_file,
     {.name = "certificate_file",
      .description = "Certificate of the appliance, for mutual TLS (PEM).",
      .example = "\"/etc/xdp-kea/etcd-client.pem\"",
      .default_text = "none",
      .check = check_file,
      .allowed = "an absolute path; goes with `key_file`",
      .empty_allowed = true}},
    {&FileEtcd::key_file,
     {.name = "key_file",
      .description = "Its key (PEM).",
      .example = "\"/etc/xdp-kea/etcd-client.key\"",
      .default_text = "none",
      .check = check_file,
      .allowed = "an absolute path; goes with `certificate_file`",
      .empty_allowed = true}},
    {&FileEtcd::user,
     {.name = "user",
      .description = "User of etcd.",
      .example = "\"xdp-kea\"",
      .default_text = "none: no authentication",
      .check = check_group,
      .allowed = "a user name",
      .empty_allowed = true}},
    {&FileEtcd::password_file,
     {.name = "password_file",
      .description = "File whose first line is the user's password.",
      .example = "\"/etc/xdp-kea/etcd-password\"",
      .default_text = "none",
      .check = check_file,
      .allowed = "an absolute path; goes with `user`",
      .empty_allowed = true}},
});

const auto kOption82Keys = std::to_array<Key<FileOption82>>({
    {&FileOption82::circuit_id,
     {.name = "circuit_id",
      .description =
          "Template of sub-option 1. The reply's attachment is found by it, so it must differ between all "
          "attachments whose servers are in the same VRF.",
      .example = "\"{vrf}/{port}:{svlan}.{cvlan}\"",
      .check = check_template,
      .allowed = "a template, see [Templates](#templates)",
      .empty_allowed = true}},
    {&FileOption82::remote_id,
     {.name = "remote_id",
      .description = "Template of sub-option 2.",
      .example = "\"{hostname}/{mac}\"",
      .check = check_template,
      .allowed = "a template, see [Templates](#templates)",
      .empty_allowed = true}},
    {&FileOption82::policy,
     {.name = "policy",
      .description = "What to do with a request that already carries option 82, see "
                     "[Option 82 policies](#option-82-policies).",
      .example = "\"replace\"",
      .words = kOption82PolicyNames}},
    {&FileOption82::trusted,
     {.name = "trusted",
      .description =
          "Take requests that carry option 82 although no relay has been in between (giaddr zero). From "
          "others such a request is dropped (RFC 3046 2.1).",
      .example = "true"}},
});

}  // namespace

const Section<FileAppliance>& appliance_section() {
  static const Section<FileAppliance> section{
      {.path = "appliance",
       .description = "The appliance as a whole: its name, its directories, its API.",
       .example =
           "[appliance]\nname = \"edge1\"\nhostname = \"edge1.example.net\"\napi_group = \"netadmin\"\n"},
      kApplianceKeys};
  return section;
}

const Section<FileDataplane>& dataplane_section() {
  static const Section<FileDataplane> section{
      {.path = "dataplane",
       .children = kDataplaneChildren,
       .description =
           "The process that handles the packets. A change here needs `xdp-kea-dataplane` restarted.",
       .example = "[dataplane]\nbuffers = 32768\nmemory_mib = 512\n"},
      kDataplaneKeys};
  return section;
}

const Section<FileLcore>& lcore_section() {
  static const Section<FileLcore> section{
      {.path = "dataplane.lcore",
       .repeated = true,
       .description =
           "One thread of the dataplane and the loops that it runs. Without any, one thread runs everything, "
           "on whatever CPU. With any, `rx`, `vrf` and `tx` must each be somewhere.",
       .example =
           "[[dataplane.lcore]]\ncpu = 2\nloops = [\"rx\", \"tx\"]\n\n[[dataplane.lcore]]\ncpu = 3\nloops = "
           "[\"vrf\"]\n"},
      kLcoreKeys};
  return section;
}

const Section<FileStore>& store_section() {
  static const Section<FileStore> section{
      {.path = "store",
       .children = kStoreChildren,
       .description = "Where leases are kept: on stable storage before their ACK leaves.",
       .example = "[store]\nbackend = \"embedded\"\n"},
      kStoreKeys};
  return section;
}

const Section<FileEtcd>& etcd_section() {
  static const Section<FileEtcd> section{
      {.path = "store.etcd",
       .description = "The etcd cluster, with `backend = \"etcd\"`.",
       .example = "[store]\nbackend = \"etcd\"\n\n[store.etcd]\nendpoints = [\"http://127.0.0.1:2379\"]\n"},
      kEtcdKeys};
  return section;
}

const Section<FileHa>& ha_section() {
  static const Section<FileHa> section{
      {.path = "ha",
       .description = "Two appliances for the same VRFs, one active at a time in each (docs/ha.md).",
       .example = "[store]\nbackend = \"etcd\"\n\n[store.etcd]\nendpoints = [\"http://192.0.2.1:2379\"]\n\n"
                  "[ha]\nenabled = true\nname = \"edge-1\"\n"},
      kHaKeys};
  return section;
}

const Section<FilePort>& port_section() {
  static const Section<FilePort> section{
      {.path = "port",
       .repeated = true,
       .description =
           "A port that is not a plain kernel interface, or one with settings of its own. An attachment "
           "whose interface has no `[[port]]` uses AF_XDP on the kernel interface of that name.",
       .example = "[[port]]\nname = \"uplink\"\ndriver = \"ethdev\"\ndevice = \"0000:03:00.0\"\nqueues = 4\n"
                  "exception = \"port\"\nexception_device = \"net_tap0,iface=exc0\"\n"},
      kPortKeys};
  return section;
}

const Section<FileOption82>& option82_section() {
  static const Section<FileOption82> section{
      {.path = "option82",
       .description = "Relay agent information (RFC 3046) of all attachments that do not say otherwise.",
       .example =
           "[option82]\ncircuit_id = \"{vrf}/{port}:{svlan}.{cvlan}\"\nremote_id = \"{hostname}\"\npolicy = "
           "\"replace\"\n"},
      kOption82Keys};
  return section;
}

std::span<const std::string_view> top_sections() {
  static const auto names = std::to_array<std::string_view>(
      {"appliance", "dataplane", "store", "ha", "port", "option82", "options", "vrf", "discovery"});
  return names;
}

}  // namespace xk::config
