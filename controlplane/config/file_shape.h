// The configuration file as it is written: one struct a section, one Given a key. keys.h says what
// each is called and what it may be; validate.h makes the model of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/model/model.h"

namespace xk::config {

struct Position {
  std::uint32_t line = 0;  // from 1; 0: not from the file
  std::uint32_t column = 0;
  friend auto operator<=>(const Position&, const Position&) = default;
};

// A value and where it stands. Not given: the default (a value-initialised one where it depends).
// Bad: given, refused and reported; the value is still the default.
template <typename T>
struct Given {
  T value{};
  Position at{};
  bool bad = false;
  [[nodiscard]] bool given() const { return at.line != 0; }
  [[nodiscard]] bool good() const { return given() && !bad; }
};

// Index into the key's list of allowed words.
struct Choice {
  std::uint8_t index = 0;
};

struct VlanIds {
  Vid outer{};  // 0: no tag
  Vid inner{};
};

struct Tpid {
  std::uint16_t value = 0x8100;
};

struct FileMode {
  std::uint32_t value = 0;
};

template <typename T>
using List = std::vector<Given<T>>;

struct FileAppliance {
  Position at{};
  Given<std::string> name{Appliance{}.name};
  Given<std::string> hostname{Appliance{}.hostname};
  Given<std::string> state_dir{Appliance{}.state_dir};
  Given<std::string> run_dir{Appliance{}.run_dir};
  Given<std::string> bpf_dir{Appliance{}.bpf_dir};
  Given<std::string> api_socket;
  Given<FileMode> api_socket_mode{{Appliance{}.api_socket_mode}};
  Given<std::string> api_group{Appliance{}.api_group};
  Given<std::string> metrics_address{Appliance{}.metrics_address};
  Given<Choice> log_level{{2}};  // of kLogLevels
  Given<Prefix4> handoff_prefix{Appliance{}.handoff_prefix};
};

struct FileLcore {
  Position at{};
  Given<std::uint32_t> cpu;
  Given<List<Choice>> loops;  // of kLoopRoleNames
};

struct FileDataplane {
  Position at{};
  Given<std::string> user{DataplaneSettings{}.user};
  Given<std::uint32_t> buffers{DataplaneSettings{}.buffers};
  Given<std::uint32_t> queue_depth{DataplaneSettings{}.queue_depth};
  Given<std::uint32_t> quantum_bytes{DataplaneSettings{}.quantum_bytes};
  Given<std::uint32_t> idle_spin_us{DataplaneSettings{}.idle_spin_us};
  Given<std::uint32_t> memory_mib{DataplaneSettings{}.memory_mib};
  std::vector<FileLcore> lcores;
};

struct FileEtcd {
  Position at{};
  Given<List<std::string>> endpoints;
  Given<std::string> ca_file;
  Given<std::string> certificate_file;
  Given<std::string> key_file;
  Given<std::string> user;
  Given<std::string> password_file;
};

struct FileStore {
  Position at{};
  Given<Choice> backend{{static_cast<std::uint8_t>(StoreSettings{}.backend)}};  // of kStoreBackendNames
  Given<std::uint32_t> lease_grace_s{StoreSettings{}.lease_grace_s};
  FileEtcd etcd;
};

struct FileHa {
  Position at{};
  Given<bool> enabled{HaSettings{}.enabled};
  Given<std::string> name{HaSettings{}.name};
  Given<std::uint32_t> ttl_s{HaSettings{}.ttl_s};
};

struct FilePort {
  Position at{};
  Given<std::string> name;
  Given<Choice> driver{{static_cast<std::uint8_t>(Port{}.kind)}};  // of kDriverNames
  Given<std::string> device;
  Given<std::uint32_t> queues{Port{}.queues};
  Given<Choice> exception{{static_cast<std::uint8_t>(Port{}.exception)}};
  Given<std::string> exception_device;
  Given<bool> generic{Port{}.force_generic};
};

// [option82], and the same keys at an attachment.
struct FileOption82 {
  Position at{};
  Given<std::string> circuit_id{"{port}:{svlan}.{cvlan}"};
  Given<std::string> remote_id{"{hostname}:{vrf}"};
  Given<Choice> policy{{static_cast<std::uint8_t>(Attachment{}.option82_policy)}};
  Given<bool> trusted{Attachment{}.trusted};
};

struct FileOption {
  Position at{};
  Given<std::string> name;
  Given<std::uint32_t> code;
  Given<std::string> data;
  Given<Choice> type;  // of kOptionTypeNames
  Given<std::string> hex;
};

struct FilePool {
  Position at{};
  Given<Range4> range;
  Given<List<std::string>> classes;
  std::vector<FileOption> options;
};

struct FileMatch {
  Position at{};
  Given<Choice> key;  // of kConditionKindNames
  Given<std::uint32_t> code;
  Given<std::string> equals;
  Given<std::string> begins;
  Given<std::string> contains;
  Given<bool> present;
};

struct FileClass {
  Position at{};
  Given<std::string> name;
  Given<std::uint32_t> lease_time_s;
  Given<Ip4> next_server;
  Given<std::string> boot_file;
  std::vector<FileMatch> matches;
  std::vector<FileOption> options;
};

struct FileSubnet {
  Position at{};
  Given<Prefix4> prefix;
  Given<List<Range4>> pools;
  Given<List<Range4>> exclude;
  Given<Ip4> gateway;
  Given<Ip4> server_identifier;
  Given<List<Ip4>> dns;
  Given<std::string> domain;
  Given<List<Ip4>> ntp;
  Given<std::uint32_t> lease_time_s{Subnet{}.lease_time_s};
  Given<std::uint32_t> lease_time_max_s;
  Given<std::string> network;
  Given<Ip4> next_server;
  Given<std::string> boot_file;
  std::vector<FilePool> pool_tables;
  std::vector<FileOption> options;
};

struct FileAttachment {
  Position at{};
  Given<std::string> interface;
  Given<VlanIds> vlan;
  Given<Tpid> outer_tpid;
  Given<Tpid> inner_tpid;
  Given<Prefix4> subnet;
  Given<Ip4> address;
  Given<std::string> circuit_id;
  Given<std::string> remote_id;
  Given<Choice> policy;
  Given<bool> trusted;
};

struct FileRelay {
  Position at{};
  Given<List<Ip4>> servers;
  Given<std::string> server_vrf;
  Given<std::string> server_interface;
  Given<VlanIds> server_vlan;
  Given<Tpid> server_outer_tpid;
  Given<Tpid> server_inner_tpid;
  Given<Mac> next_hop;
  Given<Ip4> source;
  Given<Choice> server_mode{{static_cast<std::uint8_t>(RelaySettings{}.server_mode)}};
  Given<std::uint32_t> dead_after_s{RelaySettings{}.dead_after_s};
  Given<std::uint32_t> probe_interval_s{RelaySettings{}.probe_interval_s};
  Given<std::uint32_t> hops_max{RelaySettings{}.hops_max};
  Given<bool> link_selection{RelaySettings{}.link_selection};
  Given<bool> server_id_override{RelaySettings{}.server_id_override};
  Given<bool> relay_flags{RelaySettings{}.relay_flags};
  Given<std::string> vss;
};

struct FileKea {
  Position at{};
  Given<std::string> user{KeaSettings{}.user};
  Given<std::string> template_file{KeaSettings{}.template_file};
  Given<std::string> binary{KeaSettings{}.binary};
  Given<Choice> durability{{static_cast<std::uint8_t>(KeaSettings{}.durability)}};  // of kDurabilityNames
};

struct FileNative {
  Position at{};
  Given<Choice> durability{{static_cast<std::uint8_t>(NativeSettings{}.reply_after)}};
  Given<Choice> on_failure{{NativeSettings{}.available}};
  Given<Choice> allocate{{static_cast<std::uint8_t>(NativeSettings{}.allocate)}};
  Given<bool> conflict_check{NativeSettings{}.probe};
  Given<bool> rapid_commit{NativeSettings{}.rapid_commit};
  Given<bool> bootp{NativeSettings{}.bootp};
  Given<bool> authoritative{NativeSettings{}.authoritative};
  Given<std::uint32_t> offer_hold_s{NativeSettings{}.offer_hold_s};
  Given<std::uint32_t> decline_s{NativeSettings{}.decline_s};
  Given<std::uint32_t> circuit_leases_max{NativeSettings{}.circuit_leases_max};
  Given<std::uint32_t> attachment_leases_max{NativeSettings{}.attachment_leases_max};
  Given<List<Ip4>> query_requestors;
};

struct FileDiscovery {
  Position at{};
  Given<bool> enabled{Discovery{}.enabled};
  Given<List<std::string>> include;
  Given<List<std::string>> exclude;
  Given<List<std::string>> interfaces;
  Given<List<std::string>> exclude_interfaces;
  Given<Choice> engine{{static_cast<std::uint8_t>(Vrf{}.engine)}};  // of kEngineNames
  Given<std::string> pool{"all"};
  Given<List<Ip4>> dns;
  Given<std::string> domain;
  Given<List<Ip4>> ntp;
  Given<std::uint32_t> lease_time_s{Subnet{}.lease_time_s};
  std::vector<FileOption> options;
  FileRelay relay;
  FileKea kea;
  FileNative native;
};

struct FileVrf {
  Position at{};
  Given<std::string> name;
  Given<std::string> device;
  Given<bool> discover{Vrf{}.discover};
  Given<Choice> engine{{static_cast<std::uint8_t>(Vrf{}.engine)}};  // of kEngineNames
  Given<std::uint32_t> queue_depth;
  Given<Choice> static_by{{static_cast<std::uint8_t>(Vrf{}.static_by)}};  // of kStaticByNames
  Given<Choice> paused_renewals{{static_cast<std::uint8_t>(Vrf{}.paused_renewals)}};
  std::vector<FileOption> options;
  std::vector<FileClass> classes;
  std::vector<FileSubnet> subnets;
  std::vector<FileAttachment> attachments;
  FileRelay relay;
  FileKea kea;
  FileNative native;
};

struct FileConfig {
  FileAppliance appliance;
  FileDataplane dataplane;
  FileStore store;
  FileHa ha;
  std::vector<FilePort> ports;
  FileOption82 option82;
  std::vector<FileOption> options;
  FileDiscovery discovery;
  std::vector<FileVrf> vrfs;
};

}  // namespace xk::config
