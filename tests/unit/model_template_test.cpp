// Templates of option 82, and the model's small helpers.
#include <gtest/gtest.h>

#include "controlplane/model/lookup.h"
#include "controlplane/model/names.h"
#include "controlplane/model/template.h"

namespace xk {
namespace {

const TemplateValues kValues{"eth1", Vid{200}, Vid{300}, "red", "edge1"};

TEST(Template, Placeholders) {
  EXPECT_EQ(render_template("{port}:{svlan}.{cvlan}", kValues).value(), "eth1:200.300");
  EXPECT_EQ(render_template("{hostname}:{vrf}", kValues).value(), "edge1:red");
  EXPECT_EQ(render_template("{port}{port}", kValues).value(), "eth1eth1");
  EXPECT_EQ(render_template("", kValues).value(), "");
  EXPECT_EQ(render_template("plain text!", kValues).value(), "plain text!");
}

TEST(Template, NoTagIsZero) {
  EXPECT_EQ(render_template("{svlan}.{cvlan}", {"eth1", Vid{100}, {}, "red", "h"}).value(), "100.0");
  EXPECT_EQ(render_template("{svlan}.{cvlan}", {"eth1", {}, {}, "red", "h"}).value(), "0.0");
}

TEST(Template, MacIsLeftForTheDataplane) {
  EXPECT_EQ(render_template("<{mac}>", kValues).value(), std::string("<") + kMacPlaceholder + ">");
}

TEST(Template, DoubledBracesAreBraces) {
  EXPECT_EQ(render_template("{{port}}", kValues).value(), "{port}");
  EXPECT_EQ(render_template("{{{port}}}", kValues).value(), "{eth1}");
}

TEST(Template, Mistakes) {
  EXPECT_EQ(render_template("{vlan}", kValues).error().message,
            "unknown placeholder {vlan}; there are {port}, {svlan}, {cvlan}, {vrf}, {mac} and {hostname}");
  EXPECT_FALSE(render_template("{}", kValues));
  EXPECT_FALSE(render_template("{Port}", kValues));
  EXPECT_FALSE(render_template("{port", kValues));
  EXPECT_FALSE(render_template("port}", kValues));
  EXPECT_FALSE(render_template("{", kValues));
  EXPECT_FALSE(render_template("a\x01z", kValues));
  EXPECT_FALSE(render_template("gr\xc3\xbcn", kValues));
  EXPECT_FALSE(render_template("tab\t", kValues));
}

TEST(ModelNames, EachEnumeratorHasItsWord) {
  EXPECT_EQ(name_of(Engine::kea), "kea");
  EXPECT_EQ(name_of(Engine::relay), "relay");
  EXPECT_EQ(name_of(Engine::native), "native");
  EXPECT_EQ(name_of(Option82Policy::append), "append");
  EXPECT_EQ(name_of(Option82Policy::replace), "replace");
  EXPECT_EQ(name_of(Option82Policy::keep), "keep");
  EXPECT_EQ(name_of(Option82Policy::drop), "drop");
  EXPECT_EQ(name_of(PortKind::af_xdp), "af_xdp");
  EXPECT_EQ(name_of(PortKind::ethdev), "ethdev");
  EXPECT_EQ(name_of(PortKind::pcap), "pcap");
  EXPECT_EQ(name_of(PortKind::sim), "sim");
  EXPECT_EQ(name_of(ExceptionPolicy::drop), "drop");
  EXPECT_EQ(name_of(ExceptionPolicy::exception_port), "port");
  EXPECT_EQ(name_of(LoopRole::rx), "rx");
  EXPECT_EQ(name_of(LoopRole::vrf), "vrf");
  EXPECT_EQ(name_of(LoopRole::tx), "tx");
  EXPECT_EQ(name_of(static_cast<Engine>(9)), "?");
}

TEST(ModelLookup, FindsOrSaysThereIsNone) {
  Model model;
  model.ports.emplace_back().name = "up";
  model.vrfs.emplace_back().name = "red";
  model.vrfs[0].subnets.emplace_back().prefix = {Ip4{0x0a000000}, 24};
  EXPECT_EQ(find_vrf(model, "red"), &model.vrfs[0]);
  EXPECT_EQ(find_vrf(model, "blue"), nullptr);
  EXPECT_EQ(find_port(model, "up"), &model.ports[0]);
  EXPECT_EQ(find_port(model, "eth1"), nullptr);
  EXPECT_EQ(find_subnet(model.vrfs[0], {Ip4{0x0a000000}, 24}), &model.vrfs[0].subnets[0]);
  EXPECT_EQ(find_subnet(model.vrfs[0], {Ip4{0x0a000000}, 25}), nullptr);
}

TEST(ModelLookup, Texts) {
  EXPECT_EQ(attachment_text("eth1", {}, {}), "eth1");
  EXPECT_EQ(attachment_text("eth1", Vid{100}, {}), "eth1 vlan 100");
  EXPECT_EQ(attachment_text("eth1", Vid{200}, Vid{300}), "eth1 vlan 200.300");
  Appliance appliance;
  EXPECT_FALSE(hostname_of(appliance).empty());
  appliance.hostname = "edge1";
  EXPECT_EQ(hostname_of(appliance), "edge1");
}

}  // namespace
}  // namespace xk
