// What is in force when a key is left out.
#include <gmock/gmock.h>

#include "tests/unit/config_files.h"

namespace xk {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

TEST(ConfigDefaults, EmptyFileIsTheDefaultModel) {
  for (const std::string_view text : {"", "# nothing\n", "[appliance]\n[dataplane]\n[option82]\n"}) {
    EXPECT_EQ(model_of(text), Model{}) << text;
  }
}

TEST(ConfigDefaults, Appliance) {
  const Appliance appliance = model_of("").appliance;
  EXPECT_EQ(appliance.name, "xdp-kea");
  EXPECT_EQ(appliance.hostname, "");
  EXPECT_EQ(appliance.state_dir, "/var/lib/xdp-kea");
  EXPECT_EQ(appliance.run_dir, "/run/xdp-kea");
  EXPECT_EQ(appliance.bpf_dir, "/sys/fs/bpf/xdp-kea");
  EXPECT_EQ(appliance.api_socket, "/run/xdp-kea/api.sock");
  EXPECT_EQ(appliance.api_socket_mode, 0660u);
  EXPECT_EQ(appliance.api_group, "");
  EXPECT_EQ(appliance.metrics_address, "");
  EXPECT_EQ(appliance.log_level, "info");
  EXPECT_EQ(to_string(appliance.handoff_prefix), "169.254.0.0/16");
}

TEST(ConfigDefaults, ApiSocketFollowsTheRunDirectory) {
  EXPECT_EQ(model_of("[appliance]\nrun_dir = \"/run/other\"\n").appliance.api_socket, "/run/other/api.sock");
  const std::string own = "[appliance]\nrun_dir = \"/run/other\"\napi_socket = \"/run/own.sock\"\n";
  EXPECT_EQ(model_of(own).appliance.api_socket, "/run/own.sock");
}

TEST(ConfigDefaults, Dataplane) {
  const DataplaneSettings dataplane = model_of("").dataplane;
  EXPECT_EQ(dataplane.user, "xdp-kea");
  EXPECT_THAT(dataplane.lcores, IsEmpty());
  EXPECT_EQ(dataplane.buffers, 16384u);
  EXPECT_EQ(dataplane.queue_depth, 512);
  EXPECT_EQ(dataplane.quantum_bytes, 2048u);
  EXPECT_EQ(dataplane.idle_spin_us, 50u);
  EXPECT_EQ(dataplane.memory_mib, 256u);
}

TEST(ConfigDefaults, Port) {
  const Model model = model_of("[[port]]\nname = \"eth1\"\n");
  ASSERT_THAT(model.ports, SizeIs(1));
  const Port& port = model.ports[0];
  EXPECT_EQ(port.name, "eth1");
  EXPECT_EQ(port.kind, PortKind::af_xdp);
  EXPECT_EQ(port.device, "");
  EXPECT_EQ(port.queues, 0);
  EXPECT_EQ(port.exception, ExceptionPolicy::drop);
  EXPECT_EQ(port.exception_device, "");
  EXPECT_FALSE(port.force_generic);
  EXPECT_EQ(port.origin.file, "f");
  EXPECT_EQ(port.origin.line, 1u);
  EXPECT_EQ(port.origin.column, 1u);
}

TEST(ConfigDefaults, KeaVrf) {
  const Model model = model_of(kKeaVrf);
  ASSERT_THAT(model.vrfs, SizeIs(1));
  const Vrf& vrf = model.vrfs[0];
  EXPECT_EQ(vrf.device, "");
  EXPECT_EQ(vrf.engine, Engine::kea);
  EXPECT_EQ(vrf.queue_depth, 512);
  EXPECT_EQ(vrf.kea.user, "_kea");
  EXPECT_EQ(vrf.kea.template_file, "");
  EXPECT_EQ(vrf.kea.binary, "/usr/sbin/kea-dhcp4");
  EXPECT_EQ(vrf.relay.hops_max, 16);
  EXPECT_TRUE(vrf.relay.link_selection);
  EXPECT_FALSE(vrf.relay.server_id_override);
  EXPECT_FALSE(vrf.relay.relay_flags);
  EXPECT_FALSE(vrf.relay.vss.enabled);
}

TEST(ConfigDefaults, Subnet) {
  const Subnet subnet = model_of(kKeaVrf).vrfs.at(0).subnets.at(0);
  EXPECT_EQ(subnet.id, 0x0a000000u);
  EXPECT_THAT(subnet.pools, IsEmpty());
  EXPECT_EQ(subnet.gateway, Ip4{0x0a000001});
  EXPECT_EQ(subnet.server_identifier, subnet.gateway);
  EXPECT_THAT(subnet.dns, IsEmpty());
  EXPECT_EQ(subnet.domain, "");
  EXPECT_THAT(subnet.ntp, IsEmpty());
  EXPECT_EQ(subnet.lease_time_s, 3600u);
  EXPECT_THAT(subnet.options, IsEmpty());
}

TEST(ConfigDefaults, Attachment) {
  const Attachment attachment = model_of(kKeaVrf).vrfs.at(0).attachments.at(0);
  EXPECT_EQ(attachment.outer, VlanTag{});
  EXPECT_EQ(attachment.inner, VlanTag{});
  EXPECT_EQ(to_string(attachment.subnet), "10.0.0.0/24");
  EXPECT_EQ(attachment.address, Ip4{0x0a000001});
  EXPECT_FALSE(attachment.trusted);
  EXPECT_EQ(attachment.option82_policy, Option82Policy::keep);
  EXPECT_EQ(attachment.circuit_id_template, "{port}:{svlan}.{cvlan}");
  EXPECT_EQ(attachment.remote_id_template, "{hostname}:{vrf}");
}

TEST(ConfigDefaults, RelayEngine) {
  const RelaySettings relay = model_of(kRelayVrf).vrfs.at(0).relay;
  EXPECT_EQ(relay.server_vrf, "");
  EXPECT_EQ(relay.server_interface, "");
  EXPECT_EQ(relay.server_outer, VlanTag{});
  EXPECT_EQ(relay.server_inner, VlanTag{});
  EXPECT_TRUE(relay.next_hop.is_zero());
  EXPECT_TRUE(relay.source.is_zero());
  EXPECT_FALSE(relay.link_selection);
}

TEST(ConfigDefaults, SourceTurnsLinkSelectionOn) {
  EXPECT_TRUE(model_of(std::string(kRelayVrf) + "source = \"192.0.2.1\"\n").vrfs.at(0).relay.link_selection);
}

TEST(ConfigDefaults, QueueDepthOfAVrfIsTheDataplanes) {
  const std::string common = "[dataplane]\nqueue_depth = 64\n" + std::string(kKeaVrf);
  EXPECT_EQ(model_of(common).vrfs.at(0).queue_depth, 64);
  const std::string own = common + "[[vrf]]\nname = \"blue\"\nqueue_depth = 128\n";
  EXPECT_EQ(model_of(own).vrfs.at(1).queue_depth, 128);
}

TEST(ConfigDefaults, Option82IsInheritedKeyByKey) {
  const std::string text = R"([option82]
circuit_id = "c {port}"
remote_id = "r"
policy = "drop"
trusted = true
)" + std::string(kKeaVrf) + R"(policy = "append"
[[vrf.attachment]]
interface = "eth2"
circuit_id = "own"
remote_id = ""
trusted = false
)";
  const Vrf vrf = model_of(text).vrfs.at(0);
  EXPECT_EQ(vrf.attachments.at(0).circuit_id_template, "c {port}");
  EXPECT_EQ(vrf.attachments.at(0).remote_id_template, "r");
  EXPECT_EQ(vrf.attachments.at(0).option82_policy, Option82Policy::append);
  EXPECT_TRUE(vrf.attachments.at(0).trusted);
  EXPECT_EQ(vrf.attachments.at(1).circuit_id_template, "own");
  EXPECT_EQ(vrf.attachments.at(1).remote_id_template, "");
  EXPECT_EQ(vrf.attachments.at(1).option82_policy, Option82Policy::drop);
  EXPECT_FALSE(vrf.attachments.at(1).trusted);
}

