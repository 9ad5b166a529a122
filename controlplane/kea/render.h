// Kea's configuration from the model.
#pragma once

#include <cstdint>
#include <string>

#include "controlplane/kea/dialect.h"
#include "controlplane/model/model.h"
#include "controlplane/reconcile/ports.h"

namespace xk::kea {

// Our hook in Kea, by which static leases are its host reservations (kea/static_hook).
inline constexpr const char* kStaticLibrary = "libxdpkea_static.so";
struct StaticHook {
  std::string library;  // empty: not used
  std::string file;     // that xdp-kead keeps
  std::string paused_file;
};
// Where it was built or installed beside the running program; an Error says where it was looked for.
[[nodiscard]] Result<std::string> find_static_library();
// The primary group of a user; ours if there is no such user.
[[nodiscard]] unsigned group_of_user(const std::string& user);
// Our hook in Kea, which makes leases durable before their ACK (kea/hook).
inline constexpr const char* kGateLibrary = "libxdpkea_lease_gate.so";
struct GateHook {
  std::string library;  // empty: not used
  std::string socket;   // of xdp-kead
  std::string queue_file;
};

// Where a VRF's Kea runs; what the model does not know.
struct Place {
  std::string interface;  // the handoff's end inside the namespace
  Ip4 interface_ip{};
  std::string directory;  // own, absolute; the same as KeaSpec::directory
  Dialect dialect{};
  StaticHook static_hook;
  std::string lease_cmds;  // path of libdhcp_lease_cmds.so; empty: leases cannot be listed
  GateHook gate;
  std::uint32_t lease_grace_s = 3600;  // how long a lease that is over is kept for its client
  std::uint32_t threads = 2;           // packet threads; 0: single-threaded
  std::uint32_t queue = 1024;          // packets that wait for a thread
};

// A complete configuration file of kea-dhcp4 (JSON). Subnets are those of the VRF, in its order,
// with their ids. Each carries dhcp-server-identifier (RFC 2132 9.7) = Subnet::server_identifier,
// so that clients renew by the address that reaches the appliance. T1 and T2 are 1/2 and 7/8 of the
// lease time (RFC 2131 4.4.5). An option of Subnet::options with the code or name of one that the
// subnet's other members make replaces it.
[[nodiscard]] std::string render_kea_config(const Vrf& vrf, const Place& place);

// render_kea_config, or the user's template if the VRF names one (template.h). The template is read
// here; at most 1 MiB.
[[nodiscard]] Result<std::string> make_kea_config(const Vrf& vrf, const Place& place);

// Where the gate's hook was built or installed beside the running program; an Error says where it was looked
// for.
[[nodiscard]] Result<std::string> find_gate_library();

// A Place for this machine's Kea: hook looked up, threads by the number of CPUs.
[[nodiscard]] Place make_place(const KeaSettings& settings, std::string interface, Ip4 interface_ip,
                               std::string directory, std::string_view kea_version = {});

}  // namespace xk::kea