TEST(ConfigDefaults, EveryValueArrives) {
  const Model model = model_of(R"([appliance]
name = "edge1"
hostname = "h"
state_dir = "/s"
run_dir = "/r"
bpf_dir = "/b"
api_socket_mode = "0600"
api_group = "ops"
metrics_address = "127.0.0.1:9547"
log_level = "debug"
handoff_prefix = "100.64.0.0/20"
[dataplane]
user = "dp"
buffers = 2048
quantum_bytes = 100
idle_spin_us = 0
memory_mib = 64
[[dataplane.lcore]]
cpu = 3
loops = ["tx", "rx"]
[[dataplane.lcore]]
cpu = 0
loops = ["vrf"]
[[port]]
name = "up"
driver = "ethdev"
device = "net_tap0"
queues = 2
exception = "port"
exception_device = "net_tap1"
[[port]]
name = "eth7"
generic = true
[[vrf]]
name = "red"
device = "vrf-red"
[[vrf.subnet]]
prefix = "10.0.0.0/24"
pools = ["10.0.0.10-10.0.0.20", "10.0.0.30-10.0.0.30"]
server_identifier = "10.9.9.9"
dns = ["10.0.0.2"]
domain = "example.net"
ntp = ["10.0.0.3", "10.0.0.4"]
lease_time_s = 60
options = [{name = "interface-mtu", data = "1400"}, {code = 224, hex = "C0a8"}, {code = 66, data = "tftp"}]
[vrf.relay]
vss = "vpn-id:00005e:0000002a"
[vrf.kea]
user = "kea"
template = "/t.json"
binary = "/k"
)");
  EXPECT_EQ(model.appliance, (Appliance{"edge1", "h", "/s", "/r", "/b", "/r/api.sock", 0600, "ops",
                                        "127.0.0.1:9547", "debug", Prefix4{Ip4{0x64400000}, 20}}));
  const std::vector<LcorePlan> lcores{{3, {LoopRole::tx, LoopRole::rx}}, {0, {LoopRole::vrf}}};
  EXPECT_EQ(model.dataplane, (DataplaneSettings{"dp", lcores, 2048, 512, 100, 0, 64}));
  EXPECT_EQ(
      model.ports,
      (std::vector<Port>{
          {"up", PortKind::ethdev, "net_tap0", 2, ExceptionPolicy::exception_port, "net_tap1", false, {}},
          {"eth7", PortKind::af_xdp, "", 0, ExceptionPolicy::drop, "", true, {}}}));
  ASSERT_THAT(model.vrfs, SizeIs(1));
  const Vrf& vrf = model.vrfs[0];
  EXPECT_EQ(vrf.device, "vrf-red");
  EXPECT_EQ(vrf.kea, (KeaSettings{"kea", "/t.json", "/k"}));
  EXPECT_EQ(vrf.relay.vss, (VssEntry{true, 1, std::string("\x00\x00\x5e\x00\x00\x00\x2a", 7)}));
  Subnet expected;
  expected.id = 0x0a000000;
  expected.prefix = {Ip4{0x0a000000}, 24};
  expected.pools = {{Ip4{0x0a00000a}, Ip4{0x0a000014}}, {Ip4{0x0a00001e}, Ip4{0x0a00001e}}};
  expected.server_identifier = Ip4{0x0a090909};
  expected.dns = {Ip4{0x0a000002}};
  expected.domain = "example.net";
  expected.ntp = {Ip4{0x0a000003}, Ip4{0x0a000004}};
  expected.lease_time_s = 60;
  expected.options = {{"interface-mtu", 0, "1400", false}, {"", 224, "C0a8", true}, {"", 66, "tftp", false}};
  EXPECT_EQ(vrf.subnets, std::vector<Subnet>{expected});
}

TEST(ConfigDefaults, EveryRelayValueArrives) {
  const Model model = model_of(std::string(kRelayVrf) + R"(server_vrf = "core"
server_interface = "eth9"
server_vlan = "400.500"
server_outer_tpid = "0x88a8"
server_inner_tpid = 0x88a8
next_hop = "02:00:00:00:00:01"
hops_max = 4
link_selection = true
server_id_override = true
relay_flags = true
vss = "global"
[[vrf]]
name = "core"
)");
  RelaySettings expected;
  expected.servers = {Ip4{0xc000020a}};
  expected.server_vrf = "core";
  expected.server_interface = "eth9";
  expected.server_outer = {Vid{400}, 0x88a8};
  expected.server_inner = {Vid{500}, 0x88a8};
  expected.next_hop = Mac{{2, 0, 0, 0, 0, 1}};
  expected.hops_max = 4;
  expected.link_selection = true;
  expected.server_id_override = true;
  expected.relay_flags = true;
  expected.vss = {true, 255, ""};
  EXPECT_EQ(model.vrfs.at(0).relay, expected);
}

TEST(ConfigDefaults, VlanForms) {
  const struct {
    std::string text;
    std::uint16_t outer, inner;
  } forms[] = {{"\"none\"", 0, 0}, {"100", 100, 0},   {"\"100\"", 100, 0},    {"\"200.300\"", 200, 300},
               {"1", 1, 0},        {"4094", 4094, 0}, {"\"4094.1\"", 4094, 1}};
  for (const auto& form : forms) {
    const Model model = model_of(std::string(kKeaVrf) + "vlan = " + form.text + "\n");
    EXPECT_EQ(model.vrfs.at(0).attachments.at(0).outer.vid.value, form.outer) << form.text;
    EXPECT_EQ(model.vrfs.at(0).attachments.at(0).inner.vid.value, form.inner) << form.text;
  }
}

}  // namespace
}  // namespace xk
